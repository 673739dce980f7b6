"""How good each detector is on average, and how sure that is."""

from dataclasses import dataclass

from tocsin.evaluation.comparing.bootstrap import STANDARD, Bootstrap, interval, macro_means
from tocsin.evaluation.comparing.comparison import Comparison, Mode


@dataclass(frozen=True, slots=True)
class Average:
    """A detector's mean over series, its mean of data-set means, and the interval of the latter.

    NaN where there are no series.
    """

    detector: str
    mode: Mode
    mean: float
    macro: float
    low: float
    high: float


def averages(comparison: Comparison, how: Bootstrap = STANDARD) -> tuple[Average, ...]:
    """The average of each detector of the comparison, in its order, over the same series."""
    values, group = comparison.values, comparison.group
    plain = macro_means(values, group * 0)  # all series in one data set
    macro = macro_means(values, group)
    low, high = interval(values, group, how)
    return tuple(
        Average(detector, comparison.mode, *map(float, numbers))
        for detector, *numbers in zip(comparison.detectors, plain, macro, low, high, strict=True)
    )

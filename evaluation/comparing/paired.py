"""Each detector against a named baseline, series by series."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from tocsin.evaluation.comparing.bootstrap import STANDARD, Bootstrap, interval, macro_means
from tocsin.evaluation.comparing.comparison import DECIMALS, Comparison, Mode
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray


@dataclass(frozen=True, slots=True)
class Duel:
    """A detector against the baseline on S series.

    `difference` is the difference of the macro means, detector less baseline, with the bootstrap
    interval from `low` to `high`. `p` is of the two-sided signed-rank test, `p_holm` the same
    corrected for the number of detectors tested. Wins, ties and losses count series; a win is the
    better value, which is the lower one for a metric where lower is better.
    """

    detector: str
    baseline: str
    mode: Mode
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    wins: int
    ties: int
    losses: int


def against(
    comparison: Comparison,
    baseline: str,
    how: Bootstrap = STANDARD,
    *,
    lower_is_better: bool = False,
) -> tuple[Duel, ...]:
    """Every other detector of the comparison against the baseline, in the comparison's order.

    The test is Wilcoxon's signed-rank test over series (F. Wilcoxon, 1945, DOI 10.2307/3001968),
    ranks of ties between the two split evenly, with Holm's correction (S. Holm, 1979, A simple
    sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6). It
    takes each series as one vote, whatever its data set, so a data set of many series decides
    more here than in the macro means. A TocsinError where no series are compared.
    """
    base = comparison.of(baseline)
    others = [name for name in comparison.detectors if name != baseline]
    if not len(base):
        raise TocsinError(f"{comparison.metric}: no series that all detectors have, so no test")
    columns = [comparison.of(name) - base for name in others]
    gain = np.round(np.array(columns).T.reshape(len(base), len(others)), DECIMALS)  # (S, D - 1)
    difference = macro_means(gain, comparison.group)
    low, high = interval(gain, comparison.group, how)
    p = [signed_rank(column) for column in gain.T]
    better = -gain if lower_is_better else gain
    return tuple(
        Duel(
            name, baseline, comparison.mode, float(difference[i]), float(low[i]), float(high[i]),
            p[i], corrected, int((better[:, i] > 0).sum()), int((better[:, i] == 0).sum()),
            int((better[:, i] < 0).sum()),
        )
        for i, (name, corrected) in enumerate(zip(others, holm(p), strict=True))
    )  # fmt: skip


def signed_rank(differences: FloatArray) -> float:
    """The two-sided p value of differences (S,): 1 where all are 0, as nothing speaks against.

    Exact for up to 50 differences without ties and up to 13 with them, else by the normal law.
    """
    if not differences.any():
        return 1.0
    found: Any = wilcoxon(differences, zero_method="zsplit", method="auto")
    return float(found.pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Each p value corrected for the number of tests, by Holm's step-down rule.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p)
    highest = 0.0
    for place, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(p) - place) * p[i]))
        corrected[i] = highest
    return corrected

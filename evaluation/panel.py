"""One series' history, ready to be drawn: signals, scores, tails, thresholds and incidents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tocsin.evaluation.downsample import LARGEST
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.incidents import Incident, Level
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

LEVELS: tuple[Level, ...] = ("info", "warning", "error", "critical")
SMALLEST_TAIL = 1e-16  # a smaller tail, or one of 0, is drawn as this one
REACH = 3.0  # usual misses on either side of what was expected, in a band

Shares = tuple[tuple[str, float], ...]  # names with their shares, largest first


class Expected(NamedTuple):
    """What a detector expected of rows: `middle` (N, C), and how far values usually lie from it.

    `usual` (N, C) is in the channels' units, as `middle` is; NaN where the detector cannot tell.
    """

    middle: FloatArray
    usual: FloatArray

    def band(self) -> tuple[FloatArray, FloatArray]:
        """The lower and the upper edge (N, C): three usual misses on either side."""
        reach = REACH * self.usual
        return self.middle - reach, self.middle + reach


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time in nanoseconds, both ends included, and what is known of it."""

    start: int
    end: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One series' history, oldest row first; N rows, C channels.

    `time` (N,) is int64 nanoseconds UTC and never falls. `values` (N, C) are the signals in their
    own units, `score` (N,) the raw scores, `tail` (N,) their tail probabilities, `alpha` (N,) the
    alarm level in force, NaN while the series warms up, `alarm` (N,) the rows with `tail < alpha`.
    NaN anywhere is missing or "no opinion" and leaves a gap. `incidents` are final revisions,
    `truth` what is known to have gone wrong, `expected` what the detector expected of the rows,
    `covariates` the shares of those that go with an incident, by its id, `trained` how many of the
    first rows were trained on and not judged. Columns of other shapes raise a TocsinError.
    """

    series: str
    channels: tuple[str, ...]
    time: IntArray
    values: FloatArray
    score: FloatArray
    tail: FloatArray
    alpha: FloatArray
    alarm: BoolArray
    incidents: tuple[Incident, ...]
    truth: tuple[Interval, ...] = ()
    expected: Expected | None = None
    covariates: Mapping[str, Shares] = field(default_factory=dict)
    trained: int = 0

    def __post_init__(self) -> None:
        rows = self.time.shape
        columns = (self.score, self.tail, self.alpha, self.alarm)
        if len(rows) != 1 or any(column.shape != rows for column in columns):
            shapes = ", ".join(str(column.shape) for column in (self.time, *columns))
            raise TocsinError(
                f"series {self.series!r}: time, score, tail, alpha and alarm must all be (N,); "
                f"found {shapes}"
            )
        known = () if self.expected is None else self.expected
        for table in (self.values, *known):
            if table.shape != (*rows, len(self.channels)):
                raise TocsinError(
                    f"series {self.series!r}: values and what was expected of them must be "
                    f"(N, C) = {(*rows, len(self.channels))}; found {table.shape}"
                )
        if (np.diff(self.time) < 0).any():
            raise TocsinError(f"series {self.series!r}: time runs backwards")


def most_interesting(panels: Sequence[Panel], most: int) -> list[Panel]:
    """At most `most` panels: the worst incidents first, then planted faults, then the rest."""
    return sorted(panels, key=_interest, reverse=True)[:most]


def blamed_first(panel: Panel, most: int) -> list[int]:
    """At most `most` channel positions: those the incidents blame most, then the others."""
    share = dict.fromkeys(panel.channels, 0.0)
    for incident in panel.incidents:
        for name, part in incident.channels:
            if name in share:
                share[name] += part
    order = sorted(range(len(panel.channels)), key=lambda i: -share[panel.channels[i]])
    return order[:most]


def painted(panels: Sequence[Panel], most: int, colours: int) -> dict[str, int]:
    """The number of the colour of each channel that is drawn, the same in all panels.

    It goes by the channel's place among all channels, so that the next run gives the same one. Past
    the last colour, a channel has the next one that is free in the picture, or else in its panels.
    """
    drawn = [[panel.channels[place] for place in blamed_first(panel, most)] for panel in panels]
    names = dict.fromkeys(name for panel in panels for name in panel.channels)
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        beside = [other for group in drawn if name in group for other in group]
        if beside:
            taken = {found.get(other) for other in beside}
            order = [(place + step) % colours for step in range(colours)]
            found[name] = min(order, key=lambda c: (c in taken, c in found.values()))
    return found


def leading(panel: Panel) -> set[str]:
    """The channels that an incident blames most."""
    return {incident.channels[0][0] for incident in panel.incidents if incident.channels}


def mildest_first(panel: Panel) -> list[Incident]:
    """The incidents by level and, within it, severity."""
    return sorted(panel.incidents, key=_weight)


def subject(incident: Incident) -> str:
    """What an incident is about in a word or two: its most blamed channel, or its kind and that."""
    channels = [name for name, _ in incident.channels[:1]]
    if incident.kind == "anomaly" and channels:
        return channels[0]
    return ": ".join((incident.kind.replace("_", " "), *channels))


def training(panel: Panel) -> tuple[int, int] | None:
    """The first and last nanosecond of the rows that were trained on; None without any."""
    rows = panel.time[: panel.trained]
    return (int(rows[0]), int(rows[-1])) if rows.size else None


def warmup(panel: Panel) -> tuple[int, int] | None:
    """The first and last nanosecond of the rows before the first alarm level; None without any.

    Rows that were trained on are none of them.
    """
    cold = np.flatnonzero(np.maximum.accumulate(~np.isnan(panel.alpha)) == 0)  # leading rows
    rows = panel.time[cold[panel.trained :]]
    return (int(rows[0]), int(rows[-1])) if rows.size else None


def surprise(tail: FloatArray) -> FloatArray:
    """-log10 of tail probabilities or alarm levels, at most 16; NaN stays NaN.

    >>> surprise(np.array([1.0, 0.001, 0.0, np.nan])).round(1).tolist()
    [0.0, 3.0, 16.0, nan]
    """
    return 0.0 - np.log10(np.clip(tail, SMALLEST_TAIL, 1.0))


def standardise(values: FloatArray) -> FloatArray:
    """Each channel of (N, C) less its median, in units of its usual spread.

    The spread is the interquartile range over 1.349, which is the standard deviation of a normal
    channel and is not moved by the anomalies; the standard deviation where that is 0, and 1 where
    the channel never moves. NaN and infinities stay as they are; finite values are held within
    1e100 of 0.

    >>> standardise(np.array([[1.0, 5.0], [2.0, 5.0], [3.0, np.nan]])).round(2).tolist()
    [[-1.35, 0.0], [0.0, 0.0], [1.35, nan]]
    """
    return standardised_like(values, values)


def standardised_like(table: FloatArray, values: FloatArray) -> FloatArray:
    """`table` (N, C) in the units that `standardise` gives `values` (M, C).

    >>> standardised_like(np.array([[3.0]]), np.array([[1.0], [2.0], [3.0]])).round(2).tolist()
    [[1.35]]
    """
    result = np.where(np.isinf(table), table, np.clip(table, -LARGEST, LARGEST))
    held = np.where(np.isinf(values), values, np.clip(values, -LARGEST, LARGEST))
    for column, usual in zip(result.T, held.T, strict=True):  # (N,), a view; (M,)
        known = usual[np.isfinite(usual)]
        if known.size:
            low, middle, high = np.percentile(known, [25, 50, 75])
            spread = next((s for s in ((high - low) / 1.349, known.std()) if s > 0), 1.0)
            column[:] = (column - middle) / spread
    return result


def span(panels: Sequence[Panel]) -> tuple[int, int]:
    """The first and last nanosecond of all rows, at least a second apart; (0, 1 s) without rows."""
    times = [panel.time for panel in panels if panel.time.size]
    first = min((int(time[0]) for time in times), default=0)
    last = max((int(time[-1]) for time in times), default=0)
    return first, max(last, first + 1_000_000_000)


def extent(incident: Incident, last: int) -> tuple[int, int]:
    """Where an incident is drawn: from its start to its end, or to `last` while it is open."""
    end = incident.ended_at
    return incident.started_at, max(incident.started_at, last if end is None else end)


def _interest(panel: Panel) -> tuple[int, float, int, int]:
    level, severity = max(map(_weight, panel.incidents), default=(-1, 0.0))
    return level, severity, len(panel.incidents), len(panel.truth)


def _weight(incident: Incident) -> tuple[int, float]:
    severity = incident.severity
    return LEVELS.index(incident.level), severity if np.isfinite(severity) else 0.0

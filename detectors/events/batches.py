"""Whether the newest rows, taken together, are drawn as the training rows were."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tocsin.detectors.events.kernel_logistic import KernelTest, Ratio
from tocsin.detectors.rows import need
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.detectors.trained import Trained
from tocsin.pipeline.types import FloatArray, IntArray, Traits

_NORMAL = 1.349  # interquartile range of a normal law, in standard deviations


class BatchModel(NamedTuple):
    """The reference in spreads, the kernels' widths, and what the statistics usually are."""

    scale: Scale
    reference: FloatArray  # (N, C)
    widths: FloatArray  # (W,)
    usual: FloatArray  # (W,)
    spread: FloatArray  # (W,)


@dataclass(frozen=True, slots=True)
class BatchTest(Trained[BatchModel | None]):
    """Holds the last `window` rows as one sample against the training rows, as another.

    Kernel logistic regression learns how much denser the window is than `reference` training rows,
    spread evenly over the training, and the statistic is the likelihood ratio that this gives;
    `centres`, `penalty` and `percentiles` are those of `KernelTest`. The score is the statistic's
    distance from the median, in spreads, of what `toys` stretches of the training rows give against
    the other rows, at the kernel width where that is largest: 0 is ordinary. The order of rows
    within the window does not matter. A missing channel counts as usual; a window with fewer than
    half its rows has no opinion.

    `blame` is, for each channel of each row, what the log ratio at the row loses when the channel
    is put where it usually is. Rows that are missing from the window, as in a spread that shrinks,
    have none to blame.

    Finds what is small in every row and lasts for a good part of the window: shifts, drift, more or
    less spread, broken relations that need not be linear. Misses the order of rows, and single odd
    rows but wild ones. What lasts stays found, as nothing is learned after training.

    Cost a row: some (`reference` + `window`) M**2 operations for each kernel width and step of
    Newton's method, of which there are about six; M is the number of centres. That is some
    milliseconds. Memory a key: 8 x `memory` x C bytes. Shift and scale leave the scores alone.

    References: Letizia, Losapio, Rando, Grosso, Wulzer, Pierini, Zanetti and Rosasco, Learning new
    physics efficiently with nonparametric methods, 2022, doi:10.1140/epjc/s10052-022-10830-y;
    Grosso, Lai, Letizia, Pazzini, Rando, Rosasco, Wulzer and Zanetti, Fast kernel methods for data
    quality monitoring as a goodness-of-fit test, 2023, arXiv:2303.05413.

    >>> rng = np.random.default_rng(0)
    >>> rows = rng.normal(size=(300, 2))
    >>> scorer = BatchTest(window=24, train=100, toys=20)
    >>> model = scorer.model(rows)
    >>> alike, half_as_wide = rng.normal(size=(24, 2)), 0.5 * rng.normal(size=(24, 2))
    >>> value, _ = scorer.measure(model, np.stack([alike, half_as_wide]))
    >>> bool(abs(value[0]) < 3), bool(value[1] > 3)
    (True, True)
    """

    window: int = 32
    reference: int = 256
    toys: int = 60
    centres: int = 32
    penalty: float = 0.01
    percentiles: tuple[float, ...] = (25.0, 90.0)

    traits: ClassVar[Traits] = Traits(
        detects=frozenset({"level_shift", "variance_burst", "broken_correlation"})
    )

    def check(self) -> None:
        super(BatchTest, self).check()
        need(self.window >= 4, "window", "4 or more", self.window)
        need(self.reference >= 8, "reference", "8 or more", self.reference)
        need(self.toys >= 4, "toys", "4 or more", self.toys)
        self._test()

    @property
    def frames(self) -> int:
        return self.window

    def model(self, rows: FloatArray) -> BatchModel | None:
        scale = plain_scale(rows)
        known = np.flatnonzero(~np.isnan(rows).all(axis=1))
        if len(rows) < self.frames or len(known) < 2 * self.frames:
            return None
        seam = np.isnan(rows).all(axis=1)
        whole = np.flatnonzero(~sliding_window_view(seam, self.frames).any(axis=1))
        if not whole.size:
            return None
        points = np.nan_to_num(scaled(rows, scale))
        kept = known[_spread_evenly(len(known), self.reference)]
        widths = self._test().widths(points[kept])
        starts = whole[_spread_evenly(len(whole), self.toys)].tolist()
        found = np.array([self._toy(points, kept, first, widths) for first in starts])
        return BatchModel(scale, points[kept], widths, np.median(found, axis=0), _spread(found))

    def measure(
        self, model: BatchModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        if model is None:
            return value, blame
        test, points = self._test(), scaled(windows, model.scale)
        for row in range(len(windows)):
            there = np.flatnonzero(~np.isnan(points[row]).all(axis=1))
            if 2 * len(there) >= self.frames:
                batch = np.nan_to_num(points[row, there])
                ratio = test.statistics(model.reference, batch, model.widths)
                away = (ratio.statistic - model.usual) / model.spread
                value[row] = away.max()
                blame[row, there] = _blamed(batch, ratio, int(away.argmax()))
        return value, blame

    def _test(self) -> KernelTest:
        return KernelTest(self.centres, self.penalty, self.percentiles)

    def _toy(
        self, points: FloatArray, kept: IntArray, first: int, widths: FloatArray
    ) -> FloatArray:
        others = kept[(kept < first) | (kept >= first + self.frames)]
        batch = points[first : first + self.frames]
        return self._test().statistics(points[others], batch, widths).statistic


def _blamed(batch: FloatArray, ratio: Ratio, which: int) -> FloatArray:
    """What the log ratio at each row (n, C) loses without each channel, not below 0."""
    whole = ratio.at(batch, which)
    found = np.zeros(batch.shape)
    for c in range(batch.shape[1]):
        without = batch.copy()
        without[:, c] = 0.0
        found[:, c] = np.maximum(whole - ratio.at(without, which), 0.0)
    return found


def _spread(found: FloatArray) -> FloatArray:
    """A robust standard deviation of each column (W,), 1 where all values are one."""
    low, high = np.percentile(found, [25, 75], axis=0)
    wide, plain = (high - low) / _NORMAL, found.std(axis=0)
    spread = np.where(wide > 0, wide, plain)
    return np.where(spread > 0, spread, 1.0)


def _spread_evenly(count: int, most: int) -> IntArray:
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)

"""The log ratio of two densities by kernel logistic regression, and the likelihood ratio it gives.

The law is f(x) = sum_m weight_m k(x, centre_m) with the Gaussian kernel k, and the loss is that of
telling batch from reference: log(1 + exp(-f)) over the batch, log(1 + exp(f)) over the reference,
whose rows weigh as much together as the batch's, and penalty / 2 times the squared norm of f in the
kernel's space. Its minimum is near log(batch density / reference density).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import need
from tocsin.pipeline.types import FloatArray

_JITTER = 1e-10  # on the kernel matrix's diagonal, so that rows that are equal do no harm
_VANISHED = 40.0  # an exponent beyond which a kernel is 0
_STEPS = 50  # of Newton's method at most; six are usual
_SETTLED = 1e-10  # of the loss; what a last step gains at most
_PAIRED = 300  # rows between which distances are measured


@dataclass(frozen=True, slots=True)
class KernelTest:
    """Settings of the test: how many centres, how stiff the ratio, and the kernels' widths.

    Half of the `centres` are reference rows, evenly spread in time; the others are batch rows, each
    the farthest from all before it. Widths are `percentiles` of the distances between reference
    rows; each gives a statistic of its own. The ratio is about 1 / sqrt(`penalty`) at most where
    one row alone speaks for it.
    """

    centres: int = 32
    penalty: float = 0.01
    percentiles: tuple[float, ...] = (25.0, 90.0)

    def __post_init__(self) -> None:
        need(self.centres >= 2, "centres", "2 or more", self.centres)
        need(0 < self.penalty < np.inf, "penalty", "a positive number", self.penalty)
        need(len(self.percentiles) > 0, "percentiles", "one or more", len(self.percentiles))
        for each in self.percentiles:
            need(0 < each <= 100, "percentiles", "above 0 and 100 at most", each)

    def widths(self, rows: FloatArray) -> FloatArray:
        """The kernels' widths (W,) for reference rows (N, C)."""
        some = rows[np.linspace(0, len(rows) - 1, min(_PAIRED, len(rows))).round().astype(int)]
        apart = _distances(some)
        apart = apart[apart > 0]
        if not apart.size:
            return np.ones(len(self.percentiles))
        return np.asarray(np.percentile(apart, self.percentiles), dtype=np.float64)

    def statistics(self, reference: FloatArray, batch: FloatArray, widths: FloatArray) -> "Ratio":
        """Both samples, (N, C) and (n, C), held against each other at each width."""
        half = min(self.centres // 2, len(reference))
        places = np.linspace(0, len(reference) - 1, half).round().astype(np.int64)
        centres = _centres(reference[places], batch, self.centres - half)
        weights, found = np.empty((len(widths), len(centres))), np.empty(len(widths))
        for i, width in enumerate(widths.tolist()):
            weights[i], found[i] = _fitted(reference, batch, centres, width, self.penalty)
        return Ratio(found, centres, weights, widths)


class Ratio(NamedTuple):
    """Fitted log ratios, one a kernel width, and their test statistics."""

    statistic: FloatArray  # (W,)
    centres: FloatArray  # (M, C)
    weights: FloatArray  # (W, M)
    widths: FloatArray  # (W,)

    def at(self, rows: FloatArray, which: int) -> FloatArray:
        """The log ratio (B,) at rows (B, C), of one of the widths."""
        return _ratio(rows, self.centres, self.weights[which], self.widths[which])


@compiled
def _distances(rows: FloatArray) -> FloatArray:
    """Distances between all pairs of rows (N, C), each pair once."""
    count = len(rows)
    found = np.empty(count * (count - 1) // 2)
    n = 0
    for a in range(count):
        for b in range(a):
            found[n] = np.sqrt(_square(rows[a], rows[b]))
            n += 1
    return found


@compiled
def _square(a: FloatArray, b: FloatArray) -> float:
    total = 0.0
    for c in range(len(a)):
        total += (a[c] - b[c]) ** 2
    return total


@compiled
def _kernel(a: FloatArray, b: FloatArray, width: float) -> float:
    exponent = _square(a, b) / (2.0 * width * width)
    return float(np.exp(-exponent)) if exponent < _VANISHED else 0.0


@compiled
def _centres(first: FloatArray, batch: FloatArray, count: int) -> FloatArray:
    """The centres `first` (m, C) and up to `count` rows of the batch, farthest first."""
    chosen = np.empty((len(first) + count, batch.shape[1]))
    chosen[: len(first)] = first
    apart = np.full(len(batch), np.inf)
    for b in range(len(batch)):
        for m in range(len(first)):
            apart[b] = min(apart[b], _square(batch[b], first[m]))
    used = len(first)
    while used < len(chosen):
        farthest = int(np.argmax(apart))
        if apart[farthest] <= 0.0:
            break
        chosen[used] = batch[farthest]
        used += 1
        for b in range(len(batch)):
            apart[b] = min(apart[b], _square(batch[b], batch[farthest]))
    return chosen[:used]


@compiled
def _factor(centres: FloatArray, width: float) -> FloatArray:
    """The lower Cholesky factor (M, M) of the centres' kernel matrix."""
    count = len(centres)
    lower = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1):
            total = _kernel(centres[i], centres[j], width)
            if i == j:
                total += _JITTER
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            lower[i, j] = np.sqrt(max(total, _JITTER)) if i == j else total / lower[j, j]
    return lower


@compiled
def _features(rows: FloatArray, centres: FloatArray, lower: FloatArray, width: float) -> FloatArray:
    """Coordinates (B, M) of rows whose inner products are the kernel, as far as centres reach."""
    found = np.empty((len(rows), len(centres)))
    for b in range(len(rows)):
        for m in range(len(centres)):
            total = _kernel(rows[b], centres[m], width)
            for k in range(m):
                total -= lower[m, k] * found[b, k]
            found[b, m] = total / lower[m, m]
    return found


@compiled
def _fitted(
    reference: FloatArray, batch: FloatArray, centres: FloatArray, width: float, penalty: float
) -> tuple[FloatArray, float]:
    """The weights (M,) of the log ratio, and the test statistic."""
    lower = _factor(centres, width)
    count = len(batch)
    rows = np.concatenate((batch, reference))
    points = _features(rows, centres, lower, width)
    share = count / len(reference)
    at = np.zeros(len(centres))
    loss = _loss(points, count, share, at, penalty)
    for _ in range(_STEPS):
        step = _newton(points, count, share, at, penalty)
        size = 1.0
        while True:
            there = at - size * step
            next_loss = _loss(points, count, share, there, penalty)
            if next_loss <= loss or size < 1e-6:
                break
            size /= 2.0
        gain = loss - next_loss
        if gain > 0.0:
            at, loss = there, next_loss
        if gain <= _SETTLED * abs(loss):
            break
    ratio = _along(points, at)
    total = 0.0
    for b in range(len(rows)):
        total += ratio[b] if b < count else -share * np.expm1(ratio[b])
    return _back(lower, at), 2.0 * total


@compiled
def _along(points: FloatArray, at: FloatArray) -> FloatArray:
    found = np.zeros(len(points))
    for b in range(len(points)):
        for m in range(len(at)):
            found[b] += points[b, m] * at[m]
    return found


@compiled
def _loss(points: FloatArray, count: int, share: float, at: FloatArray, penalty: float) -> float:
    ratio = _along(points, at)
    total = 0.0
    for b in range(len(points)):
        margin = ratio[b] if b < count else -ratio[b]
        soft = max(-margin, 0.0) + np.log1p(np.exp(-abs(margin)))
        total += soft if b < count else share * soft
    for m in range(len(at)):
        total += penalty / 2.0 * at[m] * at[m]
    return total


@compiled
def _newton(
    points: FloatArray, count: int, share: float, at: FloatArray, penalty: float
) -> FloatArray:
    """The step that Newton's method subtracts."""
    size = len(at)
    ratio = _along(points, at)
    slope, curve = penalty * at, np.zeros((size, size))
    for b in range(len(points)):
        chance = 1.0 / (1.0 + np.exp(-ratio[b]))
        weight = 1.0 if b < count else share
        pull = weight * (chance - 1.0 if b < count else chance)
        bend = weight * chance * (1.0 - chance)
        for m in range(size):
            slope[m] += pull * points[b, m]
            part = bend * points[b, m]
            for k in range(m + 1):
                curve[m, k] += part * points[b, k]
    for m in range(size):
        curve[m, m] += penalty
    return _solved(curve, slope)


@compiled
def _solved(curve: FloatArray, slope: FloatArray) -> FloatArray:
    """The solution of a positive definite system, of which the lower half is given."""
    size = len(slope)
    for i in range(size):
        for j in range(i + 1):
            total = curve[i, j]
            for k in range(j):
                total -= curve[i, k] * curve[j, k]
            curve[i, j] = np.sqrt(total) if i == j else total / curve[j, j]
    found = slope.copy()
    for i in range(size):
        for k in range(i):
            found[i] -= curve[i, k] * found[k]
        found[i] /= curve[i, i]
    return _back(curve, found)


@compiled
def _back(lower: FloatArray, right: FloatArray) -> FloatArray:
    """Solves lower' x = right."""
    found = right.copy()
    for i in range(len(right) - 1, -1, -1):
        for k in range(i + 1, len(right)):
            found[i] -= lower[k, i] * found[k]
        found[i] /= lower[i, i]
    return found


@compiled
def _ratio(rows: FloatArray, centres: FloatArray, weights: FloatArray, width: float) -> FloatArray:
    found = np.zeros(len(rows))
    for b in range(len(rows)):
        for m in range(len(centres)):
            found[b] += weights[m] * _kernel(rows[b], centres[m], width)
    return found

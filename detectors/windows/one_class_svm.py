"""How far a window lies outside the region that clean windows fill."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.svm import OneClassSVM

from tocsin.detectors.compiled import compiled
from tocsin.detectors.rows import need
from tocsin.detectors.trained import Trained
from tocsin.detectors.windows.prepared import Embedding, blamed, embedded, embedding, judged
from tocsin.pipeline.types import FloatArray, Traits

_FEWEST = 4  # training windows
_LEAST = 1e-12  # variance a coordinate; points that move less count as one


class SvmModel(NamedTuple):
    """The windows that bound the region, as points, and the weight of each."""

    into: Embedding
    points: FloatArray  # (M, k)
    weights: FloatArray  # (M,), such that a point on the boundary has a sum of 1
    gamma: float


@dataclass(frozen=True, slots=True)
class OneClassSvm(Trained[SvmModel | None]):
    """The one-class support vector machine's opinion of a window, with a Gaussian kernel.

    The windows of all channels side by side, each channel in its training standard deviations, are
    points; windows of more than `dimensions` numbers are first brought to that many principal
    directions and the length of what these leave over. The machine encloses the training windows
    but for a share `nu`, with a kernel of width `gamma`, or one over the number of coordinates
    times their variance where that is 0.

    With f the weighted sum of kernels over its value at the boundary, the score is -ln f: 0 at the
    boundary, above outside. That is the order of the machine's own decision, which is 1 - f, but
    goes on rising where the kernels vanish.

    Gaps hold the last value; a window without a value in its newest row, or in half of its rows,
    has no opinion. `blame` is the window's distance from its nearest kernels' mean, by value.

    Finds windows unlike any seen. Misses faults near the boundary, and a share `nu` of ordinary
    windows lies outside it.

    Offline, a row has the mean score of the windows that cover it.

    Cost a row: `nu` x `memory` kernels of `dimensions` numbers, and T C `dimensions`.
    Memory a key: 8 x `memory` x C bytes, and 8 x `dimensions` a kernel of the model. Training grows
    with the square of the rows. Shift and scale leave the scores alone.

    Reference: Schölkopf et al., Estimating the support of a high-dimensional distribution, 2001,
    doi:10.1162/089976601750264965.

    >>> wave = np.sin(np.arange(400) / 3) + np.random.default_rng(0).normal(0, 0.05, 400)
    >>> scorer = OneClassSvm(window=16)
    >>> model = scorer.model(wave[:, None])
    >>> windows = np.stack([wave[103:119], wave[103:119] + 1.0])[:, :, None]
    >>> scorer.measure(model, windows)[0].round(1).tolist()
    [-0.0, 1.7]
    """

    window: int = 32
    nu: float = 0.02
    gamma: float = 0.0
    dimensions: int = 16

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike", "level_shift", "variance_burst"}))

    def check(self) -> None:
        super(OneClassSvm, self).check()
        need(self.window >= 2, "window", "2 or more", self.window)
        need(0 < self.nu <= 1, "nu", "above 0 and 1 at most", self.nu)
        need(0 <= self.gamma < np.inf, "gamma", "0 or more", self.gamma)
        need(self.dimensions >= 1, "dimensions", "1 or more", self.dimensions)

    @property
    def frames(self) -> int:
        return self.window

    def model(self, rows: FloatArray) -> SvmModel | None:
        into, points = embedding(rows, self.frames, self.dimensions)
        if len(points) < _FEWEST:
            return None
        # scikit-learn's stubs take its gamma for text alone.
        gamma: Any = self.gamma or 1.0 / (points.shape[1] * max(float(points.var()), _LEAST))
        machine = OneClassSVM(nu=self.nu, gamma=gamma).fit(points)
        kept = np.ascontiguousarray(machine.support_vectors_)
        return SvmModel(into, kept, machine.dual_coef_[0] / -float(machine.intercept_[0]), gamma)

    def measure(self, model: SvmModel | None, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        ready = judged(windows)
        if model is None or not ready.size:
            return value, blame
        points = embedded(windows[ready], model.into)
        power, total, middle = _sums(points, model.points, model.weights, model.gamma)
        value[ready] = -(power + np.log(total))
        blame[ready] = blamed(windows[ready], model.into, np.abs(points - middle))
        return value, blame


@compiled
def _sums(
    points: FloatArray, kept: FloatArray, weights: FloatArray, gamma: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The weighted sum of kernels as exp(power) x total, and the kernels' mean place (B, k).

    With the largest kernel's exponent taken out, nothing vanishes far away.
    """
    rows, size = points.shape
    power, total = np.full(rows, -np.inf), np.zeros(rows)
    middle = np.zeros(points.shape)
    exponent = np.empty(len(kept))
    for b in range(rows):
        for m in range(len(kept)):
            square = 0.0
            for i in range(size):
                off = points[b, i] - kept[m, i]
                square += off * off
            exponent[m] = -gamma * square
            power[b] = max(power[b], exponent[m])
        mass = 0.0
        for m in range(len(kept)):
            near = np.exp(exponent[m] - power[b])
            total[b] += weights[m] * near
            mass += near
            for i in range(size):
                middle[b, i] += near * kept[m, i]
        for i in range(size):
            middle[b, i] /= mass
    return power, total, middle

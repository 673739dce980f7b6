"""The Mahalanobis distance of a row from clean training data."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from sklearn.covariance import ledoit_wolf

from tocsin.detectors.compiled import compiled
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.detectors.trained import Trained
from tocsin.pipeline.types import Band, FloatArray, Traits

_FEWEST = 2  # training rows


class MahalanobisModel(NamedTuple):
    """Where the channels lie, and what makes their deviations independent."""

    scale: Scale
    whitener: FloatArray  # (C, C), lower; its product with itself transposed inverts the covariance
    precision: FloatArray  # (C, C)


@dataclass(frozen=True, slots=True)
class MahalanobisTrain(Trained[MahalanobisModel | None]):
    """How far a row lies from the training mean, along the training rows' covariance.

    Channels are divided by their training standard deviation, and their covariance is shrunk
    towards a multiple of the identity by the rule of Ledoit and Wolf, so that it can be inverted
    with fewer rows than channels. The score is the root of the squared distance over the number of
    channels: near 1 on ordinary rows. A missing channel counts as usual; a row without any value
    has no opinion.

    `blame` is each channel's |z| given all the others.

    Finds rows that break the usual relation of the channels, and rows far out. Misses relations
    that are not linear, and several separate modes of operation. What lasts stays found, as
    nothing is learned after training; `mahalanobis` is the form that goes on learning.

    Cost a row: C**2 operations. Memory a key: 8 x `memory` x C bytes and 16 C**2. Shift and scale
    leave the scores alone.

    References: Mahalanobis, On the generalised distance in statistics, 1936; Ledoit and Wolf, A
    well-conditioned estimator for large-dimensional covariance matrices, 2004,
    doi:10.1016/S0047-259X(03)00096-4.

    >>> from tocsin.pipeline.types import Batch, Spec
    >>> rng = np.random.default_rng(0)
    >>> both = rng.normal(size=(500, 1, 1)) + 0.1 * rng.normal(size=(500, 1, 2))
    >>> scorer = MahalanobisTrain()
    >>> state = scorer.fit(Spec((2,)), [Batch(np.zeros(500, dtype=int), np.arange(500), both)])
    >>> odd = Batch(np.zeros(2, dtype=int), np.arange(2), np.array([[[1.0, 1]], [[1, -1]]]))
    >>> scorer.score(state, odd).value.round(1).tolist()
    [0.7, 7.0]
    """

    traits: ClassVar[Traits] = Traits(
        detects=frozenset({"spike", "level_shift", "variance_burst", "broken_correlation"})
    )

    def model(self, rows: FloatArray) -> MahalanobisModel | None:
        scale = plain_scale(rows)
        points = np.nan_to_num(scaled(rows[~np.isnan(rows).all(axis=1)], scale))
        if len(points) < _FEWEST:
            return None
        covariance, _ = ledoit_wolf(points, assume_centered=True)
        flat = np.flatnonzero(np.diag(covariance) <= 0)
        covariance[flat, flat] = 1.0
        precision = np.linalg.inv(covariance)
        return MahalanobisModel(scale, np.linalg.cholesky(precision), precision)

    def measure(
        self, model: MahalanobisModel | None, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        value, blame = np.full(len(windows), np.nan), np.zeros(windows.shape)
        known = np.flatnonzero(~np.isnan(windows[:, -1]).all(axis=1))
        if model is None or not known.size:
            return value, blame
        points = np.nan_to_num(scaled(windows[known, -1], model.scale))
        square, apart = _distances(points, model.whitener, model.precision)
        value[known] = np.sqrt(square / points.shape[1])
        blame[known, -1] = apart
        return value, blame

    def band(self, model: MahalanobisModel | None, windows: FloatArray) -> Band:
        """What each channel should be, given the others of its row: value and usual miss (B, C).

        In input units. A channel is as many usual misses away as its blame says. NaN for rows
        without any value; a missing channel among the others counts as usual.
        """
        told = Band(*(np.full(windows[:, -1].shape, np.nan) for _ in range(2)))
        known = np.flatnonzero(~np.isnan(windows[:, -1]).all(axis=1))
        if model is None or not known.size:
            return told
        points = np.nan_to_num(scaled(windows[known, -1], model.scale))
        _expect(points, model.precision)
        told.expected[known] = model.scale.centre + points * model.scale.spread
        told.usual[known] = model.scale.spread / np.sqrt(np.diag(model.precision))
        return told


@compiled
def _expect(points: FloatArray, precision: FloatArray) -> None:
    """Put in the place of each channel what it should be given the others (B, C), row by row."""
    for row in range(len(points)):
        own = points[row].copy()
        for i in range(len(own)):
            pull = 0.0
            for j in range(len(own)):
                pull += precision[i, j] * own[j]
            points[row, i] = own[i] - pull / precision[i, i]


@compiled
def _distances(
    points: FloatArray, whitener: FloatArray, precision: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Squared distances (B,) and each channel's |z| given the others (B, C), row by row."""
    rows, width = points.shape
    square, apart = np.zeros(rows), np.zeros((rows, width))
    for row in range(rows):
        for i in range(width):
            along, pull = 0.0, 0.0
            for j in range(width):
                if j >= i:
                    along += whitener[j, i] * points[row, j]
                pull += precision[i, j] * points[row, j]
            square[row] += along * along
            apart[row, i] = abs(pull) / np.sqrt(precision[i, i])
    return square, apart

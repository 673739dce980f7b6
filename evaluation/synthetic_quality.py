"""How good synthetic anomalies are: realistic and yet told apart, or to be thrown away.

Works on points of any features: rows, or what describes a window. For time series, score windows by
their features, not by their raw values.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import beta
from sklearn.ensemble import RandomForestClassifier

from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray

Classifier = Callable[[FloatArray, BoolArray, FloatArray], FloatArray]
"""Chance (M,) of each of the points (M, D), from rows (N, D) and which of them are wrong."""

_CERTAIN = 0.95  # quantile of the share of neighbours that covers an anomaly
_MOST = 0.99  # share of the rows in a subset, at most
_TREES = 25


@dataclass(frozen=True, slots=True)
class Averaging:
    """The posterior is averaged over `repeats` subsets; balls reach `least` neighbours or more."""

    repeats: int = 100
    least: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.least < 1 or self.seed < 0:
            raise ConfigError(f"need repeats >= 1, least >= 1 and seed >= 0; found {self}")


def expected_posterior(
    rows: FloatArray,
    wrong: BoolArray,
    synthetic: FloatArray,
    averaging: Averaging | None = None,
    classify: Classifier | None = None,
    subsets: Sequence[BoolArray] | None = None,
) -> FloatArray:
    """The expected anomaly posterior (M,) of synthetic points (M, D), between 0 and 1.

    `rows` (N, D) are real, `wrong` (N,) says which of them are anomalies; there must be one at
    least. High is a point that a classifier takes for an anomaly in a place where real rows can be;
    a point far from all real ones falls back to the share of anomalies, a point among normal ones
    below it. `classify` is a random forest unless given, and `subsets` (each (N,)) are drawn. Costs
    `repeats` fits and N x (N + M) distances each, so thin rows out to a few thousand first. No
    value may be missing.

    Reference: Perini, Rudolph, Schmedding and Qiu, Uncertainty-aware evaluation of auxiliary
    anomalies with the expected anomaly posterior, TMLR 2024, arXiv:2405.13699.

    >>> rng = np.random.default_rng(0)
    >>> rows = np.concatenate([rng.normal(size=(90, 2)), rng.normal(4.0, 0.5, size=(10, 2))])
    >>> wrong = np.arange(100) >= 90
    >>> points = np.array([[4.0, 4.0], [0.0, 0.0], [500.0, 500.0]])
    >>> good, normal, far = expected_posterior(rows, wrong, points, Averaging(repeats=5))
    >>> bool(good > far > normal), round(float(far), 3)
    (True, 0.1)
    """
    averaging = averaging or Averaging()
    _check(rows, wrong, synthetic, averaging)
    share = float(wrong.mean())
    prior = (1.0 - share, share)
    total = np.zeros(len(synthetic))
    drawn = list(_subsets(wrong, averaging)) if subsets is None else subsets
    for number, chosen in enumerate(drawn):
        some, bad = rows[chosen], wrong[chosen]
        if classify is None:
            chance = _forest_chance(some, bad, synthetic, averaging.seed + number)
        else:
            chance = classify(some, bad, synthetic)
        normal = some[~bad]
        k = smallest_k(normal, rows[wrong], averaging.least)
        total += posterior(chance, density(normal, synthetic, k), len(normal), prior)
    return total / len(drawn)


def best(value: FloatArray, share: float) -> BoolArray:
    """Which synthetic points (M,) to keep: this share of them, of the highest posterior.

    >>> best(np.array([0.1, 0.7, 0.4, 0.9]), 0.5)
    array([False,  True, False,  True])
    """
    if not 0 <= share <= 1:
        raise TocsinError(f"a share lies between 0 and 1; found {share}")
    kept = np.zeros(len(value), dtype=bool)
    kept[np.argsort(-value, kind="stable")[: round(share * len(value))]] = True
    return kept


def rarity(normal: FloatArray, points: FloatArray, k: int) -> FloatArray:
    """The radius (M,) of the smallest ball around a normal row that holds each point; 0 for none.

    The ball of a row of `normal` (N, D) reaches to its `k`-th neighbour among them, and does not
    hold its rim. A row of `normal` is in its own ball.

    >>> rarity(np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [2.5], [9.0]]), 1)
    array([1., 2., 0.])
    """
    radius = np.sort(cdist(normal, normal), axis=1)[:, k]  # (N,); the row itself is the nearest
    holds = cdist(normal, points) < radius[:, None]  # (N, M)
    smallest = np.where(holds, radius[:, None], np.inf).min(axis=0)
    return np.where(holds.any(axis=0), smallest, 0.0)


def density(normal: FloatArray, points: FloatArray, k: int) -> FloatArray:
    """The share (M,) of a point's inverse rarity in that of the normal rows and itself."""
    inverse, around = _inverse(rarity(normal, points, k)), _inverse(rarity(normal, normal, k)).sum()
    dense: FloatArray = np.zeros(len(points))
    np.divide(inverse, inverse + around, out=dense, where=inverse > 0)
    return dense


def posterior(
    chance: FloatArray, dense: FloatArray, normals: int, prior: tuple[float, float]
) -> FloatArray:
    """Chance (M,) of an anomaly after `normals` rows, weighted by how dense they stand there.

    `prior` are pseudo-counts of normal rows and anomalies.
    """
    seen = normals * dense
    found: FloatArray = (prior[1] + seen * chance) / (prior[0] + prior[1] + seen)
    return found


def smallest_k(normal: FloatArray, anomalies: FloatArray, least: int) -> int:
    """Neighbours of a ball so that the balls hold nearly any real anomaly.

    Each anomaly has a smallest number with which some ball holds it. The answer is the upper end,
    by a Beta law of their mean share of all neighbours; `least` at least.
    """
    most = len(normal) - 1
    if most <= least:
        return most
    between = np.sort(cdist(normal, normal), axis=1)  # (N, N)
    away = cdist(normal, anomalies)  # (N, A)
    needed = [
        min(
            int(np.searchsorted(row, far, side="right"))
            for row, far in zip(between, to, strict=True)
        )
        for to in away.T
    ]
    share = (np.clip(needed, least, most) - least) / (most - least)
    count = float(share.sum())
    upper = float(beta.ppf(_CERTAIN, 1 + count, 1 + len(share) - count))
    return max(min(most, int(upper * (most - least) + least)), least)


def _inverse(value: FloatArray) -> FloatArray:
    return np.divide(1.0, value, out=np.zeros(len(value)), where=value > 0)


def _subsets(wrong: BoolArray, averaging: Averaging) -> Iterator[BoolArray]:
    """Random subsets (N,) of many sizes, each with an anomaly and enough normal rows."""
    rng = np.random.default_rng(averaging.seed)
    fewest = (averaging.least + 1 + int(wrong.sum())) / len(wrong)
    for _ in range(averaging.repeats):
        chance = rng.uniform(min(fewest, _MOST), _MOST)
        while True:
            chosen = rng.random(len(wrong)) < chance
            if (chosen & wrong).any() and (chosen & ~wrong).sum() >= averaging.least + 2:
                break
        yield chosen


def _forest_chance(rows: FloatArray, wrong: BoolArray, points: FloatArray, seed: int) -> FloatArray:
    forest = RandomForestClassifier(_TREES, random_state=seed % 2**32, n_jobs=1)
    found: FloatArray = forest.fit(rows, wrong).predict_proba(points)[:, 1]
    return found


def _check(rows: FloatArray, wrong: BoolArray, synthetic: FloatArray, averaging: Averaging) -> None:
    if rows.ndim != 2 or synthetic.ndim != 2 or rows.shape[1] != synthetic.shape[1]:
        raise TocsinError(
            f"need rows (N, D) and synthetic (M, D); found {rows.shape} and {synthetic.shape}"
        )
    if wrong.shape != (len(rows),) or not wrong.any():
        raise TocsinError(f"need wrong (N,) with one anomaly or more; found {wrong.shape}")
    least = averaging.least + 3
    if len(rows) - int(wrong.sum()) < least:
        raise TocsinError(f"need {least} normal rows or more; found {int((~wrong).sum())}")
    if not (math.isfinite(float(rows.sum())) and math.isfinite(float(synthetic.sum()))):
        raise TocsinError("rows and synthetic points may have no missing or infinite value")

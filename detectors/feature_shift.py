"""Which sensors an incident is about: the channels whose relation to the others has shifted."""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.rows import need, tidied
from tocsin.detectors.scaling import plain_scale, scaled
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

_FEWEST = 4  # complete reference rows, for two halves of two
_SHARE, _SHORTEST = 10, 20  # of the reference, and rows, that a stretch may always have
_LEAST_VARIANCE = 1e-6  # of the channels' own; keeps those that stand still apart


class Localised(NamedTuple):
    """How far each channel has shifted given the others, and how sure that is.

    `order` (C,) is the channels from most to least shifted; those without an opinion come last.
    `statistic` (C,) is 0 or more, the larger the further; `excess` (C,) is how far it lies above
    its mean under no shift, in standard deviations; `p_value` (C,) is the share of stretches of the
    reference that look as shifted, never 0. NaN is no opinion.
    """

    order: IntArray
    statistic: FloatArray
    excess: FloatArray
    p_value: FloatArray


class Gaussian(NamedTuple):
    """A normal law: mean (C,), covariance and its inverse (C, C)."""

    mean: FloatArray
    covariance: FloatArray
    precision: FloatArray


def localise(
    reference: FloatArray, suspect: FloatArray, *, bootstraps: int = 200, seed: int = 0
) -> Localised:
    """Name the channels of rows `suspect` (N, C) that no longer follow rows `reference` (M, C).

    Both are held to be normal, with covariances shrunk by the rule of Ledoit and Wolf; that of a
    suspect with no more rows than channels is shrunk to the reference's. A channel's statistic is
    the mean squared difference of the two log densities' slopes along that channel (a Fisher
    divergence), which depends on the law of the channel given all others and on nothing else. What
    is usual under no shift comes from `bootstraps` stretches of the reference, as long as the
    suspect or a tenth of the reference, each held against the rest: neighbouring rows stay
    together, so that rows which depend on those before them raise no false suspicion.

    Finds shifts of level and spread and broken relations, also of channels that stay within their
    own range. Misses changes that leave the normal law as it is, and a shift of all channels along
    their correlation. Of two channels that depend on each other alone, either may be named. The
    p-values are of each channel alone; of C channels, the smallest is to be held against level / C.
    They are about right with a reference of twenty times the suspect, and two or three times too
    small with one of two to five times. The reference is best taken from just before the suspect:
    whatever else has changed since then is found as well.

    Rows that lack a value are left out. A channel that has no value in one of the two has no
    opinion; no channel has one with fewer than four complete reference rows or no complete suspect
    row. A channel that stood still in the reference and moved is far in excess, perhaps infinitely.
    Units do not matter. Raises TocsinError where the two differ in channels and ConfigError where
    `bootstraps` is not positive.

    Cost: `bootstraps` times (M C**2 + C**3).

    References: Kulinski, Bagchi and Inouye, Feature shift detection: localizing which features have
    shifted via conditional distribution tests, 2020, arXiv:2107.06929; Ledoit and Wolf, A
    well-conditioned estimator for large-dimensional covariance matrices, 2004,
    doi:10.1016/S0047-259X(03)00096-4.

    >>> rng = np.random.default_rng(0)
    >>> rows = rng.normal(size=(400, 1)) + 0.5 * rng.normal(size=(400, 4))
    >>> rows[300:, 2] += 1.0
    >>> found = localise(rows[:300], rows[300:])
    >>> int(found.order[0]), bool(found.p_value[2] < 0.01)
    (2, True)
    """
    need(bootstraps >= 1, "bootstraps", "1 or more", bootstraps)
    if reference.ndim != 2 or suspect.ndim != 2 or reference.shape[1] != suspect.shape[1]:
        raise TocsinError(
            f"reference and suspect must be (M, C) and (N, C); found {reference.shape} "
            f"and {suspect.shape}"
        )
    past, now = tidied(reference), tidied(suspect)
    judged = _has_value(past) & _has_value(now)  # (C,)
    past, now = _complete(past[:, judged]), _complete(now[:, judged])
    if not judged.any() or len(past) < _FEWEST or not len(now):
        return _no_opinion(len(judged))
    scale = plain_scale(past)
    past, now = scaled(past, scale), scaled(now, scale)
    usual_law = gaussian(past)
    statistic = conditional_shift(usual_law, _law_of_suspect(now, usual_law))
    usual = _under_no_shift(past, len(now), bootstraps, np.random.default_rng(seed))
    return _in_order(judged, statistic, usual)


def gaussian(rows: FloatArray) -> Gaussian:
    """The normal law of complete rows (N, C), its covariance shrunk by Ledoit and Wolf's rule."""
    count, width = rows.shape
    mean = rows.mean(axis=0)
    off = rows - mean
    plain = off.T @ off / count  # (C, C)
    level = float(np.trace(plain)) / width
    away = float((plain**2).sum()) - width * level**2
    wobble = float(((off**2).sum(axis=1) ** 2).mean() - (plain**2).sum()) / count
    share = min(wobble / away, 1.0) if wobble > 0 and away > 0 else 0.0
    shrunk = (1.0 - share) * plain + (share * level + _LEAST_VARIANCE) * np.eye(width)
    return _normal(mean, shrunk)


def conditional_shift(p: Gaussian, q: Gaussian) -> FloatArray:
    """For each channel (C,), the mean squared difference of the slopes of log p and log q.

    The mean is over p and q in equal parts, in closed form.
    """
    turn = q.precision - p.precision  # (C, C)
    pull = p.precision @ p.mean - q.precision @ q.mean  # (C,)
    total = np.zeros(len(p.mean))
    for law in (p, q):
        total += (turn @ law.mean + pull) ** 2
        total += np.einsum("ij,jk,ik->i", turn, law.covariance, turn)
    return total / 2.0


def _law_of_suspect(rows: FloatArray, usual: Gaussian) -> Gaussian:
    """The normal law of rows (N, C); with few of them, its covariance leans on the usual one."""
    count, width = rows.shape
    if count > width:
        return gaussian(rows)
    mean = rows.mean(axis=0)
    off = rows - mean
    return _normal(mean, (off.T @ off + width * usual.covariance) / (count + width))


def _normal(mean: FloatArray, covariance: FloatArray) -> Gaussian:
    precision: FloatArray = np.linalg.inv(covariance).astype(np.float64)
    return Gaussian(mean, covariance, precision)


def _under_no_shift(
    rows: FloatArray, length: int, bootstraps: int, rng: np.random.Generator
) -> FloatArray:
    """Statistics (bootstraps, C) of stretches of rows (M, C), each against the other rows."""
    count = len(rows)
    stretch = min(length, max(count // _SHARE, _SHORTEST), count // 2)
    # Under no shift the statistic goes with the two samples' lengths as their means' variances do.
    less = (1 / count + 1 / length) / (1 / (count - stretch) + 1 / stretch)
    found = np.empty((bootstraps, rows.shape[1]))
    for i, first in enumerate(rng.integers(count - stretch + 1, size=bootstraps).tolist()):
        others = np.concatenate((rows[:first], rows[first + stretch :]))
        law = gaussian(others)
        part = _law_of_suspect(rows[first : first + stretch], law)
        found[i] = less * conditional_shift(law, part)
    return found


def _in_order(judged: BoolArray, statistic: FloatArray, usual: FloatArray) -> Localised:
    """The answer for all channels (C,), from those that were judged."""
    above = statistic - usual.mean(axis=0)
    spread = usual.std(axis=0)
    still = np.where(above > 0, np.inf, 0.0)
    excess = np.where(spread > 0, above / np.where(spread > 0, spread, 1.0), still)
    beyond = (usual >= statistic).sum(axis=0)
    blank = _no_opinion(len(judged))
    blank.statistic[judged] = statistic
    blank.excess[judged] = excess
    blank.p_value[judged] = (1.0 + beyond) / (1.0 + len(usual))
    rank = np.where(judged, blank.excess, -np.inf)
    order = np.lexsort((-np.nan_to_num(blank.statistic), -rank, ~judged))
    return Localised(order, blank.statistic, blank.excess, blank.p_value)


def _no_opinion(width: int) -> Localised:
    nothing = np.full(width, np.nan)
    return Localised(np.arange(width), nothing, nothing.copy(), nothing.copy())


def _has_value(rows: FloatArray) -> BoolArray:
    return np.asarray((~np.isnan(rows)).any(axis=0), dtype=np.bool_)


def _complete(rows: FloatArray) -> FloatArray:
    return rows[~np.isnan(rows).any(axis=1)]

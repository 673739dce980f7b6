"""Which covariates go with an anomaly: a second forest, from covariates to the score.

The forest learns, over a long stretch with incidents in it, how the strangeness of a row follows
from the covariates; the SHAP values of an incident's rows then say which covariates raised it. It
is association, not cause: of covariates that move together any may be named, and a covariate that
moved in one incident alone may have done so by chance.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from tocsin.detectors.forecast.attribution import FEWEST, FOLDS, GROWTH, shares_of, strangeness
from tocsin.detectors.forecast.boosted import Growth, Sample, contributions, foretold, grow
from tocsin.detectors.forecast.lags import Layout, covariates_at
from tocsin.detectors.forecast.trees import TreeForecast, TreeModel
from tocsin.detectors.rows import need, tidied
from tocsin.detectors.scaling import Scale, plain_scale, scaled
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Second:
    """How the second forest is grown and read.

    It reads the covariates at `lags` rows back. `way` is how SHAP values take away a covariate: by
    "paths" through the trees, or "interventional" against `background` ordinary rows, which credits
    no covariate for moving with another and needs the package shap.
    """

    lags: tuple[int, ...] = (0,)
    growth: Growth = GROWTH
    folds: int = FOLDS
    way: Literal["paths", "interventional"] = "paths"
    background: int = 100

    def __post_init__(self) -> None:
        if not self.lags or min(self.lags) < 0:
            raise ConfigError(f"lags must be one or more, 0 or above; found {self.lags}")
        if self.way not in ("paths", "interventional"):
            raise ConfigError(f"way must be 'paths' or 'interventional'; found {self.way!r}")
        need(2 <= self.folds <= 20, "folds", "2 to 20", self.folds)
        need(self.background >= 1, "background", "1 or more", self.background)


class Causes(NamedTuple):
    """The second forest, what it was learned from, and what it says of rows it has not seen.

    `strange` (N,) is log(1 + score), `usual` its mean, and `told` (N,) what forests say that were
    grown without the stretch a row lies in.
    """

    settings: Second
    raw: bytes
    scale: Scale
    features: FloatArray  # (N, lags x K)
    ordinary: FloatArray  # (background, lags x K)
    strange: FloatArray
    told: FloatArray
    usual: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """These covariates go with this anomaly.

    `covariates` have the share each has of all that raised the score, largest first; those that did
    not are left out. `rise` is how far the incident's mean log(1 + score) lies above the usual.
    `foretold` is the share of the rise that the covariates foretell without having seen the
    incident: near 1, the same covariates raised the score before; near 0 or below, they do not
    explain it, whatever the shares say.
    """

    incident: str
    covariates: tuple[tuple[str, float], ...]
    rise: float
    foretold: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; NaN as null."""
        return {
            "incident": self.incident,
            "covariates": [{"name": name, "share": share} for name, share in self.covariates],
            "rise": self.rise if np.isfinite(self.rise) else None,
            "foretold": self.foretold if np.isfinite(self.foretold) else None,
        }


def learn(covariates: FloatArray, score: FloatArray, settings: Second | None = None) -> Causes:
    """Learn from rows in time order how their score (N,) follows from the covariates (N, K).

    The score is of any detector, 0 or more, and best one that was not trained on these rows. Rows
    without a score are left out; missing covariates are read as missing. Raises TocsinError where
    shapes differ or fewer than 20 rows have a score.

    Cost: folds + 1 forests.
    """
    chosen = Second() if settings is None else settings
    if covariates.ndim != 2 or score.shape != (len(covariates),):
        raise TocsinError(
            f"covariates must be (N, K) and scores (N,); found {covariates.shape}, {score.shape}"
        )
    strange = strangeness(score)
    there = np.flatnonzero(~np.isnan(strange))
    if len(there) < FEWEST:
        raise TocsinError(f"{FEWEST} rows with a score are needed; found {len(there)}")
    scale = plain_scale(tidied(covariates))
    features = _features(covariates, scale, chosen.lags)
    usual = float(strange[there].mean())
    target = strange - usual
    whole = grow(Sample(features[there], target[there]), chosen.growth)
    told = np.full(len(strange), np.nan)
    for part in np.array_split(there, chosen.folds):
        rest = np.setdiff1d(there, part)
        apart = grow(Sample(features[rest], target[rest]), chosen.growth)
        told[part] = usual + foretold(apart.trees, features[part])[:, 0]
    quiet = there[strange[there] <= np.median(strange[there])]
    ordinary = features[_spread(quiet, chosen.background)]
    return Causes(chosen, whole.raw, scale, features, ordinary, strange, told, usual)


def explain(causes: Causes, rows: slice, names: tuple[str, ...], incident: str = "") -> Explanation:
    """Explain an incident that lies in the rows that were learned from.

    >>> rng = np.random.default_rng(0)
    >>> covariates = rng.normal(size=(600, 3))
    >>> score = np.abs(rng.normal(size=600)) + 8.0 * (covariates[:, 1] > 1.5)
    >>> row = int(covariates[:, 1].argmax())
    >>> explain(learn(covariates, score), slice(row, row + 1), ("a", "b", "c")).covariates[0][0]
    'b'
    """
    return _explained(
        causes, causes.features[rows], (causes.strange[rows], causes.told[rows]), names, incident
    )


def explain_later(
    causes: Causes,
    covariates: FloatArray,
    score: FloatArray,
    names: tuple[str, ...],
    incident: str = "",
) -> Explanation:
    """Explain an incident of rows (n, K), scores (n,), that were not learned from."""
    features = _features(covariates, causes.scale, causes.settings.lags)
    strange = strangeness(score)
    trees_say = contributions(causes.raw, features).sum(axis=1) + causes.usual
    return _explained(causes, features, (strange, trees_say), names, incident)


def learn_from(
    scorer: TreeForecast,
    model: TreeModel,
    rows: FloatArray,
    settings: Second | None = None,
    channel: int | None = None,
) -> Causes:
    """The second forest of a tree forecast: from its covariates to its own score of rows (N, C).

    With `channel`, to that judged channel's part of the score alone. The first rows, which have no
    whole window, have no score.
    """
    if not scorer.covariates:
        raise ConfigError("the detector has no covariates that could explain a score")
    if channel is not None and channel not in model.judged:
        judged = ", ".join(str(c) for c in model.judged.tolist())
        raise ConfigError(f"channel {channel} is not judged; there are {judged}")
    clean = tidied(rows)
    padded = np.concatenate((np.full((scorer.frames - 1, rows.shape[1]), np.nan), clean))
    whole = np.lib.stride_tricks.sliding_window_view(padded, scorer.frames, axis=0)
    value, blame = scorer.measure(model, np.ascontiguousarray(np.moveaxis(whole, -1, 1)))
    score = value if channel is None else np.where(np.isnan(value), np.nan, blame[:, -1, channel])
    score[: scorer.frames - 1] = np.nan
    return learn(clean[:, scorer.covariates], score, settings)


def rows_of(incident: Incident, time: IntArray) -> slice:
    """The rows of an incident among rows of ascending times (N,); if open, all from its start."""
    first = int(np.searchsorted(time, incident.started_at))
    if incident.ended_at is None:
        return slice(first, len(time))
    return slice(first, int(np.searchsorted(time, incident.ended_at, side="right")))


def _features(covariates: FloatArray, scale: Scale, lags: tuple[int, ...]) -> FloatArray:
    """Covariates (N, K) in spreads at each lag, lag by lag; NaN where there was no row yet."""
    within = scaled(tidied(covariates), scale)
    reach = max(lags) + 1
    padded = np.concatenate((np.full((reach - 1, within.shape[1]), np.nan), within))
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=0)
    return covariates_at(np.moveaxis(windows, -1, 1), Layout((), (), lags))


def _explained(
    causes: Causes,
    features: FloatArray,
    strange_and_told: tuple[FloatArray, FloatArray],
    names: tuple[str, ...],
    incident: str,
) -> Explanation:
    """Shares of the covariates in what raises the mean of the rows over the usual."""
    count = len(causes.scale.centre)
    if len(names) != count:
        raise TocsinError(f"{count} covariates need as many names; found {len(names)}")
    strange, told = strange_and_told
    there = ~np.isnan(strange)
    if not there.any():
        return Explanation(incident, (), np.nan, np.nan)
    part = shares_of(_values(causes, features[there]), count)
    order = [k for k in np.argsort(-part, kind="stable").tolist() if part[k] > 0]
    shares = tuple((names[k], float(part[k])) for k in order)
    rise = float(strange[there].mean()) - causes.usual
    share = (float(told[there].mean()) - causes.usual) / rise if rise > 0 else np.nan
    return Explanation(incident, shares, rise, share)


def _values(causes: Causes, features: FloatArray) -> FloatArray:
    """SHAP values (n, F) of features."""
    if causes.settings.way == "paths":
        return contributions(causes.raw, features)[:, :-1]
    try:
        from tocsin.detectors.forecast.explain_shap import (  # noqa: PLC0415 - shap is optional
            interventional,
        )
    except ModuleNotFoundError as error:
        if error.name != "shap":
            raise
        raise ConfigError("way 'interventional' needs shap: pip install 'tocsin[trees]'") from error
    return interventional(causes.raw, features, causes.ordinary)


def _spread(rows: IntArray, most: int) -> IntArray:
    """At most so many of the rows, spread evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]

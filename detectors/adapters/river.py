"""Anomaly models and drift detectors of River as scorers."""

import hashlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import numpy as np
import river.anomaly
import river.base
import river.drift
import river.preprocessing

from tocsin.detectors.rows import channels, need, tidied
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits

Setting = tuple[str, float | int | bool | str | None]

_SCALERS: dict[str, Callable[[], Any]] = {
    "min_max": river.preprocessing.MinMaxScaler,
    "standard": river.preprocessing.StandardScaler,
}
_PLACES = (river.anomaly, river.drift)


@dataclass(slots=True, weakref_slot=True, eq=False)
class RiverState:
    """The rows each key's model was made from, oldest first, and a mark of them.

    `mark` is 0 where nothing is learned. `last` is each channel's newest value.
    """

    rows: FloatArray = per_key(np.nan)  # (K, history, C)
    used: IntArray = per_key(0)  # (K,)
    mark: IntArray = per_key(0)  # (K,)
    last: FloatArray = per_key(np.nan)  # (K, C)


class _Units:
    """The traits of the adapter, which depend on whether the channels are scaled."""

    def __get__(self, scorer: "River | None", owner: type[Any]) -> Traits:
        free = scorer is None or scorer.scale != "none"
        return Traits(shift_free=free, scale_free=free)


def _units() -> Any:
    return _Units()


@dataclass(frozen=True, slots=True)
class River:
    """A model of River, one a series, as a scorer.

    `model` is the name of a class of `river.anomaly` or `river.drift`, or "module.Class" of any
    other place in River; `settings` are its arguments by name. `scale` puts River's running
    "min_max" or "standard" scaler before it, or "none". A model with a `seed` that is not set has
    seed 0.

    - An anomaly model scores a row by `score_one` and then learns it by `learn_one`; channels are
      its features, by name.
    - One that has a target has the first channel as its target and the others as features.
    - A drift detector watches each channel. The score is the number of channels in which the row
      would set it off, mostly 0; `blame` names them. The other models give no blame.

    A River model cannot be saved as plain numbers, so the state keeps the rows it was made from,
    and a model is replayed from them when a state is restored or rolled back. After `history` rows
    the older half of them is dropped and the model made anew from the newer half, so that a live
    model and a restored one are the same to the bit: the model has learned the last `history` / 2
    to `history` rows. Let `history` be several times the model's own memory.

    Finds and misses what the model does. A channel that is missing holds its last value; a row of
    no values, or with a channel never seen, has no opinion and is not learned. The score is NaN for
    the first `warmup` rows learned, and where River divides by zero.

    Cost a row: River's scoring once and its learning twice, as each row is learned again when the
    model is made anew. A restored key costs `history` rows of learning once. A drift detector is
    copied for each row that is scored. Memory a key: 8 `history` x C bytes, and the model.

    References: Montiel et al., River: machine learning for streaming data in Python, 2021,
    arXiv:2012.04740; Tan, Ting and Liu, Fast anomaly detection for streaming data, 2011,
    doi:10.5591/978-1-57735-516-8/IJCAI11-254, for the default model.

    >>> from tocsin.pipeline.keyed import grow
    >>> scorer = River("GaussianScorer", (("grace_period", 20),), scale="none", warmup=20)
    >>> state = scorer.start(Spec((1,)))
    >>> grow(state, 1)
    >>> rows = np.append(np.resize([1.0, 2.0, 3.0], 50), 9.0).reshape(-1, 1, 1)
    >>> batch = Batch(np.zeros(51, dtype=np.int64), np.arange(51), rows)
    >>> scorer.advance(state, batch).value[-3:].round(2).tolist()
    [0.77, 0.02, 1.0]
    """

    model: str = "HalfSpaceTrees"
    settings: tuple[Setting, ...] = ()
    scale: Literal["min_max", "standard", "none"] = "min_max"
    history: int = 2000
    warmup: int = 250

    traits: ClassVar[Traits] = _units()
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        need(self.history >= 2, "history", "2 rows or more", self.history)
        need(self.warmup >= 0, "warmup", "0 rows or more", self.warmup)
        need(self.history >= 2 * self.warmup, "history", "at least twice warmup", self.history)
        if self.scale != "none" and self.scale not in _SCALERS:
            raise ConfigError(f"scale must be min_max, standard or none; found {self.scale!r}")
        _Live(self, 1)  # so that wrong settings are refused here

    def start(self, spec: Spec) -> RiverState:
        none = np.empty(0, dtype=np.int64)
        width = channels(spec)
        return RiverState(
            np.empty((0, self.history, width)), none, none.copy(), np.empty((0, width))
        )

    def score(self, state: RiverState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=False)

    def learn(self, state: RiverState, batch: Batch) -> None:
        self._play(state, batch, scores=False, learns=True)

    def advance(self, state: RiverState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=True)

    def _play(self, state: RiverState, batch: Batch, *, scores: bool, learns: bool) -> Scores:
        rows = self._tidied(state, batch)
        value, blame = np.full(len(rows), np.nan), np.zeros(batch.values.shape)
        for row, key in enumerate(batch.key.tolist()):
            given = np.where(np.isnan(rows[row]), state.last[key], rows[row])
            told = not np.isnan(given).any() and not np.isnan(rows[row]).all()
            live = self._live(state, key) if told else None
            if scores and live is not None and state.used[key] >= self.warmup:
                value[row] = live.score(given.tolist(), blame[row, -1])
            if learns:
                state.last[key] = given
            if learns and live is not None:
                live.learn(given.tolist())
                self._keep(state, key, given, live)
        return Scores(value, blame if _is_drift(_class_of(self.model)) else None)

    def _tidied(self, state: RiverState, batch: Batch) -> FloatArray:
        width = state.last.shape[1]
        if batch.values.ndim != 3 or batch.values.shape[2] != width:
            raise TocsinError(f"values must be (B, T, {width}); found {batch.values.shape}")
        if len(batch) and not 0 <= batch.key.min() <= batch.key.max() < len(state.mark):
            keys = f"{batch.key.min()} to {batch.key.max()}"
            raise TocsinError(f"keys {keys} in a state with room for {len(state.mark)}")
        return tidied(batch.values[:, -1])

    def _keep(self, state: RiverState, key: int, row: FloatArray, live: "_Live") -> None:
        """Write down a row that the live model has learned; make it anew where that is due."""
        used = int(state.used[key])
        state.rows[key, used] = row
        state.used[key] = used + 1
        state.mark[key] = live.mark
        if used + 1 < self.history:
            return
        newer = state.rows[key, self.history - self.history // 2 :].copy()
        state.rows[key] = np.nan
        state.rows[key, : len(newer)] = newer
        state.used[key] = len(newer)
        fresh = self._replayed(newer)
        state.mark[key] = fresh.mark
        _LIVE.setdefault(state, {})[key] = fresh

    def _live(self, state: RiverState, key: int) -> "_Live":
        """The model of the key's rows: the one at hand if it is that, or made from them."""
        models = _LIVE.setdefault(state, {})
        found = models.get(key)
        if found is None or found.mark != state.mark[key]:
            found = models[key] = self._replayed(state.rows[key, : state.used[key]])
        return found

    def _replayed(self, rows: FloatArray) -> "_Live":
        live = _Live(self, rows.shape[1])
        for row in rows.tolist():
            live.learn(row)
        return live


class _Live:
    """A model of River at work, and the mark of all that it has learned."""

    def __init__(self, scorer: River, width: int) -> None:
        kind = _class_of(scorer.model)
        self.names = [f"c{c}" for c in range(width)]
        self.scaler = None if scorer.scale == "none" else _SCALERS[scorer.scale]()
        self.is_drift = _is_drift(kind)
        self.has_target = issubclass(kind, river.base.SupervisedAnomalyDetector)
        self.changes_in_scoring = issubclass(kind, _CHANGES_IN_SCORING)
        self.models = [_made(kind, scorer) for _ in range(width if self.is_drift else 1)]
        self.mark = 0

    def score(self, row: list[float], blame: FloatArray) -> float:
        """The score of a row; a drift detector's blame (C,) is written. Changes nothing."""
        x = dict(zip(self.names, row, strict=True))
        if self.is_drift:
            # Whether a row sets a detector off is known only once the detector has had it.
            scaler, models = deepcopy(self.scaler), deepcopy(self.models)
            blame[:] = _updated(scaler, models, x)
            return float(blame.sum())
        x = x if self.scaler is None else self.scaler.transform_one(x)
        model = deepcopy(self.models[0]) if self.changes_in_scoring else self.models[0]
        return _scored(model, self._parts(x))

    def learn(self, row: list[float]) -> None:
        """Learn a row."""
        x = dict(zip(self.names, row, strict=True))
        data = self.mark.to_bytes(8, "little") + np.array(row).tobytes()
        digest = hashlib.blake2b(data, digest_size=8).digest()
        self.mark = max(1, int.from_bytes(digest, "little") >> 1)
        if self.is_drift:
            _updated(self.scaler, self.models, x)
            return
        parts = self._parts(_scaled(self.scaler, x))
        if self.changes_in_scoring:
            _scored(self.models[0], parts)
        self.models[0].learn_one(*parts)

    def _parts(self, x: dict[str, float]) -> tuple[Any, ...]:
        """What the model's methods are given: features, and the target of those that have one."""
        if not self.has_target:
            return (x,)
        target, *features = self.names
        return {name: x[name] for name in features}, x[target]


_LIVE: WeakKeyDictionary[RiverState, dict[int, _Live]] = WeakKeyDictionary()
_CHANGES_IN_SCORING = (river.anomaly.PredictiveAnomalyDetection,)


def _scored(model: Any, parts: tuple[Any, ...]) -> float:
    """The model's score; NaN where it fails at the arithmetic, as some do while they are young."""
    try:
        return float(model.score_one(*parts))
    except ArithmeticError:
        return np.nan


def _updated(scaler: Any, models: list[Any], x: dict[str, float]) -> list[bool]:
    """Let each channel's drift detector have its value; which of them were set off."""
    for model, value in zip(models, _scaled(scaler, x).values(), strict=True):
        model.update(value)
    return [bool(model.drift_detected) for model in models]


def _scaled(scaler: Any, x: dict[str, float]) -> dict[str, float]:
    """The row scaled, after the scaler has learned it."""
    if scaler is None:
        return x
    scaler.learn_one(x)
    scaled: dict[str, float] = scaler.transform_one(x)
    return scaled


def _class_of(name: str) -> type[Any]:
    """The class of River of that name; a ConfigError where there is none that fits."""
    module, _, last = name.rpartition(".")
    try:
        places = (import_module(f"river.{module}"),) if module else _PLACES
    except ImportError as error:
        raise ConfigError(f"model is {name!r}; there is no module river.{module}") from error
    found = next((getattr(place, last) for place in places if hasattr(place, last)), None)
    kinds = (
        river.base.AnomalyDetector,
        river.base.SupervisedAnomalyDetector,
        river.base.DriftDetector,
    )
    if not isinstance(found, type) or not issubclass(found, kinds):
        raise ConfigError(
            f"model is {name!r}, wanted an anomaly model or drift detector of River, such as "
            "HalfSpaceTrees or drift.ADWIN"
        )
    return found


def _is_drift(kind: type[Any]) -> bool:
    return issubclass(kind, river.base.DriftDetector)


def _made(kind: type[Any], scorer: River) -> Any:
    """A fresh model with the settings, and a fixed seed where none is given."""
    given = dict(scorer.settings)
    known = signature(kind).parameters
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ConfigError(
            f"River's {scorer.model} has no setting {unknown[0]!r}; there are {', '.join(known)}"
        )
    if "seed" in known:
        given = {"seed": 0} | given
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"River's {scorer.model} refused {given}: {error}") from error

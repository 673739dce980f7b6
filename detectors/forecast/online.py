"""How far each value lies from what a regression of River, learning all the while, expects."""

import hashlib
import math
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import river.base

from tocsin.detectors.gaps import filled
from tocsin.detectors.rows import channels, need, tidied
from tocsin.detectors.scaling import FARTHEST, MOVED
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Band, Batch, FloatArray, IntArray, Scores, Spec, Traits

Setting = tuple[str, float | int | bool | str | None]

_EDGE = 5.0  # deviations; where a regressor's inputs are cut
_LIMIT = 6.0  # deviations; what a wild value, or residual, is learned as
_LEAST = 1e-3  # deviations of the channel; an ordinary residual counts as no smaller
_YOUNG = 20  # values, before which none is held to be wild


@dataclass(slots=True, weakref_slot=True, eq=False)
class OnlineState:
    """The windows each key's models were made from, oldest first, and a mark of them.

    `mark` is 0 where nothing is learned.
    """

    windows: FloatArray = per_key(np.nan)  # (K, history, frames, C)
    used: IntArray = per_key(0)  # (K,)
    mark: IntArray = per_key(0)  # (K,)


@dataclass(frozen=True, slots=True)
class OnlineForecast:
    """The residual of a regression model of River that forecasts each channel from its lags.

    `model` is "module.Class" of a regressor of River, and `settings` are its arguments by name; one
    with a `seed` that is not set has seed 0. Each channel has a regressor of its own, which reads
    the channel's last `lags` rows, or with `joint` those of all channels, in running standard
    deviations, and learns each row after it is scored. The score is the largest over the channels
    of the residual's size over its running root mean square, in which a residual that is n rows old
    weighs 2 ** (-n / `half_life`): 1 is ordinary. `blame` is each channel's part at the newest row.

    River's models cannot be saved as plain numbers, so the state keeps the windows they were made
    from, and models are replayed from them when a state is restored or rolled back. After `history`
    rows the older half is dropped and the models are made anew from the newer half, so that live
    models and restored ones are the same to the bit.

    Finds spikes, jumps, and breaks of a rhythm, and goes on learning a plant that changes. Misses
    what goes wrong slowly and what lasts: both are learned.

    Gaps in the lags hold the last value; a missing newest value leaves its channel out. The score
    is NaN for the first `warmup` rows learned. A wild value, or residual, is learned as if it were
    6 deviations.

    Cost a row: River's forecast of C channels once and its learning twice, a few hundred us a
    channel. A restored key costs `history` rows of learning once. Memory a key: 8 `history` x
    (`lags` + 1) x C bytes, and the models. Shift and scale leave the scores alone.

    References: Montiel et al., River: machine learning for streaming data in Python, 2021,
    arXiv:2012.04740; the default model is least squares by stochastic descent, as in Bottou,
    Large-scale machine learning with stochastic gradient descent, 2010,
    doi:10.1007/978-3-7908-2604-3_16.

    >>> from tocsin.pipeline.keyed import grow
    >>> scorer = OnlineForecast(lags=2, half_life=20, history=200, warmup=40)
    >>> state = scorer.start(Spec((1,), window=3))
    >>> grow(state, 1)
    >>> rows = np.append(np.sin(np.arange(150)), [3.0])
    >>> windows = np.lib.stride_tricks.sliding_window_view(rows, 3)[:, :, None]
    >>> batch = Batch(np.zeros(149, dtype=np.int64), np.arange(149), windows)
    >>> bool(scorer.advance(state, batch).value[-1] > 5)
    True
    """

    model: str = "linear_model.LinearRegression"
    settings: tuple[Setting, ...] = ()
    lags: int = 8
    joint: bool = False
    half_life: float = 200.0
    history: int = 1000
    warmup: int = 200

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}))
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        need(self.lags >= 1, "lags", "1 or more", self.lags)
        need(0 < self.half_life < math.inf, "half_life", "a positive number", self.half_life)
        need(self.warmup >= 2, "warmup", "2 rows or more", self.warmup)
        need(self.history >= 2 * self.warmup, "history", "at least twice warmup", self.history)
        _made(self)  # so that wrong settings are refused here

    @property
    def frames(self) -> int:
        return self.lags + 1

    def start(self, spec: Spec) -> OnlineState:
        if spec.window < self.frames:
            raise ConfigError(
                f"OnlineForecast needs windows of {self.frames} rows; found {spec.window}"
            )
        none = np.empty(0, dtype=np.int64)
        shape = (0, self.history, self.frames, channels(spec))
        return OnlineState(np.empty(shape), none, none.copy())

    def score(self, state: OnlineState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=False)

    def learn(self, state: OnlineState, batch: Batch) -> None:
        self._play(state, batch, scores=False, learns=True)

    def advance(self, state: OnlineState, batch: Batch) -> Scores:
        return self._play(state, batch, scores=True, learns=True)

    def expects(self, state: OnlineState, batch: Batch) -> Band:
        """What the models expect of the newest rows: value and usual miss (B, C), in input units.

        It is told before the rows are learned. NaN where the score is for want of rows, and for
        channels of which no miss is known.
        """
        windows = self._tidied(state, batch)
        middle, usual = (np.full(windows[:, -1].shape, np.nan) for _ in range(2))
        for row, key in enumerate(batch.key.tolist()):
            if state.used[key] >= self.warmup:
                self._live(state, key).tell(windows[row], middle[row], usual[row])
        return Band(middle, usual)

    def _play(self, state: OnlineState, batch: Batch, *, scores: bool, learns: bool) -> Scores:
        windows = self._tidied(state, batch)
        value, blame = np.full(len(windows), np.nan), np.zeros(batch.values.shape)
        for row, key in enumerate(batch.key.tolist()):
            if np.isnan(windows[row, -1]).all():
                continue
            live = self._live(state, key)
            if scores and state.used[key] >= self.warmup:
                value[row] = live.score(windows[row], blame[row, -1])
            if learns:
                live.learn(windows[row])
                self._keep(state, key, windows[row], live)
        return Scores(value, blame)

    def _tidied(self, state: OnlineState, batch: Batch) -> FloatArray:
        width = state.windows.shape[3]
        if batch.values.ndim != 3 or batch.values.shape[2] != width:
            raise TocsinError(f"values must be (B, T, {width}); found {batch.values.shape}")
        if len(batch) and not 0 <= batch.key.min() <= batch.key.max() < len(state.mark):
            keys = f"{batch.key.min()} to {batch.key.max()}"
            raise TocsinError(f"keys {keys} in a state with room for {len(state.mark)}")
        return tidied(batch.values[:, -self.frames :])

    def _keep(self, state: OnlineState, key: int, window: FloatArray, live: "_Live") -> None:
        """Write down a window that the live models have learned; make them anew where it is due."""
        used = int(state.used[key])
        state.windows[key, used] = window
        state.used[key] = used + 1
        state.mark[key] = live.mark
        if used + 1 < self.history:
            return
        newer = state.windows[key, self.history - self.history // 2 :].copy()
        state.windows[key] = np.nan
        state.windows[key, : len(newer)] = newer
        state.used[key] = len(newer)
        fresh = self._replayed(newer)
        state.mark[key] = fresh.mark
        _LIVE.setdefault(state, {})[key] = fresh

    def _live(self, state: OnlineState, key: int) -> "_Live":
        """The models of the key's windows: those at hand if they are that, or made from them."""
        models = _LIVE.setdefault(state, {})
        found = models.get(key)
        if found is None or found.mark != state.mark[key]:
            found = models[key] = self._replayed(state.windows[key, : state.used[key]])
        return found

    def _replayed(self, windows: FloatArray) -> "_Live":
        live = _Live(self, windows.shape[2])
        for window in windows:
            live.learn(window)
        return live


class _Live:
    """The regressors of a key at work, its running spreads, and the mark of all it has learned."""

    def __init__(self, scorer: OnlineForecast, width: int) -> None:
        self.models = [_made(scorer) for _ in range(width)]
        self.joint = scorer.joint
        self.keep = 2.0 ** (-1.0 / scorer.half_life)
        self.young = scorer.warmup // 2
        self.seen = np.zeros(width)
        self.mean = np.zeros(width)
        self.square = np.zeros(width)  # sums of squares about the mean
        self.weight = np.zeros(width)
        self.usual = np.zeros(width)  # mean square residuals, in squared deviations
        self.mark = 0

    def score(self, window: FloatArray, blame: FloatArray) -> float:
        """The score of a window (T, C); blame (C,) is written. Changes nothing."""
        points = self._in_deviations(window)
        worst = math.nan
        for c in np.flatnonzero(~np.isnan(window[-1])).tolist():
            if not self.weight[c]:
                continue
            off = abs(float(points[-1, c]) - self._forecast(points, c))
            size = off / max(math.sqrt(self.usual[c]), _LEAST)
            blame[c] = size
            worst = size if math.isnan(worst) else max(worst, size)
        return worst

    def tell(self, window: FloatArray, middle: FloatArray, usual: FloatArray) -> None:
        """Write the forecast (C,) of a window's newest row, and the usual miss (C,)."""
        points = self._in_deviations(window)
        for c in np.flatnonzero(self.weight).tolist():
            unit = self._deviation(c)
            middle[c] = self.mean[c] + unit * self._forecast(points, c)
            usual[c] = unit * max(math.sqrt(self.usual[c]), _LEAST)

    def learn(self, window: FloatArray) -> None:
        """Learn a window: the forecast's miss, where the channels lie, and the regression."""
        data = self.mark.to_bytes(8, "little") + np.ascontiguousarray(window).tobytes()
        digest = hashlib.blake2b(data, digest_size=8).digest()
        self.mark = max(1, int.from_bytes(digest, "little") >> 1)
        there = np.flatnonzero(~np.isnan(window[-1])).tolist()
        points = self._in_deviations(window)
        for c in there:
            if self.seen[c] >= self.young:  # the first misses are the model's, not the channel's
                self._learn_miss(c, float(points[-1, c]) - self._forecast(points, c))
            self._learn_place(c, float(window[-1, c]))
        points = self._in_deviations(window)
        for c in there:
            target = min(max(float(points[-1, c]), -_LIMIT), _LIMIT)
            self.models[c].learn_one(self._lags(points, c), target)

    def _learn_miss(self, c: int, off: float) -> None:
        most = _LIMIT * max(math.sqrt(self.usual[c]), _LEAST)
        if self.weight[c] >= _YOUNG:
            off = min(max(off, -most), most)
        self.weight[c] = 1.0 + self.keep * self.weight[c]
        self.usual[c] += (min(off * off, FARTHEST) - self.usual[c]) / self.weight[c]

    def _learn_place(self, c: int, value: float) -> None:
        deviation = self._deviation(c)
        if self.seen[c] >= _YOUNG and deviation > 0:
            most = _LIMIT * deviation
            value = self.mean[c] + min(max(value - self.mean[c], -most), most)
        self.seen[c] += 1
        off = value - self.mean[c]
        self.mean[c] += off / self.seen[c]
        self.square[c] += off * (value - self.mean[c])

    def _deviation(self, c: int) -> float:
        return math.sqrt(max(self.square[c], 0.0) / max(self.seen[c], 1.0))

    def _in_deviations(self, window: FloatArray) -> FloatArray:
        """A window (T, C) without gaps, in running deviations from the running mean."""
        points: FloatArray = filled(window[None], self.mean)[0] - self.mean
        for c in range(points.shape[1]):
            deviation = self._deviation(c)
            if deviation > 1e-12 * abs(self.mean[c]):
                points[:, c] = np.clip(points[:, c] / deviation, -FARTHEST, FARTHEST)
            else:
                still = np.abs(points[:, c]) <= 1e-12 * abs(self.mean[c])
                points[:, c] = np.where(still, 0.0, np.copysign(MOVED, points[:, c]))
        return points

    def _lags(self, points: FloatArray, c: int) -> dict[int, float]:
        """A regressor's inputs; over the root of their number, so that their length is about 1."""
        past = points[:-1].ravel() if self.joint else points[:-1, c]
        near = np.clip(past, -_EDGE, _EDGE) / math.sqrt(len(past))
        return dict(enumerate(near.tolist()))

    def _forecast(self, points: FloatArray, c: int) -> float:
        """The forecast of a channel; where the regressor has none, the mean."""
        found = float(self.models[c].predict_one(self._lags(points, c)))
        return found if math.isfinite(found) else 0.0


_LIVE: WeakKeyDictionary[OnlineState, dict[int, _Live]] = WeakKeyDictionary()


def _made(scorer: OnlineForecast) -> Any:
    """A fresh regressor with the settings, and a fixed seed where none is given."""
    kind = _class_of(scorer.model)
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
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ConfigError(f"River's {scorer.model} refused {given}: {error}") from error


def _class_of(name: str) -> type[Any]:
    """The regressor of River of that name; a ConfigError where there is none."""
    module, _, last = name.rpartition(".")
    try:
        place = import_module(f"river.{module}") if module else None
    except ImportError as error:
        raise ConfigError(f"model is {name!r}; there is no module river.{module}") from error
    found = getattr(place, last, None)
    if not isinstance(found, type) or not issubclass(found, river.base.Regressor):
        raise ConfigError(
            f"model is {name!r}, wanted a regressor of River, such as linear_model.LinearRegression"
        )
    return found

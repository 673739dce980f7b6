"""A trained detector that is fitted anew, on the newest clean rows, while the run goes on."""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np

from tocsin.detectors.ahead import Ahead
from tocsin.detectors.combined.members import (
    advanced,
    asked,
    blame_of,
    covariates_of,
    inherited,
    is_trainable,
    newest,
    spec_for,
    usual,
    wrappable,
)
from tocsin.detectors.combined.sides import both_sides
from tocsin.detectors.recent_rows import (
    RecentRows,
    copy_of,
    keep,
    mark_of,
    started,
    windows_of,
)
from tocsin.detectors.rows import channels, need, tidied
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.groups import group
from tocsin.pipeline.keyed import forget, grow, keyed_fields, per_key, put, take
from tocsin.pipeline.state import flatten
from tocsin.pipeline.types import (
    Band,
    Batch,
    BoolArray,
    FloatArray,
    IntArray,
    Scorer,
    Scores,
    Spec,
    Trainable,
    Traits,
    frames_of,
)

_FEWEST_FITS = 16  # that are remembered; more where there are more series
_ASKED = 50  # windows a new fit must say something about

_AHEAD = Ahead("tocsin-refit", _FEWEST_FITS)


@dataclass(slots=True)
class RefittedState:
    """The inner scorer's state, and what its next one is made of.

    `frozen` holds the rows of the fit that is on its way, and none between two of them; `mark`
    tells those rows from others, and is 0 until there were any.
    """

    inner: Any
    recent: RecentRows
    frozen: RecentRows
    mark: IntArray = per_key(0)  # (K,)
    since: IntArray = per_key(0)  # (K,) rows learned since the last fit's rows were frozen
    live: BoolArray = per_key(fill=False)  # (K,) whether the inner scorer is fitted


@dataclass(frozen=True, slots=True)
class Refitted:
    """The scorer `of`, fitted anew on recent clean rows every `every` rows that a series learned.

    A fit takes the newest `memory` rows that were learned, so none that belong to an incident, and
    those of the history at first. The rows are frozen; a background thread fits `of` to them
    beside the run; `lag` rows later the new fit takes the place of the old one between two ticks,
    after it has learned those `lag` rows too, where `of` goes on learning. If it is not ready by
    then, the run waits: choose `lag` so that a fit is done sooner, for all series together. With a
    `lag` of 0 every fit is waited for. When a fit begins and when it counts is told by rows alone,
    so a replay gives the scores of the run.

    Without a history a series is first fitted after `of.warmup` rows, and has no opinion until
    `lag` rows later. A fit that has no opinion on any of the newest 50 windows it was made from is
    dropped, and what was there before goes on.

    Finds what `of` finds, in a plant that drifts or is used in new ways. Misses what is slow enough
    to be learned: what lasts through `every` rows without an alarm becomes normal.

    NaN and infinities are as `of` has them. Cost a row: `of`'s and a copy of the row; a fit, every
    `every` rows. Memory a key: `of`'s, and 16 `memory` (C + 1) bytes. Shift and scale matter as
    they do to `of`. Not for scorers that keep something for all series together, as `Ensemble`
    does: let its members be refitted.

    Reference: fitting anew at fixed distances on a sliding window is the blind adaptation of Gama
    and others, A survey on concept drift adaptation, 2014, doi:10.1145/2523813.

    >>> from tocsin.detectors.classical.knn import Knn
    >>> rows = np.random.default_rng(0).normal(size=(900, 1, 1))
    >>> rows[450:] += 50.0
    >>> batch = Batch(np.zeros(900, dtype=np.int64), np.arange(900), rows)
    >>> scorer = Refitted(Knn(train=100, memory=200), every=150, lag=20, memory=200)
    >>> state = scorer.start(Spec((1,)))
    >>> grow(state, 1)
    >>> score = scorer.advance(state, batch).value
    >>> bool(score[450:500].min() > 50), bool(np.median(score[800:]) < 2)
    (True, True)
    """

    of: Scorer[Any] = field(default_factory=partial(usual, "knn"))
    every: int = 1000
    lag: int = 100
    memory: int = 5000

    traits: ClassVar[Traits] = inherited()
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        wrappable(self.of, "Refitted")
        if not is_trainable(self.of):
            raise ConfigError(f"Refitted needs a scorer that is fitted; found {self.of!r}")
        need(self.every >= 1, "every", "1 or more", self.every)
        need(
            0 <= self.lag < self.every, "lag", f"0 or more and under every, {self.every}", self.lag
        )
        room = self._first + self.lag + self.frames
        need(self.memory >= room, "memory", f"{room} or more, a fit, lag and a window", self.memory)

    @property
    def frames(self) -> int:
        """Rows of a window: those of the scorer inside."""
        return frames_of(self.of)

    @property
    def warmup(self) -> int:
        return self._first + self.lag

    def start(self, spec: Spec) -> RefittedState:
        width = channels(spec)
        if spec.window < self.frames:
            raise ConfigError(f"Refitted needs windows of {self.frames} rows; found {spec}")
        inner = self.of.start(spec_for(self.of, spec))
        keyed, parts = keyed_fields(inner), flatten(inner)
        shared = sorted(p for p in parts if p not in keyed and isinstance(parts[p], np.ndarray))
        if shared:
            raise ConfigError(
                f"{type(self.of).__name__} keeps {shared[0]} for all series together, so that it "
                "cannot be refitted series by series; refit what it is made of"
            )
        none = np.empty(0, dtype=np.int64)
        kept, frozen = started(self.memory, width), started(self.memory, width)
        return RefittedState(inner, kept, frozen, none, none.copy(), np.empty(0, dtype=np.bool_))

    def score(self, state: RefittedState, batch: Batch) -> Scores:
        self._check(state, batch)
        return self._ask(self.of.score, state, batch)

    def learn(self, state: RefittedState, batch: Batch) -> None:
        self._check(state, batch)
        live = batch.take(state.live[batch.key])
        if len(live):
            self.of.learn(state.inner, newest(live, self.of))
        self._remember(state, batch)

    def advance(self, state: RefittedState, batch: Batch) -> Scores:
        self._check(state, batch)
        value, blame = np.full(len(batch), np.nan), np.zeros(batch.values.shape)
        left = np.arange(len(batch))
        while left.size:
            # Each series up to the row that ends its present fit, as nothing changes before.
            rows = group(batch.key[left])
            until = np.array([self._until(state, key) for key in rows.keys.tolist()])
            now = rows.scatter(rows.round < until[rows.place])
            part = batch.take(left[now])
            scores = self._ask(partial(advanced, self.of), state, part)
            value[left[now]], blame[left[now]] = scores.value, blame_of(scores, part)
            self._remember(state, part)
            left = left[~now]
        return Scores(value, blame)

    def expects(self, state: RefittedState, batch: Batch) -> Band | None:
        """What the present fits expect of the newest rows; None where `of` cannot tell."""
        live, told = self._told("expects", state, batch)
        return None if told is None else Band(*(_spread(part, live, np.nan) for part in told))

    def attribute(self, state: RefittedState, batch: Batch) -> FloatArray | None:
        """What the present fits put down to covariates; None where `of` cannot tell."""
        live, told = self._told("attribute", state, batch)
        return None if told is None else _spread(told, live, 0.0)

    @property
    def covariates(self) -> tuple[int, ...]:
        """The places of the channels that `of` reads as covariates."""
        return covariates_of((self.of,))

    def fit(self, spec: Spec, batches: Iterable[Batch]) -> RefittedState:
        """The state fitted on clean history; the first fit anew comes `every` rows later."""
        state = self.start(spec)
        inner_spec, width = spec_for(self.of, spec), channels(spec)
        inner = cast("Trainable[Any]", self.of).fit(inner_spec, self._kept(state, batches, width))
        state.inner = inner
        grow(state, len(state.mark))
        state.live = state.recent.written > 0
        return state

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        """Scores (N,) of a whole series as `of` gives them: nothing is fitted anew."""
        return both_sides(self.of, spec, history, series)

    @property
    def _first(self) -> int:
        return max(1, self.of.warmup)

    def _told(self, method: str, state: RefittedState, batch: Batch) -> tuple[BoolArray, Any]:
        """Which rows (B,) are of a fitted series, and what `of` tells of those."""
        self._check(state, batch)
        live = state.live[batch.key]
        return live, asked(self.of, method, state.inner, batch.take(live))

    def _ask(
        self, ask: Callable[[Any, Batch], Scores], state: RefittedState, batch: Batch
    ) -> Scores:
        value, blame = np.full(len(batch), np.nan), np.zeros(batch.values.shape)
        live = np.flatnonzero(state.live[batch.key])
        if live.size:
            given = newest(batch.take(live), self.of)
            scores = ask(state.inner, given)
            value[live], blame[live, -self.frames :] = scores.value, blame_of(scores, given)
        return Scores(value, blame)

    def _kept(self, state: RefittedState, batches: Iterable[Batch], width: int) -> Iterator[Batch]:
        """The batches of a history as they pass, their newest rows kept."""
        for batch in batches:
            if batch.values.ndim != 3 or batch.values.shape[2] != width:
                raise TocsinError(f"values must be (B, T, {width}); found {batch.values.shape}")
            grow(state, int(batch.key.max(initial=-1)) + 1)
            for key, windows, time in self._by_key(batch):
                keep(state.recent, key, windows, time)
            yield newest(batch, self.of)

    def _remember(self, state: RefittedState, batch: Batch) -> None:
        """Keep rows that were learned, none beyond the next row at which its key's fit changes."""
        for key, windows, time in self._by_key(batch):
            self._begin(state, key)
            ends = self._until(state, key) == len(time)
            keep(state.recent, key, windows, time)
            state.since[key] += len(time)
            if ends:
                if not state.frozen.written[key]:
                    self._freeze(state, key)
                if state.since[key] == self.lag:
                    self._swap(state, key)

    def _by_key(self, batch: Batch) -> Iterator[tuple[int, FloatArray, IntArray]]:
        windows, rows = tidied(batch.values[:, -self.frames :]), group(batch.key)
        starts, counts = rows.start.tolist(), rows.count.tolist()
        for key, first, count in zip(rows.keys.tolist(), starts, counts, strict=True):
            mine = rows.order[first : first + count]
            yield key, windows[mine], batch.time[mine]

    def _until(self, state: RefittedState, key: int) -> int:
        """Rows to learn up to and with the one that freezes or ends a fit."""
        if state.frozen.written[key]:
            return self.lag - int(state.since[key])
        known = state.live[key] or state.mark[key]
        return (self.every if known else self._first) - int(state.since[key])

    def _freeze(self, state: RefittedState, key: int) -> None:
        rows, time = copy_of(state.recent, key, self.frames)
        state.frozen.rows[key, : len(rows)] = rows
        state.frozen.time[key, : len(rows)] = time
        state.frozen.written[key] = len(rows)
        state.mark[key] = mark_of(rows, time)
        state.since[key] = 0
        if self.lag:
            self._begin(state, key)

    def _begin(self, state: RefittedState, key: int) -> None:
        """Have the coming fit made; also after a restart, which forgets work but not rows."""
        if state.frozen.written[key] and not _AHEAD.begun(self._name(state, key)):
            name, make = self._name(state, key), self._fitting(state, key)
            _AHEAD.begin(name, make, 2 * len(state.mark))

    def _swap(self, state: RefittedState, key: int) -> None:
        found = _AHEAD.take(self._name(state, key), self._fitting(state, key))
        alone = np.array([key])
        if found is not None:
            fresh = deepcopy(found)
            if self.lag:
                missed = windows_of(*copy_of(state.recent, key, self.frames), self.frames)
                for tick in missed.take(np.arange(len(missed))[-self.lag :]).ticks():
                    self.of.learn(fresh, tick)
            put(state.inner, alone, take(fresh, np.array([0])))
            state.live[key] = True
        forget(state.frozen, alone)

    def _name(self, state: RefittedState, key: int) -> tuple[Scorer[Any], int, int]:
        return self.of, state.recent.rows.shape[2], int(state.mark[key])

    def _fitting(self, state: RefittedState, key: int) -> Callable[[], Any]:
        rows, time = copy_of(state.frozen, key, self.frames)
        return partial(_fitted, self.of, rows, time)

    def _check(self, state: RefittedState, batch: Batch) -> None:
        width, room = state.recent.rows.shape[2], len(state.mark)
        if batch.values.ndim != 3 or batch.values.shape[2] != width:
            raise TocsinError(f"values must be (B, T, {width}); found {batch.values.shape}")
        if len(batch) and not 0 <= batch.key.min() <= batch.key.max() < room:
            keys = f"{batch.key.min()} to {batch.key.max()}"
            raise TocsinError(f"keys {keys} in a state with room for {room}")


def _spread(part: FloatArray, live: BoolArray, others: float) -> FloatArray:
    """Numbers (L, C) of the rows that are live (B,), among `others` (B, C) for the rest."""
    found = np.full((len(live), part.shape[1]), others)
    found[live] = part
    return found


def _fitted(scorer: Scorer[Any], rows: FloatArray, time: IntArray) -> Any:
    """The state of one series, fitted on its rows, or None if it has no opinion on them.

    To be asked also makes what a scorer makes at its first score, so that no row waits for it.
    """
    spec = Spec(rows.shape[1:], frames_of(scorer))
    windows = windows_of(rows, time, spec.window)
    if not len(windows):
        return None
    state = cast("Trainable[Any]", scorer).fit(spec, [windows])
    grow(state, 1)
    asked = windows.take(np.arange(len(windows))[-_ASKED:])
    return None if np.isnan(scorer.score(state, asked).value).all() else state

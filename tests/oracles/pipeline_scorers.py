"""Small scorers in numpy that the chain is tested with: per series, shared, and faulty ones."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Band, Batch, FloatArray, IntArray, Scores, Spec, Traits

TRIP = 1e6  # a value that makes `Tripping` raise
MUTE = 1e5  # a value that `Muting` has no opinion on


@dataclass(slots=True)
class SpreadState:
    """Each channel's running mean and mean deviation."""

    mean: FloatArray = per_key(0.0)  # (K, *item)
    spread: FloatArray = per_key(0.0)  # (K, *item)
    seen: IntArray = per_key(0)  # (K,)


@dataclass(frozen=True, slots=True)
class Spread:
    """How many mean deviations the mean of a window lies from its running mean."""

    keep: float = 0.95
    warmup: int = 10

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    def start(self, spec: Spec) -> SpreadState:
        none = np.empty((0, *spec.item))
        return SpreadState(none, none, np.empty(0, dtype=np.int64))

    def score(self, state: SpreadState, batch: Batch) -> Scores:
        off = np.abs(batch.values.mean(axis=1) - state.mean[batch.key])
        off /= state.spread[batch.key] + 1e-9
        off[state.seen[batch.key] < self.warmup] = np.nan
        blame = np.zeros(batch.values.shape)
        blame[:, -1] = np.nan_to_num(off)
        return Scores(np.fmax.reduce(off.reshape(len(batch), -1), axis=1), blame)

    def expects(self, state: SpreadState, batch: Batch) -> Band | None:
        if state.mean.ndim != 2:
            return None
        return Band(state.mean[batch.key], state.spread[batch.key])

    def learn(self, state: SpreadState, batch: Batch) -> None:
        frame = batch.values.mean(axis=1)
        mean, spread = state.mean[batch.key], state.spread[batch.key]
        known = ~np.isnan(frame)
        step = np.where(known, (1 - self.keep) * (frame - mean), 0.0)
        state.mean[batch.key] = mean + step
        wider = (1 - self.keep) * (np.abs(frame - mean) - spread)
        state.spread[batch.key] = spread + np.where(known, wider, 0.0)
        state.seen[batch.key] += known.reshape(len(batch), -1).any(axis=1)

    def advance(self, state: SpreadState, batch: Batch) -> Scores:
        parts: list[Scores] = []
        for tick in _ticks(batch):
            parts.append(self.score(state, tick))
            self.learn(state, tick)
        blames = [part.blame for part in parts if part.blame is not None]
        return Scores(np.concatenate([part.value for part in parts]), np.concatenate(blames))


@dataclass(frozen=True, slots=True)
class SpreadOfFrames(Spread):
    """`Spread` of each pixel."""

    traits: ClassVar[Traits] = Traits(item="frame")


def _ticks(batch: Batch) -> list[Batch]:
    """The batch cut where a key stands for a second time."""
    edges, present = [0], set[int]()
    for row, key in enumerate(batch.key.tolist()):
        if key in present:
            edges.append(row)
            present = set()
        present.add(key)
    parts = np.split(np.arange(len(batch)), edges[1:])
    return [batch.take(part) for part in parts]


@dataclass(slots=True)
class CrowdState:
    """One mean for all series."""

    mean: FloatArray  # (*item)
    seen: int


@dataclass(frozen=True, slots=True)
class Crowd:
    """Distance from a mean over all series, which moves with each row, in the rows' order."""

    keep: float = 0.9

    traits: ClassVar[Traits] = Traits(shared=True)
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return 10

    def start(self, spec: Spec) -> CrowdState:
        return CrowdState(np.zeros(spec.item), 0)

    def score(self, state: CrowdState, batch: Batch) -> Scores:
        off = np.abs(batch.values[:, -1] - state.mean).reshape(len(batch), -1)
        value = np.fmax.reduce(off, axis=1)
        return Scores(value if state.seen >= self.warmup else np.full(len(batch), np.nan))

    def learn(self, state: CrowdState, batch: Batch) -> None:
        for frame in batch.values[:, -1]:
            moved = self.keep * state.mean + (1 - self.keep) * frame
            state.mean = np.where(np.isnan(frame), state.mean, moved)
            state.seen += 1

    def advance(self, state: CrowdState, batch: Batch) -> Scores:
        message = "the fast path of a shared scorer"
        raise AssertionError(message)


@dataclass(frozen=True, slots=True)
class Tripping:
    """`inner`, but raising on any row that holds TRIP, where it scores, learns or does both."""

    inner: Any = field(default_factory=Spread)
    on_score: bool = True
    on_learn: bool = True
    on_advance: bool = True

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return int(self.inner.warmup)

    def start(self, spec: Spec) -> Any:
        return self.inner.start(spec)

    def score(self, state: Any, batch: Batch) -> Scores:
        self._trip(batch, trips=self.on_score)
        scores: Scores = self.inner.score(state, batch)
        return scores

    def learn(self, state: Any, batch: Batch) -> None:
        self.inner.learn(state, batch)  # so that what raises has been at work already
        self._trip(batch, trips=self.on_learn)

    def advance(self, state: Any, batch: Batch) -> Scores:
        scores: Scores = self.inner.advance(state, batch)
        self._trip(batch, trips=self.on_advance)
        return scores

    def _trip(self, batch: Batch, *, trips: bool) -> None:
        if trips and (batch.values == TRIP).any():
            message = "a detector's own trouble"
            raise ArithmeticError(message)


@dataclass(frozen=True, slots=True)
class Muting:
    """`inner`, but with no opinion on rows that hold MUTE, and no fast path."""

    inner: Any = field(default_factory=Spread)

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return int(self.inner.warmup)

    def start(self, spec: Spec) -> Any:
        return self.inner.start(spec)

    def score(self, state: Any, batch: Batch) -> Scores:
        value = self.inner.score(state, batch).value
        mute = (batch.values == MUTE).reshape(len(batch), -1).any(axis=1)
        return Scores(np.where(mute, np.nan, value))

    def learn(self, state: Any, batch: Batch) -> None:
        heard = ~(batch.values == MUTE).reshape(len(batch), -1).any(axis=1)
        self.inner.learn(state, batch.take(heard))


@dataclass(slots=True)
class NothingLearned:
    """No state at all."""


@dataclass(frozen=True, slots=True)
class Height:
    """The newest frame's largest value, as it is: a scorer whose scores a test can choose."""

    warmup: int = 0

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    def start(self, spec: Spec) -> NothingLearned:
        return NothingLearned()

    def score(self, state: NothingLearned, batch: Batch) -> Scores:
        return Scores(np.fmax.reduce(batch.values[:, -1].reshape(len(batch), -1), axis=1))

    def learn(self, state: NothingLearned, batch: Batch) -> None:
        """There is nothing to learn."""

    def advance(self, state: NothingLearned, batch: Batch) -> Scores:
        return self.score(state, batch)

"""A detector of one channel, applied to each channel on its own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal, cast

import numpy as np

from tocsin.detectors.combined import standing
from tocsin.detectors.combined.members import (
    advanced,
    asked,
    blame_of,
    gathered,
    inherited,
    is_trainable,
    parts_of,
    usual,
    wrappable,
)
from tocsin.detectors.combined.past import Stretch, left_out, stretches, thinned
from tocsin.detectors.combined.sides import both_sides
from tocsin.detectors.rows import channels, need
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import (
    Band,
    Batch,
    FloatArray,
    Scorer,
    Scores,
    Spec,
    Trainable,
    Traits,
    frames_of,
)

_TOP = {"max": 1, "top3": 3, "mean": 1 << 30}


@dataclass(slots=True)
class PerChannelState:
    """The inner scorer's state for each channel, and how its scores are spread there."""

    scorers: Any  # of channels, `gathered`
    standings: Any  # of channels, `gathered`


@dataclass(frozen=True, slots=True)
class PerChannel:
    """The scorer `of`, applied to each channel as if there were no other, and joined.

    A channel's score is set against its newest `history` scores, as a distance from their median in
    their spreads (the interquartile range over 1.349), so that a nervous channel does not drown the
    others. The result is the largest such distance (`combine` "max"), the mean of the three largest
    ("top3") or of all ("mean"); a channel without an opinion is left out. `fit`, where `of` has it,
    trains each channel, and spreads are those of scores of each half of the history under the
    other; once `history` scores of a trained scorer are known, no more are learned, so that what
    lasts stays found. Offline, `of`'s own two-sided scores are set against those of the series.

    `blame` is each channel's distance, where positive, in the frames that `of` blames.

    Finds what `of` finds in any one channel. Misses what shows only beside other channels, such as
    a broken correlation.

    NaN and infinities are handled by `of`, channel by channel. A channel has an opinion after 30
    scores of its own; the score is NaN while none has.

    Cost a row: `of`'s for each channel, and a search among `history` scores. Memory a key: `of`'s,
    and 16 `history` + 8 bytes, for each channel. Shift and scale matter as they do to `of`.

    Reference: judging sensors one by one and taking the worst is Tippett's rule, as compared by
    Birnbaum, Combining independent tests of significance, 1954, doi:10.1080/01621459.1954.10483521.

    >>> rows = np.random.default_rng(0).normal(size=(300, 1, 2)) * [1.0, 50.0]
    >>> rows[299, 0, 0] += 9.0
    >>> scorer = PerChannel(usual("ewma"))
    >>> state = scorer.start(Spec((2,)))
    >>> grow(state, 1)
    >>> batch = Batch(np.zeros(300, dtype=np.int64), np.arange(300), rows)
    >>> scores = scorer.advance(state, batch)
    >>> int(np.nanargmax(scores.value)), scores.blame[299, 0].argmax()
    (299, np.int64(0))
    """

    of: Scorer[Any] = field(default_factory=partial(usual, "moving_z"))
    combine: Literal["max", "mean", "top3"] = "max"
    history: int = 250

    traits: ClassVar[Traits] = inherited(alone=True)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        wrappable(self.of, "PerChannel")
        if self.combine not in _TOP:
            raise ConfigError(f"combine must be one of {', '.join(_TOP)}; found {self.combine!r}")
        least = standing.SETTLE
        need(self.history >= least, "history", f"{least} scores or more", self.history)

    @property
    def frames(self) -> int:
        """Rows of a window: those of the scorer inside."""
        return frames_of(self.of)

    @property
    def warmup(self) -> int:
        return self.of.warmup + standing.SETTLE

    @property
    def fit(self) -> Callable[[Spec, Iterable[Batch]], PerChannelState]:
        """Trains every channel on clean history; there where `of` can be fitted."""
        if not is_trainable(self.of):
            raise AttributeError(f"{type(self.of).__name__} is not fitted")
        return self._fit

    def start(self, spec: Spec) -> PerChannelState:
        if spec.window < self.frames:
            raise ConfigError(f"PerChannel needs windows of {self.frames} rows; found {spec}")
        every, stops = range(channels(spec)), is_trainable(self.of)
        return PerChannelState(
            gathered([self.of.start(Spec((1,), self.frames)) for _ in every]),
            gathered([standing.started(self.history, stops=stops) for _ in every]),
        )

    def score(self, state: PerChannelState, batch: Batch) -> Scores:
        found = []
        for c, inner, kept in self._channels(state, batch):
            scores = self.of.score(inner, self._channel(batch, c))
            found.append((standing.standing(kept, batch.key, scores.value), scores))
        return self._together(found, batch)

    def learn(self, state: PerChannelState, batch: Batch) -> None:
        for c, inner, kept in self._channels(state, batch):
            given = self._channel(batch, c)
            standing.keep(kept, batch.key, self.of.score(inner, given).value)
            self.of.learn(inner, given)

    def advance(self, state: PerChannelState, batch: Batch) -> Scores:
        found = []
        for c, inner, kept in self._channels(state, batch):
            scores = advanced(self.of, inner, self._channel(batch, c))
            found.append((standing.advance(kept, batch.key, scores.value), scores))
        return self._together(found, batch)

    def expects(self, state: PerChannelState, batch: Batch) -> Band | None:
        """What `of` expects of each channel's newest values; None where it cannot tell."""
        told = [
            asked(self.of, "expects", inner, self._channel(batch, c))
            for c, inner, _ in self._channels(state, batch)
        ]
        if any(band is None for band in told):
            return None
        return Band(*(np.concatenate(part, axis=1) for part in zip(*told, strict=True)))

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        """Scores (N,) of a whole series (N, C) from both sides, after clean history or none."""
        stands = np.full(series.shape, np.nan)
        for c in range(channels(spec)):
            one = slice(c, c + 1)
            scores = both_sides(self.of, Spec((1,)), history[:, one], series[:, one])
            stands[:, c] = standing.series_standing(scores.value)
        value = standing.mean_of_top(stands, _TOP[self.combine])
        return Scores(value, np.maximum(np.nan_to_num(stands), 0.0))

    def _channels(self, state: PerChannelState, batch: Batch) -> list[tuple[int, Any, Any]]:
        scorers, standings = parts_of(state.scorers), parts_of(state.standings)
        width = len(scorers)
        if batch.values.ndim != 3 or batch.values.shape[2] != width:
            raise TocsinError(f"values must be (B, T, {width}); found {batch.values.shape}")
        room = len(standings[0].used)
        if len(batch) and not 0 <= batch.key.min() <= batch.key.max() < room:
            keys = f"{batch.key.min()} to {batch.key.max()}"
            raise TocsinError(f"keys {keys} in a state with room for {room}")
        return list(zip(range(width), scorers, standings, strict=True))

    def _channel(self, batch: Batch, c: int) -> Batch:
        return Batch(batch.key, batch.time, batch.values[:, -self.frames :, c : c + 1])

    def _together(self, found: list[tuple[FloatArray, Scores]], batch: Batch) -> Scores:
        """The joined standings of the channels, and the frames each of them blames."""
        stands = np.stack([one for one, _ in found], axis=1)  # (B, C)
        value = standing.mean_of_top(stands, _TOP[self.combine])
        blame = np.zeros(batch.values.shape)
        for c, (mine, scores) in enumerate(found):
            parts = blame_of(scores, self._channel(batch, c))
            blame[:, -self.frames :, c] = standing.shares(parts, mine)[:, :, 0]
        return Scores(value, blame)

    def _fit(self, spec: Spec, batches: Iterable[Batch]) -> PerChannelState:
        past = stretches(batches, self.frames)
        state = self.start(spec)
        keys = max((part.key for part in past), default=-1) + 1
        grow(state, keys)
        scorers = []
        for c, kept in enumerate(parts_of(state.standings)):
            train, score = partial(self._fit_channel, c, keys), partial(self._score_channel, c)
            for key, scores in left_out(past, train, score).items():
                few = thinned(scores, self.history)
                standing.keep(kept, np.full(len(few), key), few)
            scorers.append(train(past))
        state.scorers = gathered(scorers)
        return state

    def _fit_channel(self, c: int, keys: int, past: list[Stretch]) -> Any:
        given = (self._channel(windows, c) for part in past for windows in part.windows())
        made = cast("Trainable[Any]", self.of).fit(Spec((1,), self.frames), given)
        grow(made, keys)
        return made

    def _score_channel(self, c: int, made: Any, windows: Batch) -> FloatArray:
        return self.of.score(made, self._channel(windows, c)).value

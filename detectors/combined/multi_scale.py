"""A detector at several scales of time: of the series as it is, and of its averages over blocks."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np

from tocsin.detectors.combined import standing
from tocsin.detectors.combined.blocks import (
    blocks,
    blocks_at_offsets,
    spread_back,
    whole_blocks,
)
from tocsin.detectors.combined.members import (
    advanced,
    asked,
    attributed,
    blame_of,
    covariates_of,
    expecting,
    gathered,
    inherited,
    is_trainable,
    parts_of,
    spec_for,
    usual,
    wrappable,
)
from tocsin.detectors.combined.past import Stretch, left_out, stretches, thinned
from tocsin.detectors.combined.sides import both_sides
from tocsin.detectors.rows import channels, need, tidied
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.groups import group
from tocsin.pipeline.keyed import Rows, grow, per_key, put, take
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


@dataclass(slots=True)
class MultiScaleState:
    """The inner scorer's state at each scale, how its scores are spread there, and rows learned."""

    scorers: Any  # of scales, `gathered`
    standings: Any  # of scales, `gathered`
    width: int  # channels
    seen: IntArray = per_key(0)  # (K,)


@dataclass(frozen=True, slots=True)
class MultiScale:
    """The scorer `of`, applied to the series averaged over blocks of each of `scales` rows.

    At scale s the scorer is given blocks that end at the row: `of`'s frames are means of s rows
    each. It scores every row and learns every s-th, so that its settings count blocks there. A
    scale's score is set against the newest `history` scores that it learned, as a distance from
    their median in their spreads (the interquartile range over 1.349); the result is the mean over
    the scales that have an opinion. `fit`, where `of` has it, trains each scale on the blocks at
    every offset, and spreads are those of scores of each half of the history under the other. Once
    `history` scores of a trained scorer are known no more are learned, so what lasts stays found.

    Offline, the series is cut into blocks once a scale, scored by `of`'s own two-sided form, and
    each block's score, set against those of the series, is that of its rows.

    `blame` is `of`'s, spread over the rows of its blocks and weighted by how far the scale stands
    out; so is what `of` puts down to covariates, each scale asked of its own blocks. What was
    expected of the newest row is what `of` says at scale 1, and nothing without that scale: at the
    others it expects means of blocks, which say nothing of a single row.

    Finds what `of` finds, and the same in slower form: shifts and bursts that noise hides from a
    single row. Misses what averages hide, where scale 1 misses it too. Dilutes what shows at one
    scale alone: the mean over five scales is a fifth of it.

    NaN and infinities are missing; a block has a value where at least half of its rows do. A scale
    has an opinion after 30 scores; larger scales join later.

    Cost a row: `of`'s for each scale, and a search among `history` scores. Memory a key: `of`'s,
    and 16 `history` + 8 bytes, for each scale. Shift and scale matter as they do to `of`.

    Reference: the pyramid of averages is that of multi-scale analysis, as in Mallat, A theory for
    multiresolution signal decomposition, 1989, doi:10.1109/34.192463, without its details.

    >>> from tocsin.pipeline.keyed import grow
    >>> rows = np.random.default_rng(0).normal(size=(400, 1, 1))
    >>> rows[350:] += 1.5
    >>> scorer = MultiScale(usual("ewma"), scales=(1, 4))
    >>> state = scorer.start(Spec((1,), window=scorer.frames))
    >>> grow(state, 1)
    >>> windows = np.stack([rows[i : i + 397, 0] for i in range(4)], axis=1)
    >>> batch = Batch(np.zeros(397, dtype=np.int64), np.arange(397), windows)
    >>> score = scorer.advance(state, batch).value
    >>> bool(score[347:355].mean() > 3 * abs(score[300:340].mean()))
    True
    """

    of: Scorer[Any] = field(default_factory=partial(usual, "moving_z"))
    scales: tuple[int, ...] = (1, 2, 4, 8, 16)
    history: int = 250

    traits: ClassVar[Traits] = inherited()
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        wrappable(self.of, "MultiScale")
        if not self.scales or sorted(set(self.scales)) != list(self.scales) or self.scales[0] < 1:
            raise ConfigError(f"scales must be rising numbers from 1; found {self.scales}")
        least = standing.SETTLE
        need(self.history >= least, "history", f"{least} scores or more", self.history)

    @property
    def frames(self) -> int:
        """Rows of a window: a whole window of blocks at the largest scale."""
        return self.scales[-1] * frames_of(self.of)

    @property
    def warmup(self) -> int:
        return self.scales[0] * (self.of.warmup + standing.SETTLE)

    @property
    def fit(self) -> Callable[[Spec, Iterable[Batch]], MultiScaleState]:
        """Trains every scale on clean history; there where `of` can be fitted."""
        if not is_trainable(self.of):
            raise AttributeError(f"{type(self.of).__name__} is not fitted")
        return self._fit

    def start(self, spec: Spec) -> MultiScaleState:
        if spec.window < self.frames:
            raise ConfigError(f"MultiScale needs windows of {self.frames} rows; found {spec}")
        count, inner = len(self.scales), spec_for(self.of, spec)
        stops = is_trainable(self.of)
        return MultiScaleState(
            gathered([self.of.start(inner) for _ in range(count)]),
            gathered([standing.started(self.history, stops=stops) for _ in range(count)]),
            channels(spec),
            np.empty(0, dtype=np.int64),
        )

    def score(self, state: MultiScaleState, batch: Batch) -> Scores:
        return self._together(self._judged(state, self._tidied(state, batch)), batch)

    def learn(self, state: MultiScaleState, batch: Batch) -> None:
        rows = self._tidied(state, batch)
        for scale, inner, past in self._scales(state):
            due = rows.take(state.seen[rows.key] % scale == scale - 1)
            given = self._blocks(due, scale)
            standing.keep(past, due.key, self.of.score(inner, given).value)
            self.of.learn(inner, given)
        state.seen[rows.key] += 1

    def advance(self, state: MultiScaleState, batch: Batch) -> Scores:
        rows, found = self._tidied(state, batch), []
        groups = group(rows.key)
        nth = state.seen[rows.key] + groups.scatter(groups.round)  # (B,) rows of the key before it
        for scale, inner, past in self._scales(state):
            due = nth % scale == scale - 1
            given = self._blocks(rows, scale)
            turn = nth // scale - state.seen[rows.key] // scale  # (B,) rows learned before it
            if scale > 1:
                scores = self._in_turns(inner, given, turn, due)
            else:
                scores = advanced(self.of, inner, given)
            stands = standing.advance(past, rows.key, scores.value, due)
            found.append((stands, scores))
        np.add.at(state.seen, rows.key, 1)
        return self._together(found, batch)

    @property
    def expects(self) -> Callable[[MultiScaleState, Batch], Band | None]:
        """What `of` expects of the newest rows at scale 1; there where it can tell."""
        if self.scales[0] != 1 or not expecting(self.of):
            raise AttributeError(f"{self!r} does not say what it expects of single rows")
        return self._expects

    def attribute(self, state: MultiScaleState, batch: Batch) -> FloatArray | None:
        """What `of` puts down to covariates, by standing of the scales; None where it cannot."""
        rows = self._tidied(state, batch)
        judged = zip(self._scales(state), self._judged(state, rows), strict=True)
        return attributed(
            (stands, self.of, inner, self._blocks(rows, scale))
            for (scale, inner, _), (stands, _) in judged
        )

    @property
    def covariates(self) -> tuple[int, ...]:
        """The places of the channels that `of` reads as covariates."""
        return covariates_of((self.of,))

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        """Scores (N,) of a whole series (N, C) from both sides, after clean history or none."""
        past, rows = tidied(history), tidied(series)
        stands = np.full((len(rows), len(self.scales)), np.nan)
        blame = np.zeros(rows.shape)
        for i, scale in enumerate(self.scales):
            scores = both_sides(
                self.of, spec, blocks_at_offsets(past, scale), whole_blocks(rows, scale)
            )
            block = np.arange(len(rows)) // scale
            stands[:, i] = standing.series_standing(scores.value)[block]
            mine = blame_of(scores, Batch(block, block, rows[:, None]))
            blame += standing.shares(mine[block][:, None], stands[:, i])[:, 0]
        value = standing.mean_of_top(stands, len(self.scales))
        known = np.maximum((~np.isnan(stands)).sum(axis=1), 1)
        return Scores(value, blame / known[:, None])

    def _expects(self, state: MultiScaleState, batch: Batch) -> Band | None:
        _, inner, _ = next(self._scales(state))
        band: Band | None = asked(
            self.of, "expects", inner, self._blocks(self._tidied(state, batch), 1)
        )
        return band

    def _judged(self, state: MultiScaleState, rows: Batch) -> list[tuple[FloatArray, Scores]]:
        """Standings (B,) and scores at each scale, of tidied rows that are not learned."""
        found = []
        for scale, inner, past in self._scales(state):
            scores = self.of.score(inner, self._blocks(rows, scale))
            found.append((standing.standing(past, rows.key, scores.value), scores))
        return found

    def _scales(self, state: MultiScaleState) -> Iterator[tuple[int, Any, Any]]:
        parts = parts_of(state.scorers), parts_of(state.standings)
        yield from zip(self.scales, *parts, strict=True)

    def _tidied(self, state: MultiScaleState, batch: Batch) -> Batch:
        """The newest frames of each row, copied; refuses rows that do not fit the state."""
        width = state.width
        if batch.values.ndim != 3 or batch.values.shape[2] != width:
            raise TocsinError(f"values must be (B, T, {width}); found {batch.values.shape}")
        key = np.array(batch.key, dtype=np.int64)
        if len(key) and not 0 <= key.min() <= key.max() < len(state.seen):
            keys = f"{key.min()} to {key.max()}"
            raise TocsinError(f"keys {keys} in a state with room for {len(state.seen)}")
        return Batch(key, np.array(batch.time), tidied(batch.values[:, -self.frames :]))

    def _blocks(self, rows: Batch, scale: int) -> Batch:
        return Batch(rows.key, rows.time, blocks(rows.values, scale, frames_of(self.of)))

    def _in_turns(self, inner: Any, given: Batch, turn: IntArray, due: BoolArray) -> Scores:
        """Scores of rows of which only the last of a key's whole turn is learned."""
        by_turn = group(turn)
        turns = np.split(by_turn.order, by_turn.start[1:])
        if is_trainable(self.of) and self._learns_nothing(inner, given, due, turns):
            return self.of.score(inner, given)
        value, blame = np.full(len(given), np.nan), np.zeros(given.values.shape)
        for mine in turns:
            part = given.take(mine)
            scores = self.of.score(inner, part)
            value[mine], blame[mine] = scores.value, blame_of(scores, part)
            self.of.learn(inner, part.take(due[mine]))
        return Scores(value, blame)

    def _learns_nothing(
        self, inner: Any, given: Batch, due: BoolArray, turns: list[IntArray]
    ) -> bool:
        """Whether learning leaves a state as it is, as a scorer that is trained already does.

        All rows are then scored against one state. Where it changes it is put back as it was.
        """
        keys = np.unique(given.key)
        before = take(inner, keys)
        for number, mine in enumerate(turns):
            self.of.learn(inner, given.take(mine[due[mine]]))
            if number in {0, len(turns) - 1} and not _same(take(inner, keys), before):
                put(inner, keys, before)
                return False
        return True

    def _together(self, found: list[tuple[FloatArray, Scores]], batch: Batch) -> Scores:
        """The mean standing of rows over the scales, and whose blame it is."""
        stands = np.stack([one for one, _ in found], axis=1)  # (B, scales)
        value = standing.mean_of_top(stands, len(found))
        known = np.maximum((~np.isnan(stands)).sum(axis=1), 1)  # (B,)
        blame = np.zeros(batch.values.shape)
        for (mine, scores), scale in zip(found, self.scales, strict=True):
            shape = (len(batch), frames_of(self.of), batch.values.shape[2])
            parts = np.zeros(shape) if scores.blame is None else scores.blame
            spread_back(standing.shares(parts, mine / known), scale, blame)
        return Scores(value, blame)

    def _fit(self, spec: Spec, batches: Iterable[Batch]) -> MultiScaleState:
        past = stretches(batches, self.frames)
        state = self.start(spec)
        keys = max((part.key for part in past), default=-1) + 1
        grow(state, keys)
        scorers = []
        for scale, _, kept in self._scales(state):
            train = partial(self._fit_scale, spec_for(self.of, spec), scale, keys)
            score = partial(self._score_scale, scale)
            for key, scores in left_out(past, train, score).items():
                few = thinned(scores, self.history)
                standing.keep(kept, np.full(len(few), key), few)
            scorers.append(train(past))
        state.scorers = gathered(scorers)
        return state

    def _fit_scale(self, inner: Spec, scale: int, keys: int, past: list[Stretch]) -> Any:
        """`of` trained on the blocks of one scale, at every offset."""
        given = (
            self._blocks(windows, scale)
            for part in past
            for offset in range(scale)
            for windows in part.windows(offset, scale)
        )
        made = cast("Trainable[Any]", self.of).fit(inner, given)
        grow(made, keys)
        return made

    def _score_scale(self, scale: int, made: Any, windows: Batch) -> FloatArray:
        return self.of.score(made, self._blocks(windows, scale)).value


def _same(one: Rows, other: Rows) -> bool:
    return all(np.array_equal(one[path], other[path], equal_nan=True) for path in other)

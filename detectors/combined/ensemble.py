"""Several detectors as one: each score as a tail probability of its own, and these combined."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np

from tocsin.detectors.combined import standing
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
    newest,
    parts_of,
    spec_for,
    usual,
    wrappable,
)
from tocsin.detectors.combined.past import Stretch, left_out, stretches, thinned
from tocsin.detectors.combined.sides import both_sides
from tocsin.detectors.combined.surprise import RULES, Rule, combined_surprise, surprise
from tocsin.detectors.rows import channels, need
from tocsin.pipeline.calibrate import Conformal, ConformalState
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.groups import group
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

_LEAST = 30  # scores of its own before a member's score has a tail
_ALONE = 200  # before its tail goes on beyond the highest


@dataclass(slots=True)
class EnsembleState:
    """Each member's state and its calibrator's."""

    scorers: Any  # of members, `gathered`
    calibrators: Any  # of members, `gathered`
    width: int  # channels


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The scorers `of`, combined by how unlikely each finds the row among its own scores.

    A member's score becomes a tail probability by its newest `history` scores of the series
    (conformal, and a Pareto law beyond the highest), so that units and shapes of scores do not
    matter. The raw score is -log of the combined probability: by "fisher"'s sum of logarithms, by
    the "harmonic" mean, by the "min"imum, by the "mean" of the logarithms, or by the "first" member
    that has an opinion, where others only stand in until it is trained. Fisher rewards
    agreement, the minimum a single loud member; the harmonic mean is between, and hardly moved by
    dependence among members. Combined probabilities of dependent members are not exact; the
    pipeline calibrates the result again. A member without an opinion is left out.

    `fit`, where any member has it, trains those and lets the others run through the history;
    trained members are calibrated on scores of each half of the history under the other, and learn
    no more once `history` scores are known, so that what lasts stays found. Offline,
    each member's two-sided score is ranked within the series.

    `blame` is the members', each in proportion to its surprise, -log p; so is what they put down to
    covariates, of those that can tell. What was expected of a channel is what the first member in
    `of` says of it, of those that can tell and have a part in the row's score.

    Finds what most members see, and with "min" what one of them sees. Misses what none sees.

    NaN and infinities are handled by the members. A member has a tail after 30 scores; the score is
    NaN while none has.

    Cost a row: the members', and `history` comparisons for each. Memory a key: the members', and
    8 (`history` + 3) bytes for each. Shift and scale matter as they do to the members.

    References: Fisher, Statistical methods for research workers, 1925, as reviewed by Heard and
    Rubin-Delanchy, 2018, doi:10.1093/biomet/asx076; Wilson, The harmonic mean p-value for combining
    dependent tests, 2019, doi:10.1073/pnas.1814092116; Tippett, The methods of statistics, 1931.

    >>> rows = np.random.default_rng(0).normal(size=(600, 1, 2))
    >>> rows[599, 0] = 5.0
    >>> scorer = Ensemble((usual("ewma"), usual("mahalanobis")))
    >>> state = scorer.start(Spec((2,)))
    >>> grow(state, 1)
    >>> batch = Batch(np.zeros(600, dtype=np.int64), np.arange(600), rows)
    >>> int(np.nanargmax(scorer.advance(state, batch).value))
    599
    """

    of: tuple[Scorer[Any], ...] = field(
        default_factory=lambda: (usual("moving_z"), usual("moving_std"), usual("mahalanobis"))
    )
    combine: Rule = "fisher"
    history: int = 1000

    traits: ClassVar[Traits] = inherited()
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.of:
            raise ConfigError("Ensemble needs scorers in `of`; found none")
        for scorer in self.of:
            wrappable(scorer, "Ensemble")
        if self.combine not in RULES:
            raise ConfigError(f"combine must be one of {', '.join(RULES)}; found {self.combine!r}")
        need(self.history >= _LEAST, "history", f"{_LEAST} scores or more", self.history)

    @property
    def frames(self) -> int:
        """Rows of a window: as many as the member with the longest needs."""
        return max(frames_of(scorer) for scorer in self.of)

    @property
    def warmup(self) -> int:
        return min(scorer.warmup for scorer in self.of) + _LEAST

    @property
    def fit(self) -> Callable[[Spec, Iterable[Batch]], EnsembleState]:
        """Trains the members on clean history; there where any can be fitted."""
        if not any(is_trainable(scorer) for scorer in self.of):
            raise AttributeError("none of the members is fitted")
        return self._fit

    def start(self, spec: Spec) -> EnsembleState:
        if spec.window < self.frames:
            raise ConfigError(f"Ensemble needs windows of {self.frames} rows; found {spec}")
        return EnsembleState(
            gathered([scorer.start(spec_for(scorer, spec)) for scorer in self.of]),
            gathered([self._calibrator().start() for _ in self.of]),
            channels(spec),
        )

    def score(self, state: EnsembleState, batch: Batch) -> Scores:
        return self._together(self._judged(state, batch), batch)

    def learn(self, state: EnsembleState, batch: Batch) -> None:
        for scorer, inner, past in self._members(state, batch):
            given = newest(batch, scorer)
            value = scorer.score(inner, given).value
            if is_trainable(scorer):
                value = np.where(past.seen[batch.key] < self.history, value, np.nan)
            self._calibrator().learn(past, batch.key, batch.time, value)
            scorer.learn(inner, given)

    def advance(self, state: EnsembleState, batch: Batch) -> Scores:
        found = []
        for scorer, inner, past in self._members(state, batch):
            scores = advanced(scorer, inner, newest(batch, scorer))
            ends = is_trainable(scorer)
            found.append((self._tails(past, batch, scores.value, ends=ends), scores))
        return self._together(found, batch)

    @property
    def expects(self) -> Callable[[EnsembleState, Batch], Band | None]:
        """What the members expect of the newest rows; there where any can tell."""
        if not any(map(expecting, self.of)):
            raise AttributeError("none of the members says what it expects")
        return self._expects

    def attribute(self, state: EnsembleState, batch: Batch) -> FloatArray | None:
        """What the members put down to covariates, by surprise; None where none can tell."""
        tails = self._tails_heard(self._judged(state, batch))
        return attributed(
            (surprise(tails[:, i]), scorer, inner, batch)
            for i, (scorer, inner, _) in enumerate(self._members(state, batch))
        )

    @property
    def covariates(self) -> tuple[int, ...]:
        """The places of the channels that any member reads as covariates."""
        return covariates_of(self.of)

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        """Scores (N,) of a whole series (N, C) from both sides, after clean history or none."""
        tails, blames = np.full((len(series), len(self.of)), np.nan), []
        for i, scorer in enumerate(self.of):
            scores = both_sides(scorer, spec, history, series)
            tails[:, i] = _ranked(scores.value)
            blames.append(np.zeros(series.shape) if scores.blame is None else scores.blame)
        total = np.zeros(series.shape)
        tails = self._heard(tails)
        for i, blame in enumerate(blames):
            total += standing.shares(blame[:, None], surprise(tails[:, i]))[:, 0]
        return Scores(combined_surprise(tails, self.combine), total)

    def _expects(self, state: EnsembleState, batch: Batch) -> Band:
        told = Band(*(np.full((len(batch), state.width), np.nan) for _ in range(2)))
        tails = self._tails_heard(self._judged(state, batch))
        for i, (scorer, inner, _) in enumerate(self._members(state, batch)):
            band: Band | None = asked(scorer, "expects", inner, batch)
            if band is not None:
                mine = np.isnan(told.expected) & ~np.isnan(tails[:, i])[:, None]
                np.copyto(told.usual, band.usual, where=mine & ~np.isnan(band.expected))
                np.copyto(told.expected, band.expected, where=mine)
        return told

    def _judged(self, state: EnsembleState, batch: Batch) -> list[tuple[FloatArray, Scores]]:
        """Each member's tails (B,) and scores of rows that are not learned."""
        found = []
        for scorer, inner, past in self._members(state, batch):
            scores = scorer.score(inner, newest(batch, scorer))
            tail = self._calibrator().tail(past, batch.key, batch.time, scores.value)
            found.append((tail, scores))
        return found

    def _tails_heard(self, found: list[tuple[FloatArray, Scores]]) -> FloatArray:
        return self._heard(np.stack([tail for tail, _ in found], axis=1))  # (B, members)

    def _heard(self, tails: FloatArray) -> FloatArray:
        """The tails (B, members) that count; NaN those of members that are not asked."""
        if self.combine != "first":
            return tails
        spoken = np.cumsum(~np.isnan(tails), axis=1)
        return np.where(spoken == 1, tails, np.nan)

    def _calibrator(self) -> Conformal:
        return Conformal(self.history, min(_ALONE, self.history), _LEAST, pool=1)

    def _tails(
        self, past: ConformalState, batch: Batch, value: FloatArray, *, ends: bool
    ) -> FloatArray:
        """Tails of scores that are then learned; those of `ends`, up to a full history."""
        key, time = batch.key, batch.time
        if not ends:
            return self._calibrator().advance(past, key, time, value)
        groups = group(key)
        known = ~np.isnan(value[groups.order])
        before = np.cumsum(known) - known
        nth = groups.scatter(before - before[groups.start][groups.place])  # (B,) known before it
        young = nth + past.seen[key] < self.history
        tail = np.empty(len(key))
        tail[young] = self._calibrator().advance(past, key[young], time[young], value[young])
        tail[~young] = self._calibrator().tail(past, key[~young], time[~young], value[~young])
        return tail

    def _members(
        self, state: EnsembleState, batch: Batch
    ) -> Iterable[tuple[Scorer[Any], Any, ConformalState]]:
        if batch.values.ndim != 3 or batch.values.shape[2] != state.width:
            wanted, found = f"(B, T, {state.width})", batch.values.shape
            raise TocsinError(f"values must be {wanted}; found {found}")
        scorers, calibrators = parts_of(state.scorers), parts_of(state.calibrators)
        room = len(calibrators[0].seen)
        if len(batch) and not 0 <= batch.key.min() <= batch.key.max() < room:
            keys = f"{batch.key.min()} to {batch.key.max()}"
            raise TocsinError(f"keys {keys} in a state with room for {room}")
        return zip(self.of, scorers, calibrators, strict=True)

    def _together(self, found: list[tuple[FloatArray, Scores]], batch: Batch) -> Scores:
        """The combined surprise, and each member's blame by its own."""
        tails = self._tails_heard(found)
        blame = np.zeros(batch.values.shape)
        for i, (scorer, (_, scores)) in enumerate(zip(self.of, found, strict=True)):
            parts = blame_of(scores, newest(batch, scorer))
            blame[:, -frames_of(scorer) :] += standing.shares(parts, surprise(tails[:, i]))
        return Scores(combined_surprise(tails, self.combine), blame)

    def _fit(self, spec: Spec, batches: Iterable[Batch]) -> EnsembleState:
        past = stretches(batches, self.frames)
        state = self.start(spec)
        keys = max((part.key for part in past), default=-1) + 1
        grow(state, keys)
        scorers = []
        calibrators = parts_of(state.calibrators)
        for scorer, inner, kept in zip(self.of, parts_of(state.scorers), calibrators, strict=True):
            if is_trainable(scorer):
                scorers.append(self._fit_member(scorer, spec_for(scorer, spec), past, kept))
            else:
                self._play_member(scorer, inner, past, kept)
                scorers.append(inner)
        state.scorers = gathered(scorers)
        grow(state, keys)
        return state

    def _fit_member(
        self, scorer: Scorer[Any], spec: Spec, past: list[Stretch], kept: ConformalState
    ) -> Any:
        train = partial(_fit_one, scorer, spec, len(kept.seen))
        for key, scores in left_out(past, train, partial(_score_one, scorer)).items():
            few = thinned(scores, self.history)
            keys, untimed = np.full(len(few), key, dtype=np.int64), np.zeros(len(few), np.int64)
            self._calibrator().advance(kept, keys, untimed, few)
        return train(past)

    def _play_member(
        self, scorer: Scorer[Any], inner: Any, past: list[Stretch], kept: ConformalState
    ) -> None:
        for part in past:
            for windows in part.windows():
                scores = advanced(scorer, inner, newest(windows, scorer))
                self._calibrator().advance(kept, windows.key, windows.time, scores.value)


def _fit_one(scorer: Scorer[Any], spec: Spec, keys: int, past: list[Stretch]) -> Any:
    given = (newest(windows, scorer) for part in past for windows in part.windows())
    made = cast("Trainable[Any]", scorer).fit(spec, given)
    grow(made, keys)
    return made


def _score_one(scorer: Scorer[Any], made: Any, windows: Batch) -> FloatArray:
    return scorer.score(made, newest(windows, scorer)).value


def _ranked(score: FloatArray) -> FloatArray:
    """The tail (N,) of each score in its series: the share of scores at least as high.

    The highest has 1/n, so a member is never surer than its series is long.
    """
    known = np.sort(score[~np.isnan(score)])
    higher = len(known) - np.searchsorted(known, score, side="left")
    return np.where(np.isnan(score), np.nan, np.maximum(higher, 1) / max(len(known), 1))

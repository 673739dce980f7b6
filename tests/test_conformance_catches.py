"""Scorers broken on purpose, each caught by the check meant for it; the sound one passes all."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from tocsin.evaluation.checks import snapshots
from tocsin.evaluation.checks.verdict import ConformanceError
from tocsin.evaluation.conformance import CHECKS, Subject, cases
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Scores, Spec, Traits

SPEC = Spec((3,))


@dataclass
class Moments:
    count: IntArray = per_key(0)  # (K, *item)
    mean: FloatArray = per_key(0.0)  # (K, *item)
    square: FloatArray = per_key(0.0)  # (K, *item), summed squared deviations


@dataclass(frozen=True)
class Sound:
    """The largest distance from a running mean, in standard deviations."""

    least: int = 6

    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike"}))
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return self.least

    def start(self, spec: Spec) -> Any:
        shape = (0, *spec.item)
        return Moments(np.empty(shape, dtype=np.int64), np.empty(shape), np.empty(shape))

    def score(self, state: Any, batch: Batch) -> Scores:
        frame = self.frames(batch)  # (B, *item)
        count, mean = state.count[batch.key], state.mean[batch.key]
        off = np.abs(frame - mean)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            z = np.where(off == 0, 0.0, off / np.sqrt(state.square[batch.key] / (count - 1)))
        z = np.where(np.isnan(frame) | (count < self.least), -np.inf, z)
        value = z.max(axis=tuple(range(1, z.ndim)), initial=-np.inf)
        blame = np.zeros(batch.values.shape)
        blame[:, -1] = np.maximum(z, 0.0)
        return Scores(np.where(np.isneginf(value), np.nan, value), blame)

    def learn(self, state: Any, batch: Batch) -> None:
        frame = self.frames(batch)
        known = ~np.isnan(frame)
        count, mean = state.count[batch.key] + known, state.mean[batch.key]
        delta = np.where(known, frame - mean, 0.0)
        moved = mean + delta / np.maximum(count, 1)
        state.square[batch.key] += delta * np.where(known, frame - moved, 0.0)
        state.count[batch.key], state.mean[batch.key] = count, moved

    def advance(self, state: Any, batch: Batch) -> Scores:
        scores = [Scores(np.empty(0), np.empty((0, *batch.values.shape[1:])))]
        for tick in batch.ticks():
            scores.append(self.score(state, tick))
            self.learn(state, tick)
        blame = np.concatenate([part.blame for part in scores if part.blame is not None])
        return Scores(np.concatenate([part.value for part in scores]), blame)

    def frames(self, batch: Batch) -> FloatArray:
        """The newest frames (B, *item), infinities missing and sizes that can be squared."""
        frame = np.asarray(batch.values[:, -1], dtype=np.float64)
        return np.clip(np.where(np.isinf(frame), np.nan, frame), -1e150, 1e150)


@dataclass
class Fitted:
    """One model for all keys, so without a row a key."""

    count: IntArray  # (1, *item)
    mean: FloatArray  # (1, *item)
    square: FloatArray  # (1, *item)


@dataclass(frozen=True)
class SoundFitted(Sound):
    """The same, fitted on history and deaf to what comes later."""

    def start(self, spec: Spec) -> Any:
        shape = (1, *spec.item)
        return Fitted(np.zeros(shape, dtype=np.int64), np.zeros(shape), np.zeros(shape))

    def fit(self, spec: Spec, batches: Iterable[Batch]) -> Any:
        state = self.start(spec)
        for batch in batches:
            for row in range(len(batch)):
                super().learn(state, replace(batch.take(np.array([row])), key=np.zeros(1, int)))
        return state

    def score(self, state: Any, batch: Batch) -> Scores:
        return super().score(state, replace(batch, key=np.zeros(len(batch), int)))

    def learn(self, state: Any, batch: Batch) -> None:
        """Nothing is learned after the fit."""


@dataclass(frozen=True)
class RemembersItself(Sound):
    def learn(self, state: Any, batch: Batch) -> None:
        object.__setattr__(self, "rows", getattr(self, "rows", 0) + len(batch))
        super().learn(state, batch)


@dataclass(frozen=True)
class LearnsWhileScoring(Sound):
    def score(self, state: Any, batch: Batch) -> Scores:
        scores = super().score(state, batch)
        state.mean[batch.key] += 0.01
        return scores


@dataclass(frozen=True)
class WritesToItsInput(Sound):
    def learn(self, state: Any, batch: Batch) -> None:
        super().learn(state, batch)
        np.nan_to_num(batch.values, copy=False)
        batch.values[...] -= 1.0


@dataclass
class WithLast(Moments):
    last: FloatArray = field(kw_only=True)


@dataclass(frozen=True)
class KeepsItsInput(Sound):
    def start(self, spec: Spec) -> Any:
        empty = super().start(spec)
        last = np.zeros((1, spec.window, *spec.item))
        return WithLast(empty.count, empty.mean, empty.square, last=last)

    def learn(self, state: Any, batch: Batch) -> None:
        super().learn(state, batch)
        state.last = batch.values[:1]


@dataclass(frozen=True)
class StartsAllAlike(Sound):
    def start(self, spec: Spec) -> Any:
        return _ONE_FOR_ALL.setdefault(spec, super().start(spec))


_ONE_FOR_ALL: dict[Spec, Any] = {}


@dataclass(frozen=True)
class ComparesBatchMates(Sound):
    def score(self, state: Any, batch: Batch) -> Scores:
        scores = super().score(state, batch)
        return Scores(scores.value - np.nanmean(np.append(scores.value, 0.0)), scores.blame)


@dataclass(frozen=True)
class DrawsGlobally(Sound):
    def score(self, state: Any, batch: Batch) -> Scores:
        scores = super().score(state, batch)
        noise = np.random.random(len(batch))  # noqa: NPY002 - the fault under test
        return Scores(scores.value + noise, scores.blame)


@dataclass(frozen=True)
class IgnoresItsSeed(Sound):
    seed: int = 0
    traits: ClassVar[Traits] = Traits(stochastic=True)


@dataclass(frozen=True)
class ZeroInWarmUp(Sound):
    def score(self, state: Any, batch: Batch) -> Scores:
        scores = super().score(state, batch)
        return Scores(np.nan_to_num(scores.value, nan=0.0), scores.blame)


@dataclass(frozen=True)
class SilentAfterWarmUp(Sound):
    def score(self, state: Any, batch: Batch) -> Scores:
        scores = super().score(state, batch)
        return Scores(np.where(scores.value < 0.7, np.nan, scores.value), scores.blame)


@dataclass(frozen=True)
class PoisonedByNaN(Sound):
    def learn(self, state: Any, batch: Batch) -> None:
        super().learn(state, batch)
        state.mean[batch.key] += 0.0 * self.frames(batch)


@dataclass(frozen=True)
class NeedsUnits(Sound):
    def score(self, state: Any, batch: Batch) -> Scores:
        scores = super().score(state, batch)
        off = np.abs(self.frames(batch) - state.mean[batch.key]).reshape(len(batch), -1)
        largest = off.max(axis=1, initial=0.0)
        return Scores(np.where(np.isnan(scores.value), np.nan, largest), scores.blame)


@dataclass(frozen=True)
class LowerIsStranger(Sound):
    def score(self, state: Any, batch: Batch) -> Scores:
        scores = super().score(state, batch)
        return Scores(1.0 / (1.0 + scores.value), scores.blame)


@dataclass(frozen=True)
class GrowsForEver(KeepsItsInput):
    def learn(self, state: Any, batch: Batch) -> None:
        Sound.learn(self, state, batch)
        state.last = np.concatenate([state.last, batch.values])


@dataclass(frozen=True)
class ComparesAllKeys(KeepsItsInput):
    def learn(self, state: Any, batch: Batch) -> None:
        Sound.learn(self, state, batch)
        state.last = np.zeros((len(state.count), len(state.count)))


@dataclass(frozen=True)
class LeaksBetweenKeys(Sound):
    def learn(self, state: Any, batch: Batch) -> None:
        super().learn(state, batch)
        state.mean[(batch.key + 1) % len(state.mean)] *= 1.001


@dataclass(frozen=True)
class RemembersForgottenKeys(KeepsItsInput):
    def start(self, spec: Spec) -> Any:
        state = super().start(spec)
        state.last = np.zeros(64)  # a row a key, but not declared as such
        return state

    def score(self, state: Any, batch: Batch) -> Scores:
        scores = super().score(state, batch)
        return Scores(scores.value + state.last[batch.key], scores.blame)

    def learn(self, state: Any, batch: Batch) -> None:
        Sound.learn(self, state, batch)
        state.last[batch.key] += 1.0


@dataclass(frozen=True)
class LearnsAtBlockEdges(Sound):
    def advance(self, state: Any, batch: Batch) -> Scores:
        scores = self.score(state, batch)
        for tick in batch.ticks():
            self.learn(state, tick)
        return scores


@dataclass(frozen=True)
class LearnsBeforeScoring(Sound):
    def advance(self, state: Any, batch: Batch) -> Scores:
        for tick in batch.ticks():
            self.learn(state, tick)
        return self.score(state, batch)


@dataclass(frozen=True)
class KeepsStateElsewhere(Sound):
    def score(self, state: Any, batch: Batch) -> Scores:
        scores = super().score(state, batch)
        return Scores(scores.value + _ELSEWHERE.get(id(state), 0.0), scores.blame)

    def learn(self, state: Any, batch: Batch) -> None:
        super().learn(state, batch)
        _ELSEWHERE[id(state)] = _ELSEWHERE.get(id(state), 0.0) + 1.0


_ELSEWHERE: dict[int, float] = {}


@dataclass(frozen=True)
class MutableSettings(Sound):
    names: list[str] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class ObjectArrays(KeepsItsInput):
    def start(self, spec: Spec) -> Any:
        state = super().start(spec)
        state.last = np.array([None, {}], dtype=object)
        return state

    learn = Sound.learn


@dataclass(frozen=True)
class BlamesNewestFrameOnly(Sound):
    def score(self, state: Any, batch: Batch) -> Scores:
        scores = super().score(state, batch)
        return Scores(scores.value, None if scores.blame is None else scores.blame[:, -1])


@dataclass(frozen=True)
class RoundsSinglePrecision(Sound):
    def frames(self, batch: Batch) -> FloatArray:
        coarse = np.float16 if batch.values.dtype == np.float32 else np.float64
        return super().frames(replace(batch, values=batch.values.astype(coarse)))


@dataclass(frozen=True)
class OverflowsOnHuge(Sound):
    def frames(self, batch: Batch) -> FloatArray:
        return np.asarray(batch.values[:, -1], dtype=np.float64)


@dataclass(frozen=True)
class ClaimsTooMuch(Sound):
    traits: ClassVar[Traits] = Traits(detects=frozenset({"spike", "stuck"}))


@dataclass(frozen=True)
class FitsElsewhere(SoundFitted):
    def fit(self, spec: Spec, batches: Iterable[Batch]) -> Any:
        object.__setattr__(self, "fitted", 1.0)
        return super().fit(spec, batches)

    def score(self, state: Any, batch: Batch) -> Scores:
        scores = super().score(state, batch)
        return Scores(scores.value + getattr(self, "fitted", 0.0), scores.blame)


BROKEN: list[tuple[Any, str, str]] = [
    (MutableSettings(), "settings", "MutableSettings.names"),
    (ObjectArrays(), "state_is_plain", "last"),
    (BlamesNewestFrameOnly(), "shapes", "blame has the window's shape"),
    (ZeroInWarmUp(), "warm_up", "scores are NaN before any data"),
    (SilentAfterWarmUp(), "warm_up", "after 6 rows"),
    (RemembersItself(), "score_changes_nothing", "remembers nothing itself"),
    (LearnsWhileScoring(), "score_changes_nothing", "state.mean"),
    (WritesToItsInput(), "score_changes_nothing", "learn does not write to its input"),
    (KeepsItsInput(), "no_aliasing", "learn keeps no reference"),
    (StartsAllAlike(), "no_aliasing", "two started states share nothing"),
    (DrawsGlobally(), "deterministic", "any global random state"),
    (IgnoresItsSeed(), "deterministic", "seed moves the scores"),
    (ComparesBatchMates(), "rows_do_not_see_each_other", "alone"),
    (LearnsAtBlockEdges(), "chunks_do_not_matter", "advance in 1 blocks"),
    (LearnsBeforeScoring(), "chunks_do_not_matter", "advance in"),
    (KeepsStateElsewhere(), "saved_and_restored", "as if never stopped"),
    (PoisonedByNaN(), "missing_data", "poison"),
    (GrowsForEver(), "memory_is_bounded", "bounded in rows"),
    (ComparesAllKeys(), "memory_is_bounded", "linear in keys"),
    (RemembersForgottenKeys(), "forgotten_keys_are_new", "as new"),
    (NeedsUnits(), "units", "a factor a channel"),
    (LowerIsStranger(), "stranger_is_higher", "above every normal row"),
    (LeaksBetweenKeys(), "keys_are_separate", "alone as it does among"),
    (FitsElsewhere(), "fit_survives_saving", "scores as fitted"),
    (OverflowsOnHuge(), "hard_input", "no warnings"),
    (RoundsSinglePrecision(), "input_layouts", "float32"),
    (ClaimsTooMuch(), "beats_chance", "stuck"),
]


@pytest.mark.parametrize(
    ("scorer", "check", "words"), BROKEN, ids=[type(scorer).__name__ for scorer, _, _ in BROKEN]
)
def test_a_broken_scorer_is_caught_by_the_check_meant_for_it(
    scorer: Any, check: str, words: str
) -> None:
    run = next(known.run for known in CHECKS if known.name == check)
    with pytest.raises(ConformanceError) as caught:
        run(scorer, SPEC)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "case",
    cases(
        Subject(scorer, spec)
        for scorer in (Sound(), SoundFitted())
        for spec in (SPEC, Spec((1,)), Spec((2,), window=4), Spec((24, 32)))
    ),
)
def test_the_sound_scorer_keeps_every_promise(case: Any) -> None:
    case()


def test_taking_any_state_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "load", lambda _path, _header, state: state)
    with pytest.raises(ConformanceError, match="foreign state is refused: another stage"):
        snapshots.check_foreign_state_is_refused(Sound(), SPEC)


def test_every_check_is_shown_to_catch_something() -> None:
    shown = {check for _, check, _ in BROKEN} | {"foreign_state_is_refused"}
    assert shown == {check.name for check in CHECKS}

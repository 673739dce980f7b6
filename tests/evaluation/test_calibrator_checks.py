"""Calibrators broken on purpose, each caught by the check meant for it; the shipped one passes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tocsin.evaluation.checks.calibrators import CALIBRATOR_CHECKS
from tocsin.evaluation.checks.verdict import ConformanceError
from tocsin.pipeline.calibrate import Conformal, ConformalState
from tocsin.pipeline.types import FloatArray, IntArray

HISTORY = 60


@dataclass(frozen=True)
class Broken(Conformal):
    """The shipped calibrator, to be broken in one place each."""

    history: int = HISTORY
    alone: int = 40
    least: int = 10
    extremes: bool = False

    def loop(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        """`tail` and `learn`, row by row, as the fast path must do."""
        parts = [np.empty(0)]
        for row in range(len(key)):
            one = slice(row, row + 1)
            parts.append(self.tail(state, key[one], time[one], value[one]))
            self.learn(state, key[one], time[one], value[one])
        return np.concatenate(parts)

    advance = loop


class GivesZero(Broken):
    def tail(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        tail = super().tail(state, key, time, value)
        return np.where(tail <= 1 / HISTORY, 0.0, tail)


class OpinionOnNaN(Broken):
    def tail(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return np.where(np.isnan(value), 1.0, super().tail(state, key, time, value))


class UpsideDown(Broken):
    def tail(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return 1.0 + 1.0 / (HISTORY + 1) - super().tail(state, key, time, value)


class TooSmall(Broken):
    def tail(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return super().tail(state, key, time, value) ** 2


class TooLarge(Broken):
    def tail(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return np.maximum(super().tail(state, key, time, value), 0.05)


class LearnsWhileAsked(Broken):
    def tail(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        tail = super().tail(state, key, time, value)
        state.seen[key] += 1
        return tail


class LearnsFirst(Broken):
    def advance(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        self.learn(state, key[:1], time[:1], value[:1])
        return self.loop(state, key, time, value)


class OneHistoryForAll(Broken):
    def tail(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return super().tail(state, np.zeros_like(key), time, value)


class NeverForgets(Broken):
    def learn(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> None:
        super().learn(state, key, time, value)
        state.pool = np.append(state.pool, np.nan)


class ForgetsOnRestart(Broken):
    def tail(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        tail = super().tail(state, key, time, value)
        return tail / 2 if id(state) in _KNOWN else tail

    def learn(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> None:
        super().learn(state, key, time, value)
        if state.seen.max() == HISTORY // 2:
            _KNOWN.add(id(state))


class ClaimsBlocks(Conformal):
    """Plain tails, which keep no level of blocks on autocorrelated scores."""

    block = 20


class NeverForgetsAShift(Broken):
    def learn(
        self, state: ConformalState, key: IntArray, time: IntArray, value: FloatArray
    ) -> None:
        early = state.seen[key] < self.history
        super().learn(state, key[early], time[early], value[early])


_KNOWN: set[int] = set()

BROKEN: list[tuple[Conformal, str, str]] = [
    (GivesZero(), "tail_is_a_probability", r"tails are in \(0, 1\]"),
    (OpinionOnNaN(), "tail_is_a_probability", "NaN in gives NaN out"),
    (UpsideDown(), "tail_falls_as_scores_rise", "never rises"),
    (TooSmall(), "tail_is_uniform", "Kolmogorov-Smirnov"),
    (TooLarge(), "outlier_has_a_small_tail", "a tail of at most"),
    (TooSmall(), "tail_has_a_floor", "no tail is below"),
    (LearnsWhileAsked(), "tail_changes_nothing", r"state\.seen"),
    (LearnsFirst(), "advance_is_the_loop", "tail/learn loop"),
    (OneHistoryForAll(), "keys_have_their_own_history", "other keys|as new"),
    (NeverForgets(), "memory", "bounded in scores"),
    (ForgetsOnRestart(), "restored", "as if never stopped"),
    (ClaimsBlocks(history=1200), "level_of_blocks", "share of alarmed blocks"),
    (NeverForgetsAShift(), "back_after_a_shift", "the level is kept again"),
]


@pytest.mark.parametrize(
    ("calibrator", "check", "words"), BROKEN, ids=[f"{type(c).__name__}-{n}" for c, n, _ in BROKEN]
)
def test_a_broken_calibrator_is_caught_by_the_check_meant_for_it(
    calibrator: Any, check: str, words: str
) -> None:
    with pytest.raises(ConformanceError, match=words):
        CALIBRATOR_CHECKS[check](calibrator, calibrator.history)


def test_every_calibrator_check_is_shown_to_catch_something() -> None:
    assert {check for _, check, _ in BROKEN} == set(CALIBRATOR_CHECKS)


@pytest.mark.parametrize("check", CALIBRATOR_CHECKS)
@pytest.mark.parametrize("history", [60, 300])
def test_the_conformal_calibrator_keeps_every_promise(check: str, history: int) -> None:
    calibrator = Conformal(history=history, alone=min(history, 200), extremes=False)
    CALIBRATOR_CHECKS[check](calibrator, history)


@pytest.mark.parametrize(
    "check", [name for name in CALIBRATOR_CHECKS if name != "tail_has_a_floor"]
)
def test_with_extremes_it_keeps_every_promise_but_the_floor(check: str) -> None:
    CALIBRATOR_CHECKS[check](Conformal(history=300, alone=200), 300)

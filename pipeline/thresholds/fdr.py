"""Online control of the false discovery rate: a level for each test from the tests before it.

Tests of a key come one after another for ever; of the alarms so far at most a share `target` is
false in expectation. The levels are what the procedures' authors give, with their usual weights
gamma_j of the j-th test, which fall so slowly that their sum is 1.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow, per_key
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

_LORD_SCALE = 0.07720838  # these two make their weights sum to 1
_SAFFRON_SCALE, _SAFFRON_POWER = 0.4374901658, 1.6
_NONE = -1


@dataclass(slots=True)
class Accounts:
    """Each key's account of tests; `place` is a ring of the newest alarms' numbers."""

    tests: IntArray = per_key(0)  # (K,) done so far
    candidates: IntArray = per_key(0)  # (K,) of them under the candidate level
    alarms: IntArray = per_key(0)  # (K,)
    wealth: FloatArray = per_key(np.nan)  # (K,) NaN before the first test
    place: IntArray = per_key(_NONE)  # (K, memory) number of the test that alarmed
    before: IntArray = per_key(0)  # (K, memory) candidates up to that test, itself included


class Procedure(Protocol):
    """A rule for the level of a key's next test. Keys (B,) stand once in a call."""

    version: ClassVar[int]

    def start(self) -> Accounts:
        """The account before any test, with room for no key."""
        ...

    def level(self, state: Accounts, key: IntArray) -> FloatArray:
        """The level (B,) of each key's next test; changes nothing."""
        ...

    def tested(self, state: Accounts, key: IntArray, p: FloatArray) -> BoolArray:
        """Take the p-values (B,) of the keys' next tests; gives which alarm, `p <= level`."""
        ...


@dataclass(frozen=True, slots=True)
class LordPlusPlus:
    """LORD++: each alarm earns `target`, which later tests spend.

    Ramdas, Yang, Wainwright and Jordan 2017, arXiv 1710.00499; Javanmard and Montanari 2018,
    doi:10.1214/17-AOS1559. Needs p-values that are valid given the tests before. Alarms further
    back than `memory` of them add nothing any more, which makes the level lower and is safe. State:
    16 bytes x `memory` a key.

    >>> levels, alarms = in_turn(LordPlusPlus(0.1), np.array([1e-6, 0.5, 1e-6]))
    >>> levels.round(5).tolist(), alarms.tolist()
    ([0.00268, 0.00326, 0.00108], [True, False, True])
    """

    target: float = 0.05
    memory: int = 100

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check(self.target, self.memory)

    def start(self) -> Accounts:
        return _started(self.memory)

    def level(self, state: Accounts, key: IntArray) -> FloatArray:
        number = state.tests[key] + 1
        first, place = self.target / 2, state.place[key]  # (B, memory)
        lag = number[:, None] - place
        earned = np.where(place == _NONE, 0.0, _lord(np.maximum(lag, 1)))
        level = first * _lord(number) + (earned * _weights(state, key, self.target)).sum(axis=1)
        wealth = np.where(np.isnan(state.wealth[key]), first, state.wealth[key])
        affordable: FloatArray = np.maximum(np.minimum(level, wealth), 0.0)
        return affordable

    def tested(self, state: Accounts, key: IntArray, p: FloatArray) -> BoolArray:
        level = self.level(state, key)
        alarm = p <= level
        wealth = np.where(np.isnan(state.wealth[key]), self.target / 2, state.wealth[key])
        state.wealth[key] = wealth - level + self.target * alarm
        _note(state, key, alarm)
        return alarm


@dataclass(frozen=True, slots=True)
class Saffron:
    """SAFFRON: LORD that spends nothing on tests with p above `candidate`.

    Ramdas, Zrnic, Wainwright and Jordan 2018, arXiv 1802.09098. Needs independent
    p-values under the null. More power than LORD++ where much is anomalous. State: 16 bytes x
    `memory` a key.

    >>> levels, alarms = in_turn(Saffron(0.1), np.array([1e-6, 0.7, 1e-6]))
    >>> levels.round(5).tolist(), alarms.tolist()
    ([0.01094, 0.02187, 0.00722], [True, False, True])
    """

    target: float = 0.05
    candidate: float = 0.5
    memory: int = 100

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check(self.target, self.memory)
        if not 0 < self.candidate < 1:
            raise ConfigError(f"a candidate level lies between 0 and 1; found {self.candidate}")

    def start(self) -> Accounts:
        return _started(self.memory)

    def level(self, state: Accounts, key: IntArray) -> FloatArray:
        number, seen, place = state.tests[key] + 1, state.candidates[key], state.place[key]
        lag = number[:, None] - place - (seen[:, None] - state.before[key])
        earned = np.where(place == _NONE, 0.0, _saffron(np.maximum(lag, 1)))
        level = self.target / 2 * _saffron(number - seen)
        level = level + (earned * _weights(state, key, self.target)).sum(axis=1)
        capped: FloatArray = np.minimum(level * (1 - self.candidate), self.candidate)
        return capped

    def tested(self, state: Accounts, key: IntArray, p: FloatArray) -> BoolArray:
        alarm = p <= self.level(state, key)
        state.candidates[key] += p <= self.candidate
        _note(state, key, alarm)
        return alarm


@dataclass(frozen=True, slots=True)
class ELond:
    """e-LOND: valid under any dependence between tests (Xu and Ramdas 2024, arXiv 2311.06412).

    A p-value becomes the e-value 1 / (2 sqrt(p)), so that levels fall with the square and few but
    extreme tests alarm. State: 40 bytes a key.

    >>> rule = ELond(0.1)
    >>> levels, alarms = in_turn(rule, np.array([1e-9, 0.5]))
    >>> alarms.tolist(), (1 / (2 * np.sqrt(levels))).round(1).tolist()
    ([True, False], [186.9, 429.6])
    """

    target: float = 0.05

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check(self.target, 1)

    def start(self) -> Accounts:
        return _started(1)

    def level(self, state: Accounts, key: IntArray) -> FloatArray:
        return np.square(self.e_level(state, key) / 2)

    def e_level(self, state: Accounts, key: IntArray) -> FloatArray:
        """The level of each key's next e-value: it alarms at 1 / level or more."""
        return self.target * _lord(state.tests[key] + 1) * (state.alarms[key] + 1)

    def tested(self, state: Accounts, key: IntArray, p: FloatArray) -> BoolArray:
        alarm = p <= self.level(state, key)
        _note(state, key, alarm)
        return alarm


def in_turn(procedure: Procedure, p: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The level and the decision of each of one key's tests (N,), one after another."""
    state = procedure.start()
    grow(state, 1)
    key = np.zeros(1, dtype=np.int64)
    levels, alarms = np.empty(len(p)), np.zeros(len(p), dtype=bool)
    for test in range(len(p)):
        levels[test] = procedure.level(state, key)[0]
        alarms[test] = procedure.tested(state, key, p[test : test + 1])[0]
    return levels, alarms


def begin_anew(state: Accounts, key: IntArray) -> None:
    """Let the keys' (B,) accounts begin again, as before their first test."""
    for part in (state.tests, state.candidates, state.alarms, state.before):
        part[key] = 0
    state.wealth[key], state.place[key] = np.nan, _NONE


def copied(state: Accounts, key: IntArray) -> Accounts:
    """The accounts of some keys (B,) alone, as keys 0, 1, …; what is done to it stays with it."""
    return replace(
        state,
        tests=state.tests[key],
        candidates=state.candidates[key],
        alarms=state.alarms[key],
        wealth=state.wealth[key],
        place=state.place[key],
        before=state.before[key],
    )


def _check(target: float, memory: int) -> None:
    if not 0 < target < 1 or memory < 1:
        raise ConfigError(
            f"a false-discovery rate lies between 0 and 1 and memory is 1 or more; "
            f"found {target} and {memory}"
        )


def _started(memory: int) -> Accounts:
    none = np.empty(0, dtype=np.int64)
    ring = np.empty((0, memory), dtype=np.int64)
    return Accounts(none, none, none, np.empty(0), ring, ring)


def _note(state: Accounts, key: IntArray, alarm: BoolArray) -> None:
    """One more test of each key has been done."""
    state.tests[key] += 1
    who = key[alarm]
    slot = state.alarms[who] % state.place.shape[1]
    state.place[who, slot] = state.tests[who]
    state.before[who, slot] = state.candidates[who]
    state.alarms[who] += 1


def _weights(state: Accounts, key: IntArray, target: float) -> FloatArray:
    """What each alarm in the ring earns: the first pays back what the key began with."""
    weights = np.full((len(key), state.place.shape[1]), target)
    weights[state.alarms[key] <= weights.shape[1], 0] = target / 2
    return weights


def _lord(number: IntArray) -> FloatArray:
    log = np.log(np.maximum(number, 1))
    top = np.maximum(log, math.log(2))
    weight: FloatArray = _LORD_SCALE * top / (np.maximum(number, 1) * np.exp(np.sqrt(log)))
    return weight


def _saffron(number: IntArray) -> FloatArray:
    weight: FloatArray = _SAFFRON_SCALE / np.maximum(number, 1) ** _SAFFRON_POWER
    return weight

"""Conformal tails steered so that a chosen share of rows stays below a chosen level."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tocsin.pipeline.calibrate import Conformal, ConformalState
from tocsin.pipeline.calibration.rounds import in_rounds
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.types import FloatArray, IntArray


@dataclass(slots=True)
class LevelState:
    """The plain calibrator's state, and how far each key's level has moved."""

    plain: ConformalState
    moved: FloatArray = per_key(0.0)  # (K,)


@dataclass(frozen=True, slots=True)
class AdaptiveLevel:
    """Conformal tail under adaptive level control, whatever the scores do.

    Each key has a level a of its own, at first `level`. After each learned score it moves by
    a += `step` x (`level` - err), err being 1 if the score's plain tail was at most a (adaptive
    conformal inference; Gibbs and Candes 2021, arXiv:2106.00170). The tail given is the plain one,
    stretched so that a becomes `level`: p `level` / a up to a, and a straight line to 1 beyond.
    Over any T learned scores, the share of them at most a is `level` within (1 + `step`) /
    (`step` T), with no assumption on the scores at all.

    **The muting trap.** That promise holds during a fault too: if all of a fault is learned, a
    falls until the fault's own scores are below it no more often than `level`, and the fault is
    silent. Use it with the gate "freeze_while_firing": rows that alarm, or whose series is firing,
    never come to `learn`, so a stands still while an incident is open; nothing is muted, and the
    promise is then only for rows that do not alarm. Since these never have err = 1 at the alarm's
    own level, `level` is to be well above the alarm levels: it steers the body of the tails, and
    alarm levels follow by the same stretch.

    `recovery`: after a rise of the scores that stays below the alarm level, the share of rows at
    `level` is right again after 1 / (`step` x `level`) scores, after a fall likewise, at a history
    of any length. History, pool and memory a key are those of `Conformal`, and 8 bytes.

    >>> AdaptiveLevel(level=0.1, step=0.01).recovery
    1000
    """

    level: float = 0.1
    step: float = 0.01
    history: int = 1000
    alone: int = 200
    least: int = 30
    pool: int = 1000

    version: ClassVar[int] = 1
    steered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._plain()
        if not 0 < self.level < 1 or not 0 < self.step < 1:
            raise ConfigError(f"need a level and a step between 0 and 1; found {self}")

    @property
    def recovery(self) -> int:
        """Scores after which the level is kept again when the scores have shifted."""
        return int(np.ceil(1 / (self.step * self.level)))

    def start(self) -> LevelState:
        return LevelState(self._plain().start(), np.empty(0))

    def tail(
        self, state: LevelState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        plain = self._plain().tail(state.plain, key, time, value)
        # Half of the smallest plain tail, so that a level below all tails lifts them above `level`.
        least = 0.5 / (1 + self.size(state, key))
        at = np.clip(self.level + state.moved[key], least, 1 - least)
        beyond = self.level + (1 - self.level) * (plain - at) / (1 - at)
        return np.clip(np.where(plain <= at, plain * (self.level / at), beyond), least**2, 1.0)

    def learn(self, state: LevelState, key: IntArray, time: IntArray, value: FloatArray) -> None:
        plain = self._plain().tail(state.plain, key, time, value)
        error = plain <= self.level + state.moved[key]
        moved = state.moved[key] + self.step * (self.level - error)
        # While a key borrows from others, what its level would follow is theirs.
        alone = ~np.isnan(plain) & (state.plain.seen[key] >= min(self.alone, self.history))
        state.moved[key] = np.where(alone, moved, state.moved[key])
        self._plain().learn(state.plain, key, time, value)

    def advance(
        self, state: LevelState, key: IntArray, time: IntArray, value: FloatArray
    ) -> FloatArray:
        return in_rounds(self, state, key, time, value)

    def renew(self, state: LevelState) -> None:
        self._plain().renew(state.plain)

    def size(self, state: LevelState, key: IntArray) -> IntArray:
        """How many scores (B,) each row's tail rests on, its own and borrowed."""
        return self._plain().size(state.plain, key)

    def _plain(self) -> Conformal:
        return Conformal(self.history, self.alone, self.least, self.pool, extremes=False)

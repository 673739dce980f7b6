"""For how long a series that has gone silent is remembered."""

from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.durations import describe_duration
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.types import IntArray

_LOOKS = 8  # in the time that a series is remembered


@dataclass(slots=True)
class RetentionState:
    """When silent series were last looked for, how often so far, and who was heard when."""

    span: int  # of event time, counted through; NEVER before any row
    looks: int
    heard: IntArray = per_key(0)  # (K,) looks before the newest row


@dataclass(frozen=True, slots=True)
class Retention:
    """A series of which nothing has come for `after_ns` is forgotten, and its memory used again.

    Silent series are looked for when the partition's clock enters a new eighth of `after_ns`: at
    the next row, never by the wall clock, so that a replay forgets what the live run forgot. A
    series is forgotten at the ninth look after its newest row, `after_ns` to nine eighths of it
    later. A gap in the whole partition, however long, is one look: who speaks after it is known.
    A clock that has run ahead, and stands still until the times catch up, forgets nobody.
    """

    after_ns: int

    def __post_init__(self) -> None:
        if self.after_ns < _LOOKS:
            raise ConfigError(
                f"series are remembered for {_LOOKS} ns at least; found {self.after_ns} ns"
            )

    def refuse_lateness(self, lateness_ns: int) -> None:
        """A ConfigError where rows may wait for others for as long as a series is remembered."""
        if self.after_ns <= lateness_ns:
            raise ConfigError(
                "series must be remembered for longer than their rows may wait for others; found "
                f"{describe_duration(self.after_ns)}, and an allowed lateness of "
                f"{describe_duration(lateness_ns)}"
            )

    def start(self) -> RetentionState:
        """The state before any row, with room for no key."""
        return RetentionState(NEVER, 0, np.empty(0, dtype=np.int64))

    def is_due(self, state: RetentionState, clock: int) -> bool:
        """Whether to look for silent series before the next row is taken.

        `clock` is the partition's; the first that is not NEVER only begins the count.
        """
        if state.span == NEVER and clock != NEVER:
            state.span = self._span(clock)
        return state.span != NEVER and state.span != self._span(clock)

    def until_due(self, clock: int, time: IntArray) -> int:
        """How many of the rows to come (N,) may be taken before it may be time to look again.

        `clock` is the partition's, NEVER before any row.
        """
        if clock == NEVER:
            return min(len(time), 1)
        enters = np.maximum.accumulate(time) // self._width() > self._span(clock)
        return int(enters.argmax()) + 1 if enters.any() else len(time)

    def look(self, state: RetentionState, clock: int, keys: IntArray) -> IntArray:
        """Look once more; gives those of the keys that have been silent for too long."""
        state.span = self._span(clock)
        state.looks += 1
        return keys[state.looks - state.heard[keys] > _LOOKS]

    def hear(self, state: RetentionState, keys: IntArray) -> None:
        """Rows of these keys have come."""
        state.heard[keys] = state.looks

    def _span(self, clock: int) -> int:
        return clock // self._width()

    def _width(self) -> int:
        return self.after_ns // _LOOKS

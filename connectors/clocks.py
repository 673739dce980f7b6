"""The clock of sources that wait: real in use, set by hand in tests."""

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """What a source that waits needs to know of time, and how it waits."""

    def now(self) -> int:
        """Nanoseconds since 1970 in UTC, by the wall clock."""
        ...

    def elapsed(self) -> float:
        """Seconds since some fixed moment; never runs back."""
        ...

    def wait(self, seconds: float) -> None:
        """Come back after this long; callers ask for less than a second."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns()

    def elapsed(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        time.sleep(max(seconds, 0.0))

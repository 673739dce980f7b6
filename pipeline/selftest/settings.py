"""When a detector tests itself and how hard, and what it remembers of that."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import per_key
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.selftest.faults import KINDS, LONGEST, Dose
from tocsin.pipeline.types import FloatArray, IntArray

_FEWEST_ROWS = 2 * LONGEST


@dataclass(slots=True)
class SelfTestState:
    """The clock of the rounds, the series under watch, and what has been found so far.

    A watched series' rows wait here until there are enough of them; `saved` holds, as bytes, what
    the stages knew of the watched series before the first of these rows.
    """

    clock: int  # newest time judged
    due: int  # when the next round may begin
    since: int  # rows judged since the last boundary
    waited: int  # boundaries that the series under watch have had
    round: int  # rounds begun
    cursor: int  # the key after the last that was watched
    watch: IntArray  # (W,) keys under watch
    saved: NDArray[np.uint8]  # (bytes,)
    row_key: IntArray  # (N,)
    row_time: IntArray  # (N,)
    row_values: FloatArray  # (N, *item)
    blind: IntArray  # (N,) keys to which the detector was blind when last tested
    tested: IntArray  # (kinds,) faults put in so far, in the order of `faults.KINDS`
    seen: IntArray  # (kinds,) whose scores stood out
    found: IntArray  # (kinds,) that raised an alarm
    examined: int  # examinations that came to a verdict
    expected: float  # alarms that the alarm levels promise on the watched rows
    alarms: int  # alarms that those rows raised, untouched
    low: FloatArray = per_key(np.nan)  # (K, *item) smallest value so far
    high: FloatArray = per_key(np.nan)  # (K, *item) largest


@dataclass(frozen=True, slots=True)
class SelfTest:
    """How often a detector is tested in a running pipeline, and what counts as blind.

    A round begins at the first row that is both `every_ns` of event time and `every_rows` judged
    rows past the last one. It copies what the stages know of `series` series, waits for `rows` rows
    of each, and replays them: once untouched, once a little shaken, and once with each fault.
    `trials` faults are gross, of `gross` spreads of the rows in a channel, and three times the
    range of the series so far at least; on them the verdict rests. `known` of each kind, of `size`
    spreads, only tell what would be found. So a round costs at most `series` x `rows` x
    (`trials` + 7 `known` + 2) row-scores, and as many bytes as the stages keep of `series` series
    and share between all. A series costs 16 bytes a channel besides.

    A healthy detector sees each gross fault with a chance of at least `healthy`. It is called blind
    where so few were seen that a healthy one would show that with a chance of at most `rate`.
    """

    every_ns: int = 3_600_000_000_000
    every_rows: int = 2000
    series: int = 1
    rows: int = 64
    trials: int = 40
    gross: float = 100.0
    known: int = 2
    size: float = 8.0
    healthy: float = 0.5
    rate: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        if (
            self.every_ns < 0
            or self.known < 0
            or min(self.every_rows, self.series, self.trials) < 1
        ):
            raise ConfigError(
                "a self-test needs every and known of 0 or more, and every_rows, series and trials "
                f"of 1 or more; found {self}"
            )
        if self.rows < _FEWEST_ROWS:
            raise ConfigError(f"a self-test needs {_FEWEST_ROWS} rows or more; found {self.rows}")
        if not (0 < self.healthy < 1 and 0 < self.rate < 1 and 0 < self.size <= self.gross):
            raise ConfigError(
                "a self-test needs healthy and rate between 0 and 1, and 0 < size <= gross; "
                f"found {self}"
            )
        if self.seed < 0:
            raise ConfigError(f"a self-test needs a seed of 0 or more; found {self.seed}")

    def dose(self) -> Dose:
        """How many faults an examination puts in, and of what size."""
        return Dose(self.trials, self.gross, self.known, self.size)

    def start(self, item: tuple[int, ...]) -> SelfTestState:
        """The state before any row."""
        none = np.empty(0, dtype=np.int64)
        kinds = np.zeros(len(KINDS), dtype=np.int64)
        return SelfTestState(
            clock=NEVER,
            due=NEVER,
            since=0,
            waited=0,
            round=0,
            cursor=0,
            watch=none,
            saved=np.empty(0, dtype=np.uint8),
            row_key=none,
            row_time=none,
            row_values=np.empty((0, *item)),
            blind=none,
            tested=kinds,
            seen=kinds.copy(),
            found=kinds.copy(),
            examined=0,
            expected=0.0,
            alarms=0,
            low=np.empty((0, *item)),
            high=np.empty((0, *item)),
        )

"""The columns that flow, and the contract of a scorer.

Letters used for shapes throughout: B rows, T frames of a window, C channels, H W pixels, K keys.
Time comes first and channels last; times are int64 nanoseconds since 1970 in UTC.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.errors import TocsinError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.int8]

NO_KEYS: IntArray = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows of many series, one a row. There is no label column: nothing is graded on itself.

    `key` (B,) int64 is a dense series id, `time` (B,) int64 the nanosecond of the window's last
    frame, `values` (B, T, *item) float64 the frames, oldest first; NaN is missing. `item` is (C,)
    for channels, (H, W) or (H, W, C) for images.

    >>> batch = Batch(np.array([0, 1]), np.array([5, 5]), np.zeros((2, 1, 3)))
    >>> len(batch), batch.take(np.array([1])).key
    (2, array([1]))
    """

    key: IntArray
    time: IntArray
    values: FloatArray

    def __post_init__(self) -> None:
        rows = len(self.key)
        if self.key.ndim != 1 or self.time.shape != (rows,) or self.values.shape[:1] != (rows,):
            raise TocsinError(
                f"a batch needs key (B,), time (B,) and values (B, T, *item); found "
                f"{self.key.shape}, {self.time.shape} and {self.values.shape}"
            )

    def __len__(self) -> int:
        return len(self.key)

    def take(self, rows: IntArray | BoolArray) -> "Batch":
        """The chosen rows, copied."""
        return Batch(self.key[rows], self.time[rows], self.values[rows])

    def ticks(self) -> Iterator["Batch"]:
        """The rows of each time stamp in turn; rows must stand in time order."""
        edges = np.flatnonzero(np.diff(self.time)) + 1
        for first, last in pairwise([0, *edges.tolist(), len(self)]):
            if last > first:
                part = slice(first, last)
                yield Batch(self.key[part], self.time[part], self.values[part])


@dataclass(frozen=True, slots=True)
class Scores:
    """Raw scores of a batch: `value` (B,), higher is stranger, NaN is "no opinion".

    `blame` (B, T, *item), or None, says which frames, channels or pixels made the score: not
    negative, finite where the score is, in the scorer's own unit.
    """

    value: FloatArray
    blame: FloatArray | None = None


class Band(NamedTuple):
    """What newest rows were expected to be: value and usual miss (B, C), in input units.

    NaN is "cannot tell".
    """

    expected: FloatArray
    usual: FloatArray


@dataclass(frozen=True, slots=True)
class Spec:
    """What a scorer will be given: the shape of one frame, the window's length, channel names."""

    item: tuple[int, ...]
    window: int = 1
    channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.item or min(self.item) < 1 or self.window < 1:
            raise TocsinError(f"a spec needs a positive item shape and window; found {self}")
        if self.channels and len(self.item) == 1 and len(self.channels) != self.item[0]:
            raise TocsinError(
                f"{len(self.channels)} channel names {self.channels} for {self.item[0]} channels"
            )

    def channel_names(self) -> tuple[str, ...]:
        """The channels' names, or `c0`, `c1`, … where none were given; images have none."""
        if self.channels or len(self.item) != 1:
            return self.channels
        return tuple(f"c{i}" for i in range(self.item[0]))


@dataclass(frozen=True, slots=True)
class Traits:
    """What a scorer declares of itself; the conformance suite holds it to every word.

    `item`: what one frame must be. `shared`: one model over all keys, so ticks are closed one by
    one. `stochastic`: `seed` changes the scores. `shift_free`, `scale_free`: adding a constant to,
    or multiplying, the input leaves the ranking of scores alone. `detects`: the planted faults it
    must tell from normal rows with an AUC of 0.8. `research`: not advised for production.
    """

    item: Literal["channels", "frame"] = "channels"
    shared: bool = False
    stochastic: bool = False
    shift_free: bool = True
    scale_free: bool = True
    detects: frozenset[str] = field(default_factory=frozenset)
    research: bool = False


S = TypeVar("S")


class Scorer(Protocol[S]):
    """The whole contract of a detector: frozen settings here, everything learned in `S`.

    `S` is a plain dataclass of arrays and numbers (`tocsin.pipeline.keyed` marks those with a row
    a key). The caller makes room for keys before it calls, so `batch.key` is always in range.
    `docs/spec/scorer.md` has the promises, each with the check that holds it.
    """

    traits: ClassVar[Traits]
    version: ClassVar[int]  # of the state's layout; bumped when its fields change

    @property
    def warmup(self) -> int:
        """Rows a key needs before its score may be other than NaN."""
        ...

    def start(self, spec: Spec) -> S:
        """The state before any data, with room for no key."""
        ...

    def score(self, state: S, batch: Batch) -> Scores:
        """Score each row on its own; changes nothing."""
        ...

    def learn(self, state: S, batch: Batch) -> None:
        """Learn the rows, in place; no key stands twice in one call."""
        ...


class Streaming(Scorer[S], Protocol[S]):
    """A scorer with a fast path for blocks of many ticks."""

    def advance(self, state: S, batch: Batch) -> Scores:
        """Score, then learn, tick by tick; rows stand in (time, key) order.

        Bit for bit what `score` and `learn` give when called for each tick in turn.
        """
        ...


class Expecting(Scorer[S], Protocol[S]):
    """A scorer that can say what it expected of channels; incidents then tell it."""

    def expects(self, state: S, batch: Batch) -> Band | None:
        """What the state expects of the batch's newest rows, before they are learned.

        Each row as if it were alone; changes nothing. None where this scorer never can.
        """
        ...


class Attributing(Scorer[S], Protocol[S]):
    """A scorer that can say which channels, as covariates, raised a score; incidents then tell."""

    def attribute(self, state: S, batch: Batch) -> FloatArray | None:
        """Each channel's share (B, C), as a covariate, in what raised the rows' scores.

        Not negative, and of sum 1 a row; all 0 where nothing can be said. Asked before the rows
        are learned, each row as if it were alone; changes nothing. None where this scorer never
        can.
        """
        ...


class Trainable(Scorer[S], Protocol[S]):
    """A scorer that is fitted on clean history in one go."""

    def fit(self, spec: Spec, batches: Iterable[Batch]) -> S:
        """The state learned from clean history; `score` then uses it, `learn` may do nothing."""
        ...


class Windowed(Scorer[S], Protocol[S]):
    """A scorer that looks at more than the newest row: it is given windows of `frames` rows."""

    @property
    def frames(self) -> int:
        """Rows of a window that it needs; a shorter window in the spec is refused by `start`."""
        ...


class TwoSided(Scorer[S], Protocol[S]):
    """A scorer with a second form that looks at both sides of a row; for history, never live."""

    def offline(self, spec: Spec, history: FloatArray, series: FloatArray) -> Scores:
        """One score a row of a whole series, from windows that reach both before and after it.

        `history` (M, C) is clean and stands before `series` (N, C), or has no rows: the series is
        then held to be mostly clean itself. `spec` is of one row. Gives `value` (N,), NaN where
        there is no opinion, and `blame` (N, C) or None.
        """
        ...


def frames_of(scorer: Scorer[Any]) -> int:
    """Rows of a window that the scorer needs: its `frames`, or 1."""
    return int(getattr(scorer, "frames", 1))

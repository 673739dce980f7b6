"""One labelled series: the stream a detector may see, and the truth kept apart from it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Stream:
    """What a detector may see: `series` is a name such as `realKnownCause/nyc_taxi`.

    `time` (N,) is strictly increasing, `values` (N, C) has NaN where a value is missing and never
    an infinity. `clocked` is False where the data has no times: the reader then made up a regular
    clock, whose step its docstring states.

    >>> Stream("pump", ("flow",), np.array([0, 1]), np.array([[2.0], [3.0]])).channels
    ('flow',)
    """

    series: str
    channels: tuple[str, ...]
    time: IntArray
    values: FloatArray
    clocked: bool = True

    def __post_init__(self) -> None:
        rows, names = len(self.time), len(self.channels)
        _require_array(self.series, "time", self.time, (rows,), np.int64)
        _require_array(self.series, "values", self.values, (rows, names), np.float64)
        if not self.series or not rows or not names:
            raise TocsinError(
                f"a stream needs a name, a row and a channel; found {self.series!r} with {rows} "
                f"rows and {names} channels"
            )
        if len(set(self.channels)) != names:
            raise TocsinError(f"{self.series}: channel names repeat in {self.channels}")
        back = np.flatnonzero(np.diff(self.time) <= 0)
        if back.size:
            raise TocsinError(f"{self.series}: row {back[0] + 1} is not later than the row before")
        if np.isinf(self.values).any():
            row = int(np.flatnonzero(np.isinf(self.values).any(axis=1))[0])
            raise TocsinError(f"{self.series}: row {row} holds an infinity; missing is NaN")

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class Event:
    """One labelled stretch: the rows `first` to `last`, both inside.

    `kind` and `channels` (names of those at fault) are empty where the source does not say.
    """

    first: int
    last: int
    kind: str = ""
    channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last:
            raise TocsinError(f"an event needs 0 <= first <= last; found {self.first}, {self.last}")


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known to be wrong with a stream, and never shown to a detector.

    `label` (N,) is True on anomalous rows. `by_channel` (N, C) says which channel is at fault,
    where the source does. `events` stand in order of their first row and together cover exactly
    the labelled rows; they are the runs of `label` unless the source cuts them otherwise. `normal`
    (N,) is the source's own record of ordinary operation, where it has one, and `window` the first
    and last row of the stretch it asks about, labelled or not; both are for the CARE score.
    """

    label: BoolArray
    by_channel: BoolArray | None = None
    events: tuple[Event, ...] = ()
    normal: BoolArray | None = None
    window: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        rows = len(self.label)
        _require_array("truth", "label", self.label, (rows,), np.bool_)
        if self.normal is not None:
            _require_array("truth", "normal", self.normal, (rows,), np.bool_)
        if self.by_channel is not None:
            channels = self.by_channel.shape[-1]
            _require_array("truth", "by_channel", self.by_channel, (rows, channels), np.bool_)
            odd = np.flatnonzero(self.by_channel.any(axis=1) & ~self.label)
            if odd.size:
                raise TocsinError(f"by_channel blames a channel on row {odd[0]}, not labelled")
        if self.window is not None and not 0 <= self.window[0] <= self.window[1] < rows:
            raise TocsinError(f"window {self.window} in a series of {rows} rows")
        firsts = [event.first for event in self.events]
        if firsts != sorted(firsts):
            raise TocsinError(f"events must stand in order of their first row; found {firsts}")
        if not np.array_equal(_covered(self.events, rows), self.label):
            raise TocsinError("the events do not cover exactly the labelled rows; use Truth.of")

    @classmethod
    def of(
        cls,
        label: BoolArray,
        by_channel: BoolArray | None = None,
        channels: tuple[str, ...] = (),
        kind: str = "",
    ) -> "Truth":
        """The truth whose events are the runs of `label`, all of one `kind`.

        With `by_channel` (N, C) and the names of the `channels`, each event names those that are
        at fault in any of its rows.

        >>> truth = Truth.of(np.array([False, True, True, False, True]), kind="spike")
        >>> [(event.first, event.last) for event in truth.events]
        [(1, 2), (4, 4)]
        """
        events = tuple(
            Event(first, last, kind, _at_fault(by_channel, channels, first, last))
            for first, last in runs_of(label)
        )
        return cls(label, by_channel, events)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled series of a data set: its stream, its truth, and where both come from.

    The first `train` rows are clean history to learn from, 0 where there is none; no row of them
    is labelled. `source` is a citation or address, `licence` the terms of the data. `notes` say
    what the reader changed: rows dropped or sorted, a prefix cut short.

    >>> stream = Stream("pump", ("flow",), np.arange(4), np.zeros((4, 1)))
    >>> truth = Truth.of(np.array([False, False, True, False]))
    >>> pump = Labelled("plant", stream, truth, 2, "made here", "Apache-2.0")
    >>> pump.name, pump.part(1, 2).truth.events, pump.part(1, 2).train
    ('plant/pump', (Event(first=1, last=1, kind='', channels=()),), 1)
    """

    dataset: str
    stream: Stream
    truth: Truth
    train: int
    source: str
    licence: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows, blame = len(self.stream), self.truth.by_channel
        if len(self.truth.label) != rows:
            raise TocsinError(f"{self.name}: {rows} rows, but {len(self.truth.label)} labels")
        if blame is not None and blame.shape[1] != len(self.stream.channels):
            raise TocsinError(
                f"{self.name}: by_channel has {blame.shape[1]} columns for "
                f"{len(self.stream.channels)} channels"
            )
        if not 0 <= self.train <= rows:
            raise TocsinError(f"{self.name}: a prefix of {self.train} rows in a series of {rows}")
        if self.truth.label[: self.train].any():
            row = int(self.truth.label.argmax())
            raise TocsinError(
                f"{self.name}: the training prefix of {self.train} rows is not clean: row {row} "
                "is labelled"
            )

    @property
    def name(self) -> str:
        """Data set and series, `NAB/realKnownCause/nyc_taxi`."""
        return f"{self.dataset}/{self.stream.series}"

    def part(self, first: int, last: int) -> "Labelled":
        """The rows `first` to `last`, both inside, with what of the prefix and events is in them.

        Arrays are views of this series. Raises a TocsinError where the rows are not all there.
        """
        if not 0 <= first <= last < len(self.stream):
            raise TocsinError(
                f"{self.name} has rows 0 to {len(self.stream) - 1}; asked for {first} to {last}"
            )
        rows = slice(first, last + 1)
        stream, truth = self.stream, self.truth
        events = tuple(
            replace(e, first=max(e.first, first) - first, last=min(e.last, last) - first)
            for e in truth.events
            if e.first <= last and e.last >= first
        )
        blame = None if truth.by_channel is None else truth.by_channel[rows]
        normal = None if truth.normal is None else truth.normal[rows]
        window = None
        if truth.window is not None and truth.window[0] <= last and truth.window[1] >= first:
            window = max(truth.window[0], first) - first, min(truth.window[1], last) - first
        return replace(
            self,
            stream=replace(stream, time=stream.time[rows], values=stream.values[rows]),
            truth=Truth(truth.label[rows], blame, events, normal, window),
            train=min(max(self.train - first, 0), last + 1 - first),
        )


def runs_of(label: BoolArray) -> list[tuple[int, int]]:
    """First and last row, both inside, of each run of True in `label` (N,).

    >>> runs_of(np.array([True, True, False, True]))
    [(0, 1), (3, 3)]
    """
    edges = np.diff(label.astype(np.int8), prepend=0, append=0)
    firsts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(firsts.tolist(), (ends - 1).tolist(), strict=True))


def _covered(events: tuple[Event, ...], rows: int) -> BoolArray:
    """The rows (N,) inside any of the events."""
    inside = np.zeros(rows, dtype=np.bool_)
    for event in events:
        if event.last >= rows:
            raise TocsinError(f"event {event.first}-{event.last} ends past the last row {rows - 1}")
        inside[event.first : event.last + 1] = True
    return inside


def _at_fault(
    by_channel: BoolArray | None, channels: tuple[str, ...], first: int, last: int
) -> tuple[str, ...]:
    if by_channel is None or not channels:
        return ()
    blamed = by_channel[first : last + 1].any(axis=0)  # (C,)
    return tuple(channels[i] for i in np.flatnonzero(blamed))


def _require_array(
    owner: str, name: str, array: np.ndarray[Any, Any], shape: tuple[int, ...], dtype: type
) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise TocsinError(
            f"{owner}: {name} must be {shape} of {np.dtype(dtype)}; found {array.shape} of "
            f"{array.dtype}"
        )

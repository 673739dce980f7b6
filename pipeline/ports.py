"""The pipeline's doors: what a source and a sink must offer, and what the runner offers back.

`docs/spec/source.md` and `docs/spec/sink.md` have the promises, each with the check that holds it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from tocsin.pipeline.incidents import DeadLetter, Incident
from tocsin.pipeline.types import FloatArray, IntArray, Spec


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows of one partition, in the order they stood there, and where to resume after them.

    `part` names the partition ("telemetry/0", "pump.csv"); each has its own clock, keys and state.
    `position` is the number a later run resumes *after* these rows with: a broker's next offset, a
    file's next byte or row, a simulator's next tick. `series` (B names), `time` (B,) and `values`
    (B, *item) are the rows. `offset` (B,) says which record each row came from; `raw` (B,
    or empty where a source has no bytes) gives that record's bytes, for the dead letters of rows
    that are refused later. `rejected` are the records that could not be turned into rows.
    """

    part: str
    position: int
    series: Sequence[str]
    time: IntArray
    values: FloatArray
    offset: IntArray
    raw: Sequence[bytes] = ()
    rejected: Sequence[DeadLetter] = field(default=())

    def piece(self, rows: slice) -> "Reading":
        """Some of the rows, as if read alone; what was rejected goes with the first."""
        if (rows.start, rows.stop) == (0, len(self.time)):
            return self
        return replace(
            self,
            series=self.series[rows],
            time=self.time[rows],
            values=self.values[rows],
            offset=self.offset[rows],
            raw=self.raw[rows],
            rejected=() if rows.start else self.rejected,
        )


class Desk(Protocol):
    """The runner's side of a source: who asks before it reads a partition or lets it go."""

    def claim(self, part: str, committed: int | None = None) -> int | None:
        """The position to read `part` after, or None for the source's own beginning.

        `committed` is what the broker holds for the group. State that is behind it belongs to an
        older owner and is dropped; the partition then starts afresh from `committed`.
        """
        ...

    def release(self, parts: Sequence[str]) -> None:
        """Before partitions are given up: checkpoint them, commit, and forget them here."""
        ...

    def drop(self, parts: Sequence[str]) -> None:
        """Partitions were lost already: forget them here, write nothing."""
        ...


class Source(Protocol):
    """Where rows come from."""

    def spec(self) -> Spec:
        """The item shape and channel names of the rows; a SourceError if that cannot be told."""
        ...

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        """Readings, part by part in order; None when nothing has come for a moment.

        Ends when the source does; a live source never ends. Must not block for over a second, so
        that the runner can checkpoint and stop. Calls `desk.claim` once before a part's first row.
        """
        ...

    def commit(self, positions: Mapping[str, int]) -> None:
        """These positions are now in the store and will not be asked for again."""
        ...

    def close(self) -> None:
        """Let go of files and sockets; may be called twice."""
        ...


class Sink(Protocol):
    """Where incidents go. A repeated (id, revision) must change nothing."""

    def send(self, incidents: Sequence[Incident]) -> None:
        """Deliver in order; a SinkError means "not all taken, give me all of them again"."""
        ...

    def close(self) -> None:
        """Let go of files and sockets; may be called twice."""
        ...


class DeadLetterSink(Protocol):
    """Where unusable records go. A repeated (part, position, index) must change nothing."""

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Deliver in order; a SinkError means "not all taken, give me all of them again"."""
        ...

    def close(self) -> None:
        """Let go of files and sockets; may be called twice."""
        ...

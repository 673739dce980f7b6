"""The promises of a source: the same rows however they are read, and exactly the rest after a stop.

The sources under test must end. Rows are compared part by part, since parts may take turns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tocsin.evaluation.checks.verdict import expect
from tocsin.pipeline.ports import Reading, Source

SourceMaker = Callable[[int], Source]  # from the rows, or records, of one reading at most

_BATCHES = (1, 7, 1000)
_MOST_STOPS = 40  # positions to resume after; of more, an even choice
_IDLE_READINGS = 10_000  # empty readings in a row, after which a source counts as stuck

Row = tuple[object, ...]


def check_source(make_source: SourceMaker) -> None:
    """Every check of a source; `make_source` makes it anew with a given batch size."""
    check_batch_size_does_not_matter(make_source)
    check_resumes_with_the_rest(make_source)
    check_claims_before_reading(make_source)
    check_readings_are_whole(make_source)


def check_batch_size_does_not_matter(make_source: SourceMaker) -> None:
    """The rows and the rejected records of each part are the same for any batch size."""
    wanted = _by_part(_read(make_source(_BATCHES[0])).readings)
    expect(bool(wanted), "a source has rows", "none, so nothing can be checked")
    for batch in _BATCHES[1:]:
        seen = _by_part(_read(make_source(batch)).readings)
        parts = f"parts {sorted(seen)} and {sorted(wanted)}"
        expect(seen.keys() == wanted.keys(), "parts do not depend on the batch size", parts)
        for part, rows in wanted.items():
            promise = f"rows of {part} in batches of {batch} are those in batches of {_BATCHES[0]}"
            _expect_rows(seen[part], rows, promise)


def check_resumes_with_the_rest(make_source: SourceMaker) -> None:
    """Read again after any position, a part gives exactly the rows that followed it."""
    readings = _read(make_source(_BATCHES[0])).readings
    stops = np.unique(np.linspace(0, len(readings) - 1, _MOST_STOPS).astype(int))
    for stop in stops.tolist():
        part, position = readings[stop].part, readings[stop].position
        wanted = _by_part(readings[stop + 1 :]).get(part, [])
        for batch in _BATCHES[1:]:
            again = _read(make_source(batch), {part: position}).readings
            promise = f"{part} read after {position} gives exactly the rest"
            _expect_rows(_by_part(again).get(part, []), wanted, promise)


def check_claims_before_reading(make_source: SourceMaker) -> None:
    """Each part is claimed once, before its first row."""
    record = _read(make_source(_BATCHES[1]))
    for part in _by_part(record.readings):
        times = record.claims.count(part)
        expect(times == 1, "a part is claimed once", f"{part} was claimed {times} times")
    unclaimed = sorted(record.unclaimed)
    expect(not unclaimed, "a part is claimed before its first row", f"{unclaimed} came unclaimed")


def check_readings_are_whole(make_source: SourceMaker) -> None:
    """Columns are of one length and of the spec's item; positions of a part never go back."""
    source = make_source(_BATCHES[1])
    item = source.spec().item
    reached: dict[str, int] = {}
    for reading in _read(source).readings:
        rows = len(reading.series)
        shapes = f"{reading.time.shape}, {reading.values.shape}, {reading.offset.shape}"
        expect(
            reading.time.shape == reading.offset.shape == (rows,)
            and reading.values.shape == (rows, *item),
            f"{rows} series come with time (B,), values (B, *{item}) and offset (B,)",
            shapes,
        )
        kinds = f"{reading.time.dtype}, {reading.values.dtype}, {reading.offset.dtype}"
        whole = reading.time.dtype == reading.offset.dtype == np.int64
        expect(whole and reading.values.dtype.kind == "f", "int64 times and float values", kinds)
        expect(len(reading.raw) in {0, rows}, "raw is empty or a record a row", f"{rows} rows")
        back = f"{reading.part} went from {reached.get(reading.part)} to {reading.position}"
        forward = reading.position >= reached.get(reading.part, reading.position)
        expect(forward, "positions of a part never go back", back)
        reached[reading.part] = reading.position
    source.close()  # _read closed it already: a second time is allowed


@dataclass(slots=True)
class _Record:
    """A desk that answers with given positions and keeps what it was asked."""

    after: dict[str, int] = field(default_factory=dict)
    claims: list[str] = field(default_factory=list)
    unclaimed: set[str] = field(default_factory=set)
    readings: list[Reading] = field(default_factory=list)

    def claim(self, part: str, committed: int | None = None) -> int | None:
        self.claims.append(part)
        return self.after.get(part)

    def release(self, parts: Sequence[str]) -> None:
        """Nothing is kept for them."""

    def drop(self, parts: Sequence[str]) -> None:
        """Nothing is kept for them."""


def _read(source: Source, after: dict[str, int] | None = None) -> _Record:
    """Everything a source gives, to its end."""
    desk = _Record(dict(after or {}))
    idle = 0
    for reading in source.read(desk):
        idle = idle + 1 if reading is None else 0
        expect(idle < _IDLE_READINGS, "a source under test ends", f"{idle} empty readings in a row")
        if reading is not None:
            if reading.part not in desk.claims:
                desk.unclaimed.add(reading.part)
            desk.readings.append(reading)
    source.close()
    return desk


def _by_part(readings: Sequence[Reading]) -> dict[str, list[Row]]:
    """Each part's rows and rejected records, as values that compare."""
    found: dict[str, list[Row]] = {}
    for reading in readings:
        rows = found.setdefault(reading.part, [])
        for row, series in enumerate(reading.series):
            values = np.asarray(reading.values[row], dtype=np.float64).tobytes()
            raw = reading.raw[row] if len(reading.raw) else b""
            rows.append((int(reading.offset[row]), series, int(reading.time[row]), values, raw))
        rows.extend((bad.position, bad.index, bad.stage, bad.value) for bad in reading.rejected)
    return found


def _expect_rows(seen: list[Row], wanted: list[Row], promise: str) -> None:
    # Within a part, rows keep their order; a rejected record may be told of a little later.
    for kind, length in (("rows", 5), ("rejected records", 4)):
        left = [row for row in seen if len(row) == length]
        right = [row for row in wanted if len(row) == length]
        expect(left == right, promise, _difference(left, right, kind))


def _difference(seen: list[Row], wanted: list[Row], kind: str) -> str:
    unlike = (i for i, pair in enumerate(zip(seen, wanted, strict=False)) if pair[0] != pair[1])
    first = next(unlike, min(len(seen), len(wanted)))
    return f"{len(seen)} {kind} instead of {len(wanted)}; they first differ at number {first}"

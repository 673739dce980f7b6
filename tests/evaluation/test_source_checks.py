"""Sources broken on purpose, each caught by the check meant for it; sound ones pass all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from tocsin.connectors.csv_file import CsvSource
from tocsin.connectors.memory import Item, MemorySource, Poison, Row
from tocsin.connectors.plant import Plant
from tocsin.connectors.records import FieldMap
from tocsin.evaluation.checks.sources import (
    check_batch_size_does_not_matter,
    check_claims_before_reading,
    check_readings_are_whole,
    check_resumes_with_the_rest,
    check_source,
)
from tocsin.evaluation.checks.verdict import ConformanceError
from tocsin.pipeline.incidents import DeadLetter
from tocsin.pipeline.ports import Desk, Reading
from tocsin.pipeline.types import Spec

ROWS = 30
PARTS = ("pumps/0", "pumps/1")


@dataclass(frozen=True)
class Sound:
    """Two parts of numbered rows, of which every tenth cannot be read."""

    batch: int

    def spec(self) -> Spec:
        return Spec((2,))

    def read(self, desk: Desk) -> Iterator[Reading | None]:
        for part in PARTS:
            after = desk.claim(part)
            for first in range(0 if after is None else after, ROWS, self.batch):
                yield self.reading(part, first, min(first + self.batch, ROWS))
                yield None

    def reading(self, part: str, first: int, last: int) -> Reading:
        numbers = np.arange(first, last)
        good = numbers[numbers % 10 != 9]
        bad = numbers[numbers % 10 == 9].tolist()
        return Reading(
            part=part,
            position=last,
            series=[f"{part}-{number % 3}" for number in good],
            time=good * 1000,
            values=np.stack([good, good / 2], axis=1).astype(np.float64),
            offset=good,
            raw=[b"%d" % number for number in good],
            rejected=[DeadLetter(part, number, 0, "bad", "decode", b"?") for number in bad],
        )

    def commit(self, positions: Mapping[str, int]) -> None:
        """Nobody is told."""

    def close(self) -> None:
        """Nothing is open."""


class DropsTheLastBatch(Sound):
    def read(self, desk: Desk) -> Iterator[Reading | None]:
        whole = (reading for reading in super().read(desk) if reading is not None)
        return (reading for reading in whole if len(reading.series) + 3 > self.batch)


class BatchedTimes(Sound):
    def reading(self, part: str, first: int, last: int) -> Reading:
        good = super().reading(part, first, last)
        return Reading(
            part, last, good.series, np.full(len(good.time), first), good.values, good.offset
        )


class GoesBackOne(Sound):
    def read(self, desk: Desk) -> Iterator[Reading | None]:
        for part in PARTS:
            after = desk.claim(part)
            for first in range(max(0, (after or 0) - 1), ROWS, self.batch):
                yield self.reading(part, first, min(first + self.batch, ROWS))


class ForgetsRejected(Sound):
    def reading(self, part: str, first: int, last: int) -> Reading:
        good = super().reading(part, first, last)
        kept = good.rejected if self.batch == 1 else ()
        return Reading(part, last, good.series, good.time, good.values, good.offset, good.raw, kept)


class NeverClaims(Sound):
    def read(self, desk: Desk) -> Iterator[Reading | None]:
        yield self.reading(PARTS[0], 0, ROWS)


class ClaimsEachTime(Sound):
    def read(self, desk: Desk) -> Iterator[Reading | None]:
        for first in range(0, ROWS, self.batch):
            desk.claim(PARTS[0])
            yield self.reading(PARTS[0], first, min(first + self.batch, ROWS))


class FlatValues(Sound):
    def reading(self, part: str, first: int, last: int) -> Reading:
        good = super().reading(part, first, last)
        return Reading(part, last, good.series, good.time, good.values[:, 0], good.offset)


class PositionsGoBack(Sound):
    def reading(self, part: str, first: int, last: int) -> Reading:
        good = super().reading(part, first, last)
        return Reading(part, ROWS - last, good.series, good.time, good.values, good.offset)


class NeverEnds(Sound):
    def read(self, desk: Desk) -> Iterator[Reading | None]:
        return repeat(None)


@pytest.mark.parametrize(
    ("broken", "check", "words"),
    [
        (DropsTheLastBatch, check_batch_size_does_not_matter, "batches of 7"),
        (BatchedTimes, check_batch_size_does_not_matter, "differ at number 1"),
        (ForgetsRejected, check_batch_size_does_not_matter, "0 rejected records instead of 3"),
        (GoesBackOne, check_resumes_with_the_rest, "exactly the rest"),
        (NeverClaims, check_claims_before_reading, "claimed 0 times"),
        (ClaimsEachTime, check_claims_before_reading, "claimed 5 times"),
        (FlatValues, check_readings_are_whole, "27 series|6 series|7 series"),
        (PositionsGoBack, check_readings_are_whole, "never go back"),
        (NeverEnds, check_readings_are_whole, "a source under test ends"),
    ],
)
def test_a_broken_source_is_caught_by_the_check_meant_for_it(
    broken: type[Sound], check: object, words: str
) -> None:
    assert callable(check)
    with pytest.raises(ConformanceError, match=words):
        check(broken)


def test_an_empty_source_is_not_taken_for_a_sound_one() -> None:
    with pytest.raises(ConformanceError, match="a source has rows"):
        check_source(lambda batch: MemorySource({"empty": []}, cuts=(batch,)))


def test_the_sound_source_keeps_every_promise() -> None:
    check_source(Sound)


def test_the_memory_source_keeps_every_promise() -> None:
    def items(part: str) -> list[Item]:
        rows: list[Item] = [Row(part, number, [float(number)]) for number in range(20)]
        return [*rows[:8], Poison(b"?"), *rows[8:]]

    parts = {part: items(part) for part in ("a", "b")}
    check_source(lambda batch: MemorySource(parts, cuts=(batch,)))


def test_the_plant_keeps_every_promise() -> None:
    check_source(lambda batch: Plant(assets=2, ticks=40, rows=batch))


def test_a_csv_file_keeps_every_promise(tmp_path: Path) -> None:
    path = tmp_path / "pump.csv"
    lines = [f"2026-01-01T00:00:{number:02d}Z,{number},{number / 2}" for number in range(40)]
    lines[17] = "2026-01-01T00:00:17Z,what,is this"
    path.write_text("\n".join(["time,load,speed", *lines, ""]), encoding="utf-8")
    fields = FieldMap(time="time", channels=("load", "speed"))
    check_source(lambda batch: CsvSource(path, fields, rows=batch))

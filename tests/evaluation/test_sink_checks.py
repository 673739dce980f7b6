"""Sinks broken on purpose, each caught; sound ones pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from tocsin.connectors.dead_letters import JsonLinesDeadLetters, read_dead_letters
from tocsin.connectors.memory import MemoryDeadLetters, MemorySink
from tocsin.connectors.sinks import JsonLinesSink
from tocsin.evaluation.checks.sinks import check_dead_letter_sink, check_sink
from tocsin.evaluation.checks.verdict import ConformanceError
from tocsin.pipeline.incidents import DeadLetter, Incident

Name = tuple[str, int]


@dataclass
class Appending:
    """Keeps all it is given, with repeats."""

    names: list[Name] = field(default_factory=list)

    def send(self, incidents: Sequence[Incident]) -> None:
        self.names += [(incident.id, incident.revision) for incident in incidents]

    def close(self) -> None:
        """Nothing is open."""


class KeepsTheFirstRevision(Appending):
    def send(self, incidents: Sequence[Incident]) -> None:
        known = {name for name, _ in self.names}
        super().send([incident for incident in incidents if incident.id not in known])


class CountsRevisionsItself(Appending):
    def send(self, incidents: Sequence[Incident]) -> None:
        for incident in incidents:
            name = (incident.id, incident.revision)
            if name not in self.names:
                self.names += [name, (incident.id, incident.revision + 100)]


@dataclass
class AppendingLetters:
    names: list[tuple[str, int, int]] = field(default_factory=list)

    def send(self, letters: Sequence[DeadLetter]) -> None:
        self.names += [(letter.part, letter.position, letter.index) for letter in letters]

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Appending, "a repeated incident revision is stored once"),
        (KeepsTheFirstRevision, "no incident revision is lost"),
        (CountsRevisionsItself, "no incident revision is invented"),
    ],
)
def test_a_broken_sink_is_caught(broken: Callable[[], Appending], words: str) -> None:
    sink = broken()
    with pytest.raises(ConformanceError, match=words):
        check_sink(lambda: sink, lambda: sink.names)


def test_a_repeated_dead_letter_is_caught() -> None:
    sink = AppendingLetters()
    with pytest.raises(ConformanceError, match="a repeated dead letter is stored once"):
        check_dead_letter_sink(lambda: sink, lambda: sink.names)


def test_the_memory_sinks_keep_the_promise() -> None:
    sink, letters = MemorySink(), MemoryDeadLetters()
    check_sink(lambda: sink, lambda: list(sink.incidents))
    check_dead_letter_sink(lambda: letters, lambda: list(letters.letters))


def test_files_of_json_lines_keep_the_promise(tmp_path: Path) -> None:
    path, bad = tmp_path / "incidents.jsonl", tmp_path / "letters.jsonl"

    def stored() -> list[Name]:
        found = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        return [(incident["id"], incident["revision"]) for incident in found]

    check_sink(lambda: JsonLinesSink(path), stored)
    check_dead_letter_sink(
        lambda: JsonLinesDeadLetters(bad),
        lambda: [(found.part, found.position, found.index) for found in read_dead_letters(bad)],
    )

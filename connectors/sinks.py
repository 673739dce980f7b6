"""Where incidents go: a stream for people, a file of JSON lines, a web address."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

import orjson

from tocsin.connectors.append_file import OnceFile
from tocsin.pipeline.durations import describe_duration
from tocsin.pipeline.errors import SinkError
from tocsin.pipeline.grouping import group_id
from tocsin.pipeline.incidents import Incident, iso


@dataclass(slots=True)
class TextSink:
    """A line an incident revision on a text stream such as `sys.stdout`.

    Repeats within one run are left out; a stream cannot know of those before it.
    """

    stream: TextIO
    _said: set[tuple[str, int]] = field(default_factory=set, init=False)

    def send(self, incidents: Sequence[Incident]) -> None:
        try:
            for incident in incidents:
                name = (incident.id, incident.revision)
                if name not in self._said:
                    self.stream.write(f"{in_words(incident)}\n")
                    self._said.add(name)
            self.stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            raise SinkError(f"incidents cannot be written to the stream: {error}") from error

    def close(self) -> None:
        pass


@dataclass(slots=True)
class JsonLinesSink:
    """Incident revisions as lines of JSON, added to a file and on the disk when `send` returns.

    On opening, a line torn by a crash is cut off and the revisions that are there are read back, so
    that a repeat changes nothing; this takes about 150 bytes of memory a revision.

    Raises SinkError when the file cannot be written, or holds lines that are no incidents.
    """

    path: Path
    _file: OnceFile[tuple[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        self._file = OnceFile(self.path, "incident", _revision_in)

    def send(self, incidents: Sequence[Incident]) -> None:
        self._file.add({(each.id, each.revision): partial(_line, each) for each in incidents})

    def close(self) -> None:
        self._file.close()


def in_words(incident: Incident) -> str:
    """An incident revision as a line for people: when, how bad, where, why.

    The group is told of incidents that have joined one, not of the one that began it.
    Control characters of names are shown as escapes, so that a line stays a line.
    """
    head = f"{iso(incident.started_at)}  {incident.state:<8} {incident.level:<8}"
    parts = [f"{head} {_plain(incident.series)}: {incident.kind}"]
    if incident.channels:
        shares = (f"{_plain(name)} {share:.0%}" for name, share in incident.channels[:3])
        parts.append(f"by {', '.join(shares)}")
    if not math.isnan(incident.severity) and incident.kind == "anomaly":
        parts.append(f"severity {incident.severity:.1f}")
    if incident.ended_at not in (None, incident.started_at):
        parts.append(f"lasted {describe_duration(incident.ended_at - incident.started_at)}")
    parts += [_plain(text) for text in (incident.reason, incident.asks) if text]
    if incident.group not in ("", group_id(incident.id)):
        parts.append(f"in group {incident.group}")
    return f"{', '.join(parts)}  [{incident.id} r{incident.revision}]"


def _line(incident: Incident) -> bytes:
    return orjson.dumps(incident.to_json())


def _revision_in(line: bytes) -> tuple[str, int]:
    found = orjson.loads(line)
    return str(found["id"]), int(found["revision"])


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

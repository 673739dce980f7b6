"""Dead letters in a file of JSON lines, with the original bytes, to be looked at and replayed."""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from tocsin.connectors.append_file import OnceFile
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.incidents import DeadLetter

_PARTITION = re.compile(r"(.+)/(\d+)", re.DOTALL)

_Name = tuple[str, int, int]


@dataclass(slots=True)
class JsonLinesDeadLetters:
    """Dead letters as lines of JSON, added to a file and on the disk when `send` returns.

    A line has `part`, `position`, `index`, `reason`, `stage`, `timestamp`, `value`, `key` and
    `headers`; for a part such as `telemetry/0` also `topic`, `partition` and `offset`. Bytes are
    `{"text": …}` where they are UTF-8 and `{"base64": …}` where not, so that they come back whole.

    On opening, a line torn by a crash is cut off and the names (part, position, index) that are
    there are read back, so that a repeat changes nothing.

    Raises SinkError when the file cannot be written, or holds lines that are no dead letters.
    """

    path: Path
    _file: OnceFile[_Name] = field(init=False)

    def __post_init__(self) -> None:
        self._file = OnceFile(self.path, "dead letter", _name_in)

    def send(self, letters: Sequence[DeadLetter]) -> None:
        self._file.add({_name(letter): partial(_line, letter) for letter in letters})

    def close(self) -> None:
        self._file.close()


def read_dead_letters(path: Path) -> Iterator[DeadLetter]:
    """The dead letters of a file, in order; a torn last line is passed over.

    Raises SourceError when the file cannot be read or a line is no dead letter.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield _read_line(path, number, line)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error


def to_json(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as plain values for JSON."""
    partition = _PARTITION.fullmatch(letter.part)
    broker: dict[str, Any] = {}
    if partition:
        broker = {"topic": partition[1], "partition": int(partition[2]), "offset": letter.position}
    return {
        "part": letter.part,
        "position": letter.position,
        "index": letter.index,
        **broker,
        "reason": letter.reason,
        "stage": letter.stage,
        "timestamp": letter.timestamp,
        "key": _pack(letter.key),
        "value": _pack(letter.value),
        "headers": [{"name": name, "value": _pack(value)} for name, value in letter.headers],
    }


def from_json(found: dict[str, Any]) -> DeadLetter:
    r"""A dead letter from what `to_json` made; KeyError, TypeError or ValueError for anything else.

    >>> letter = DeadLetter("telemetry/0", 7, 0, "not JSON", "decode", b"\xff", key=b"p1")
    >>> from_json(to_json(letter)) == letter
    True
    """
    return DeadLetter(
        part=str(found["part"]),
        position=int(found["position"]),
        index=int(found["index"]),
        reason=str(found["reason"]),
        stage=found["stage"],
        value=_unpack(found["value"]),
        key=_unpack(found["key"]),
        timestamp=found["timestamp"],
        headers=tuple((h["name"], _unpack(h["value"]) or b"") for h in found["headers"]),
    )


def _read_line(path: Path, number: int, line: bytes) -> DeadLetter:
    try:
        return from_json(orjson.loads(line))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path}, line {number}, is no dead letter") from error


def _line(letter: DeadLetter) -> bytes:
    return orjson.dumps(to_json(letter))


def _name_in(line: bytes) -> _Name:
    return _name(from_json(orjson.loads(line)))


def _name(letter: DeadLetter) -> _Name:
    return letter.part, letter.position, letter.index


def _pack(value: bytes | None) -> dict[str, str] | None:
    if value is None:
        return None
    try:
        return {"text": value.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _unpack(packed: dict[str, str] | None) -> bytes | None:
    if packed is None:
        return None
    if "text" in packed:
        return packed["text"].encode()
    return base64.b64decode(packed["base64"], validate=True)

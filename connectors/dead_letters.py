"""Dead letters in a file of JSON lines, with the original bytes, to be looked at and replayed."""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tocsin.connectors.append_file import AppendFile
from tocsin.pipeline.errors import SinkError, SourceError
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
    _file: AppendFile = field(init=False)
    _held: set[_Name] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._file = AppendFile(self.path)

    def send(self, letters: Sequence[DeadLetter]) -> None:
        held = self._held if self._held is not None else self._read_back()
        new = {_name(letter): letter for letter in letters if _name(letter) not in held}
        if new:
            self._append([orjson.dumps(to_json(letter)) for letter in new.values()])
            held.update(new)

    def close(self) -> None:
        self._file.close()
        self._held = None

    def _append(self, lines: Sequence[bytes]) -> None:
        try:
            self._file.append(lines)
        except SinkError:
            self.close()  # what is in the file now is read back before the next try
            raise

    def _read_back(self) -> set[_Name]:
        held = set()
        for number, line in enumerate(self._file.lines(), 1):
            try:
                held.add(_name(from_json(orjson.loads(line))))
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                self._file.close()
                raise SinkError(
                    f"{self.path}, line {number}, is no dead letter; wanted a new file or one of "
                    f"dead letters"
                ) from error
        self._held = held
        return held


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

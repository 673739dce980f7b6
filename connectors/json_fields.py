"""The fields that JSON records have, by path, and channels that none of them has."""

import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence

from tocsin.connectors.records import FieldMap, Message, declares, records_of

log = logging.getLogger("tocsin.records")

_DEEPEST = 4  # nested objects that are looked into
_LOOKED_AT = 100
_SHOWN = 8


class Unseen:
    """Channels that none of a source's first 100 records has: most likely misspelt.

    A record may lack a field at times, so this is a warning and no error. It is logged once for a
    channel as "tocsin.records", with the nearest field that there is. `where` names the source.
    """

    def __init__(self, fields: FieldMap, where: object, records: int = _LOOKED_AT) -> None:
        self._fields = fields
        self._where = where
        self._left = records
        self._seen = 0
        self._channels = list(fields.channels)
        self._known: dict[str, None] = {}

    def see(self, messages: Sequence[Message]) -> None:
        """Look at messages, and warn where enough records were seen."""
        if self._left <= 0 or not self._channels:
            return
        for record, body in records_of(messages[: self._left], self._fields):
            self._left -= 1
            self._seen += 1
            self._channels = [c for c in self._channels if not declares(record, body, c)]
            self._known |= dict.fromkeys(path for path, _ in flatten(record))
            if body is not record:
                self._known |= dict.fromkeys(path for path, _ in flatten(body, "$."))
        if self._left <= 0:
            self.close()

    def close(self) -> None:
        """Warn of what was not seen until now; nothing is looked at any more."""
        self._left = 0
        taken = {self._fields.time, *self._fields.key, *self._fields.channels}
        for channel in self._channels if self._seen else ():
            hint = _hint(channel, [path for path in self._known if path not in taken])
            count = f"first {self._seen} records" if self._seen > 1 else "first record"
            log.warning("%s: channel %r is not in the %s; %s", self._where, channel, count, hint)
        self._channels = []


def flatten(record: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    r"""The values of a record that are no lists, by path, such as `payload.temp`; `\.` is a dot.

    >>> list(flatten({"ts": 1, "payload": {"temp": 2.5}}))
    [('ts', 1), ('payload.temp', 2.5)]
    """
    yield from _flatten(record, prefix, _DEEPEST)


def _flatten(record: Mapping[str, object], prefix: str, depth: int) -> Iterator[tuple[str, object]]:
    for name, value in record.items():
        place = prefix + name.replace(".", "\\.")
        if isinstance(value, dict) and depth:
            yield from _flatten(value, f"{place}.", depth - 1)
        elif not isinstance(value, dict | list):
            yield place, value


def _hint(channel: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(channel, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    have = ", ".join(map(repr, known[:_SHOWN]))
    return f"of fields that are not read there are {have}" if have else "all fields are read"

"""Why records were left out: counted, with one example of those that differ by a value only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_MOST_KINDS = 1000  # so that a stream of odd records does not fill the memory
_REST = "other reasons"

# A quoted name of a field stays, as it tells reasons apart; other quoted texts and numbers go. A
# text that was cut short has no closing quote.
_QUOTED = r"""(?<!\w)(?:'(?:[^'\\]|\\.)*(?:'|$)|"(?:[^"\\]|\\.)*(?:"|$))"""
_VALUE = re.compile(
    rf"(?P<name>\b(?:channel|column|field|key) {_QUOTED})"
    rf"|{_QUOTED}|(?<!\w)[+-]?\d+(?:\.\d+)?(?!\w)"
)


class Reason(NamedTuple):
    """A reason: of how many records, the first one's words, and whether others have other words."""

    total: int
    example: str
    differs: bool


@dataclass(slots=True)
class Reasons:
    """Counts of reasons.

    >>> found = Reasons()
    >>> for cell in ("ERR", "ERR", "n.a."):
    ...     found.add(f"channel 'a' holds {cell!r}, not a number")
    >>> found.add("key 'pump' is empty")
    >>> found.most(1)
    [Reason(total=3, example="channel 'a' holds 'ERR', not a number", differs=True)]
    """

    _kinds: dict[str, Reason] = field(default_factory=dict)

    def add(self, reason: str, count: int = 1) -> None:
        """Count a reason once more."""
        kind = _VALUE.sub(lambda found: found["name"] or "*", reason)
        if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
            kind = reason = _REST
        known = self._kinds.get(kind, Reason(0, reason, differs=False))
        differs = known.differs or reason != known.example
        self._kinds[kind] = Reason(known.total + count, known.example, differs)

    def most(self, count: int | None = None) -> list[Reason]:
        """The most frequent reasons first; of those as frequent, the first that came."""
        return sorted(self._kinds.values(), key=lambda each: -each.total)[:count]

    def joined(self, counts: Mapping[str, int]) -> "Reasons":
        """These and some more."""
        both = Reasons(dict(self._kinds))
        for reason, count in counts.items():
            both.add(reason, count)
        return both

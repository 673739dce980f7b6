"""What people say of incidents and of times that no incident told: the labels."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import Incident, iso

Verdict = Literal["confirmed", "expected", "false_alarm", "new_normal", "missed"]
Cause = Literal[
    "", "holiday", "user_error", "software", "hardware", "environment", "upgrade", "external",
    "other",
]  # fmt: skip

FAULTS: frozenset[str] = frozenset({"confirmed", "missed"})
"""The verdicts that say that something was wrong."""

ABNORMAL: frozenset[str] = FAULTS | {"expected"}
"""The verdicts whose rows no detector may be trained on."""


@dataclass(frozen=True, slots=True)
class Label:
    """What somebody says of one stretch of one series.

    `start` and `end` are its first and last nanosecond, since 1970 in UTC. "confirmed": a fault,
    rightly told. "expected": out of the ordinary, known and harmless, such as maintenance.
    "false_alarm": ordinary. "new_normal": so it stays. "missed": a fault that was not told.
    `incident` is the id of the incident that is judged, or "" where none was told; `said_at` is
    when it was said.
    """

    series: str
    start: int
    end: int
    verdict: Verdict
    incident: str = ""
    cause: Cause = ""
    author: str = ""
    said_at: int = 0

    def __post_init__(self) -> None:
        for name, kinds in (("verdict", Verdict), ("cause", Cause)):
            given = getattr(self, name)
            if given not in get_args(kinds):
                known = ", ".join(one for one in get_args(kinds) if one)
                raise ConfigError(f"{name}: found {given!r}, wanted one of {known}")
        if not self.series:
            raise ConfigError("a label needs a series")
        if self.end < self.start:
            raise ConfigError(
                "a label needs an end that is not before its start; "
                f"found {iso(self.start)} to {iso(self.end)}"
            )

    @property
    def id(self) -> str:
        """The same stretch of the same series has one label; the newest counts."""
        text = "\x1f".join((self.series, self.incident, str(self.start)))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `label_of` takes them."""
        return asdict(self)


def label_of(plain: Mapping[str, Any]) -> Label:
    """A label from plain values; ConfigError where they are none."""
    try:
        return Label(**plain)
    except TypeError as error:
        raise ConfigError(f"not a label: {dict(plain)!r}") from error


def label_for(incident: Incident, verdict: str, **said: Any) -> Label:
    """The label of an incident, up to its peak if it is open; `said` are the other fields."""
    end = max(incident.started_at, incident.peak_at, incident.ended_at or 0)
    whole = {"series": incident.series, "start": incident.started_at, "end": end}
    return label_of({**whole, "verdict": verdict, "incident": incident.id, **said})

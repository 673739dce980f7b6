"""What people receive: an incident, in revisions; and what could not be read: a dead letter."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, Literal

State = Literal["open", "revised", "resolved"]
Kind = Literal[
    "anomaly", "stale", "stuck", "out_of_range", "blind", "detector_failed", "uncalibrated"
]
Reading = tuple[float | None, float | None, float | None]  # value, expected, usual miss
Level = Literal["info", "warning", "error", "critical"]


@dataclass(frozen=True, slots=True)
class Incident:
    """One revision of an incident; (`id`, `revision`) names it for good, so sinks can upsert.

    Times are nanoseconds since 1970 in UTC. `tail` is the smallest tail probability seen, `score`
    the raw score there and `peak_at` its time; they are NaN and 0 for health kinds, which have no
    score. `severity` is -log10(tail), and more beyond the smallest tail that there is. `channels`
    are the blamed channels with their share of the blame, largest first; of frames, the box of
    pixels that is blamed most. `asks` is what a person is asked to decide, or "". `group` is the id
    of the incidents that belong together, "" where incidents are not grouped. `readings` are the
    blamed channels' values at the peak, in the order of `channels`, with what the detector expected
    of them and by how much it usually misses; of a channel that is stuck or out of range, its value
    alone, the farthest out where there are several.
    `covariates` are the channels that, as covariates, raised the score at the peak, with their
    share of the rise, largest first; () where the detector cannot tell.
    """

    id: str
    revision: int
    state: State
    kind: Kind
    series: str
    started_at: int
    opened_at: int
    ended_at: int | None
    peak_at: int
    score: float
    tail: float
    alpha: float
    severity: float
    level: Level
    rows: int
    channels: tuple[tuple[str, float], ...]
    reason: str
    asks: str = ""
    rule: str = ""
    group: str = ""
    readings: tuple[Reading, ...] = ()
    covariates: tuple[tuple[str, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON: ISO times in UTC, NaN as null."""
        return {
            "id": self.id,
            "revision": self.revision,
            "state": self.state,
            "kind": self.kind,
            "series": self.series,
            "started_at": iso(self.started_at),
            "opened_at": iso(self.opened_at),
            "ended_at": None if self.ended_at is None else iso(self.ended_at),
            "peak_at": iso(self.peak_at) if self.kind == "anomaly" else None,
            "score": _number(self.score),
            "tail": _number(self.tail),
            "alpha": _number(self.alpha),
            "severity": _number(self.severity),
            "level": self.level,
            "rows": self.rows,
            "channels": list(self._channels()),
            "covariates": [{"name": name, "share": share} for name, share in self.covariates],
            "reason": self.reason,
            "asks": self.asks,
            "rule": self.rule,
            "group": self.group,
        }

    def _channels(self) -> Iterator[dict[str, Any]]:
        for (name, share), reading in zip_longest(self.channels, self.readings):
            value, expected, usual = reading or (None, None, None)
            told = {"name": name, "share": share, "value": value}
            yield told | {"expected": expected, "usual_miss": usual}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used, kept whole: its bytes, where it stood, and why.

    (`part`, `position`, `index`) names it: the partition or file, the offset of the record (or the
    line) and the message inside a record that holds several.
    """

    part: str
    position: int
    index: int
    reason: str
    stage: Literal["decode", "order", "series"]
    value: bytes | None
    key: bytes | None = None
    timestamp: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def incident_id(series: str, kind: str, started_at: int, rule: str) -> str:
    """The id of an incident, the same in every run over the same rows and settings.

    >>> incident_id("pump-1", "anomaly", 1_700_000_000_000_000_000, "r1")
    '2edc5d3548b48d1b'
    """
    text = "\x1f".join((series, kind, str(started_at), rule))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def iso(nanoseconds: int) -> str:
    """An ISO 8601 time in UTC, to the microsecond.

    >>> iso(1_700_000_000_123_456_789)
    '2023-11-14T22:13:20.123456Z'
    """
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest // 1000:06d}Z" if rest // 1000 else f"{text}Z"


def _number(value: float) -> float | None:
    return None if value != value or value in (float("inf"), float("-inf")) else value  # noqa: PLR0124

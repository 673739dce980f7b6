"""The promise of a sink: what is sent again is stored once."""

from collections.abc import Callable, Sequence
from typing import Any

from tocsin.evaluation.checks.verdict import expect
from tocsin.pipeline.incidents import DeadLetter, Incident, incident_id
from tocsin.pipeline.ports import DeadLetterSink, Sink

_BEGIN_NS = 1_600_000_000_000_000_000


def check_sink(
    make_sink: Callable[[], Sink], stored: Callable[[], Sequence[tuple[str, int]]]
) -> None:
    """A repeated revision of an incident is stored once, and none is lost.

    `make_sink` opens the sink anew, as after a restart, over the same place; `stored` reads the
    (id, revision) pairs that its receiver holds, in any order.
    """
    incidents = [_incident(number, revision) for number in range(3) for revision in range(2)]
    wanted = sorted((incident.id, incident.revision) for incident in incidents)
    _send_again_and_again(make_sink, incidents)
    found = sorted(stored())
    _expect_once(found, wanted, "incident revision")


def check_dead_letter_sink(
    make_sink: Callable[[], DeadLetterSink], stored: Callable[[], Sequence[tuple[str, int, int]]]
) -> None:
    """A repeated dead letter is stored once, and none is lost.

    `stored` reads the (part, position, index) of the letters that the receiver holds.
    """
    letters = [
        DeadLetter("telemetry/0", position, index, "not JSON", "decode", b"\x00{bad")
        for position in range(3)
        for index in range(2)
    ]
    wanted = sorted((letter.part, letter.position, letter.index) for letter in letters)
    _send_again_and_again(make_sink, letters)
    _expect_once(sorted(stored()), wanted, "dead letter")


def _send_again_and_again(make_sink: Callable[[], Any], items: Sequence[Any]) -> None:
    sink = make_sink()
    sink.send([])
    sink.send(items[:3])
    sink.send(items[1:])  # some of them again, as after an error
    sink.close()
    sink.close()
    restarted = make_sink()
    restarted.send(items)
    restarted.close()


def _expect_once(found: list[Any], wanted: list[Any], what: str) -> None:
    lost = [name for name in wanted if name not in found]
    expect(not lost, f"no {what} is lost", f"{len(lost)} lost, first {lost[:1]}")
    twice = sorted({name for name in found if found.count(name) > 1})
    expect(not twice, f"a repeated {what} is stored once", f"{len(twice)} repeated, {twice[:1]}")
    expect(
        found == wanted, f"no {what} is invented", f"{[n for n in found if n not in wanted][:1]}"
    )


def _incident(number: int, revision: int) -> Incident:
    start = _BEGIN_NS + number * 60_000_000_000
    return Incident(
        id=incident_id("pump-1", "anomaly", start, "conformance"),
        revision=revision,
        state="open" if revision == 0 else "resolved",
        kind="anomaly",
        series="pump-1",
        started_at=start,
        opened_at=start + 1_000_000_000,
        ended_at=None if revision == 0 else start + 30_000_000_000,
        peak_at=start,
        score=9.5,
        tail=1e-4,
        alpha=1e-3,
        severity=4.0,
        level="warning",
        rows=3 + revision,
        channels=(("temperature", 0.75), ("load", 0.25)),
        reason="a conformance check",
        rule="conformance",
    )

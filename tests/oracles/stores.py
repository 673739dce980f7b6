"""Things to put into a store, for the tests that look at what comes out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from oracles.pipeline_chains import PLAIN
from oracles.runs import calm

from tocsin.pipeline.chain import ChainState, start
from tocsin.pipeline.incidents import DeadLetter, Incident
from tocsin.pipeline.step import step
from tocsin.pipeline.store import Checkpoint, Store
from tocsin.pipeline.types import IntArray


def incident(name: str, revision: int = 1, started_at: int = 5, **others: Any) -> Incident:
    whole = Incident(
        id=name,
        revision=revision,
        state="open",
        kind="anomaly",
        series="pümp",
        started_at=started_at,
        opened_at=6,
        ended_at=None,
        peak_at=7,
        score=float("nan"),
        tail=1e-5,
        alpha=float("inf"),
        severity=5.0,
        level="critical",
        rows=2,
        channels=(("temp", 0.75), ("flow", 0.25)),
        reason="why",
        rule="r",
    )
    return replace(whole, **others)


def letter(position: int, index: int = 0, **others: Any) -> DeadLetter:
    whole = DeadLetter("a", position, index, "no time", "decode", b"\x00\xff", b"key", 12)
    return replace(whole, **others)


def lived(ticks: int = 30) -> tuple[ChainState, IntArray]:
    state, rows = start(PLAIN), calm(ticks)
    return state, step(PLAIN, state, rows.series, rows.time, rows.values).touched


def save(  # what a test does not say is as it usually is
    store: Store,
    position: int | None = 10,
    *,
    epoch: int | None = None,
    part: str = "a",
    lived_by: tuple[ChainState, IntArray] | None = None,
    incidents: Sequence[Incident] = (),
    letters: Sequence[DeadLetter] = (),
    sinks: Sequence[str] = ("people",),
) -> None:
    epoch = store.claim(PLAIN, part).epoch if epoch is None else epoch
    state, touched = lived() if lived_by is None else lived_by
    store.checkpoint(
        PLAIN, Checkpoint(part, epoch, position, state, touched, incidents, letters), sinks
    )

"""A fault that lasts three days, and what becomes of it under each learning rule.

`stories` has all that a picture of it needs.
"""

from dataclasses import dataclass, replace

import numpy as np
from oracles.pipeline_runs import SECOND, Run, Stream, resume
from oracles.pipeline_scorers import Spread

from tocsin.pipeline.acceptance import accept
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain, join_verdicts, start
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import Spec

HOUR = 3600 * SECOND
STEP = HOUR // 6
DAY_ROWS = 144
BEGINS, ENDS = 4 * DAY_ROWS, 7 * DAY_ROWS  # rows of the fault, in a week and a half
ACCEPTED = 5 * DAY_ROWS  # a day into the fault

FROZEN = Chain(
    Spec((1,), channels=("temperature",)),
    Spread(),
    calibrator=Conformal(history=300, alone=100, least=30),
    threshold=FixedTail(1e-3),
    gate=Gate(at_most_ns=6 * HOUR),
    episodes=Episodes(0, HOUR, HOUR),
)
LEARNED = replace(FROZEN, gate=Gate(learn="always"))


def three_days() -> Stream:
    """A temperature every ten minutes for ten days, twelve spreads higher from day four to seven.

    A second series is calm throughout.
    """
    rows = 10 * DAY_ROWS
    values = np.random.default_rng(0).normal(60.0, 1.0, size=(rows, 2))
    values[BEGINS:ENDS, 0] += 12.0
    time = np.repeat(STEP * np.arange(rows), 2)
    return Stream(["gearbox", "spare"] * rows, time, values.reshape(-1, 1))


@dataclass(frozen=True)
class Story:
    """A run over the stream, and what was told between its rows when a person accepted."""

    run: Run
    told: list[Incident]

    def of_gearbox(self) -> list[Incident]:
        """All revisions of the fault's series, in order."""
        every = self.told + self.run.incidents
        mine = [each for each in every if each.series == "gearbox" and each.kind == "anomaly"]
        return sorted(mine, key=lambda each: (each.started_at, each.revision))


def story(chain: Chain, accepted: int | None = None, *, fast: bool = True) -> Story:
    """The stream under a chain; `accepted` is the tick before which a person accepts the fault."""
    stream, state = three_days(), start(chain)
    if accepted is None:
        return Story(resume(chain, state, stream, fast=fast), [])
    first = resume(chain, state, stream.part(0, 2 * accepted), fast=fast)
    told = accept(chain, state, "gearbox").incidents
    rest = resume(chain, state, stream.part(2 * accepted, len(stream)), fast=fast)
    verdicts = join_verdicts([first.verdicts, rest.verdicts])
    return Story(Run(verdicts, first.incidents + rest.incidents, [], state, []), told)


def stories() -> dict[str, Story]:
    """The fault kept open, learned by itself, and accepted by a person."""
    return {
        "freeze while firing": story(FROZEN),
        "learn always": story(LEARNED),
        "accepted after a day": story(FROZEN, ACCEPTED),
    }

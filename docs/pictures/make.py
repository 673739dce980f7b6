"""Draws the pictures of the documentation: `python docs/pictures/make.py`."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tocsin.commands.demo import panels_of, stream, the_plant
from tocsin.detectors.classical.ewma import Ewma
from tocsin.evaluation.panel import Interval, Panel
from tocsin.evaluation.picture import draw
from tocsin.pipeline.acceptance import accept
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain, join_verdicts, start
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.step import close, step
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import Spec

HERE = Path(__file__).parent
HOUR = 3_600_000_000_000
DAY = 144  # rows, one each ten minutes
BEGINS, ENDS, ACCEPTED = 6 * DAY, 9 * DAY, 7 * DAY


def main() -> None:
    """The demo's plant, and a fault of three days under three rules of learning."""
    plant = the_plant(seed=0)
    panels = panels_of(plant, stream(plant))
    draw(panels, HERE / "plant.png", "Two weeks of a simulated plant, judged as they came", most=3)
    freeze = Chain(
        Spec((1,), channels=("temperature",)),
        Ewma(half_life=DAY),
        calibrator=Conformal(history=4 * DAY),
        threshold=FixedTail(1e-3),
        gate=Gate(),
        episodes=Episodes(0, HOUR, HOUR),
    )
    always = replace(freeze, gate=Gate("always"))
    told = (
        three_days(freeze, "freeze while firing"),
        three_days(always, "learn always"),
        three_days(freeze, "freeze, accepted after a day", accepted=True),
    )
    draw(told, HERE / "three_days.png", "A fault of three days, and what is learned of it")


def three_days(chain: Chain, name: str, *, accepted: bool = False) -> Panel:
    """Two weeks of a temperature that is twelve spreads higher from day six to nine."""
    values = np.random.default_rng(0).normal(60.0, 1.0, size=(14 * DAY, 1))
    values[BEGINS:ENDS] += 12.0
    time = 1_767_571_200_000_000_000 + HOUR // 6 * np.arange(len(values))  # a Monday
    state, incidents, verdicts = start(chain), {}, []
    for first, last in ((0, ACCEPTED), (ACCEPTED, len(values))):
        part = slice(first, last)
        outcomes = [step(chain, state, [name] * (last - first), time[part], values[part])]
        if accepted and last == ACCEPTED:
            outcomes.append(accept(chain, state, name))
        if last == len(values):
            outcomes.append(close(chain, state))
        verdicts += [outcome.verdicts for outcome in outcomes]
        incidents |= {each.id: each for outcome in outcomes for each in outcome.incidents}
    whole = join_verdicts(verdicts)
    return Panel(
        series=name,
        channels=("temperature",),
        time=time,
        values=values,
        score=whole.score,
        tail=whole.tail,
        alpha=whole.alpha,
        alarm=whole.alarm,
        incidents=tuple(incidents.values()),
        truth=(Interval(int(time[BEGINS]), int(time[ENDS - 1]), "fault"),),
    )


if __name__ == "__main__":
    main()

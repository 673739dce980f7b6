"""Chains that put every stage to work, for the tests of the whole."""

from dataclasses import replace

from oracles.pipeline_runs import SECOND
from oracles.pipeline_scorers import Crowd, Spread
from oracles.pipeline_thresholds import Watching

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.calibration.drift import DriftWatch
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.grouping import Grouping
from tocsin.pipeline.health import Health
from tocsin.pipeline.order import Order
from tocsin.pipeline.retention import Retention
from tocsin.pipeline.rules.abstention import Abstention
from tocsin.pipeline.rules.calendar import Calendar
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.rules.size import Size
from tocsin.pipeline.rules.stage import Rules
from tocsin.pipeline.threshold import AlertBudget, FixedTail
from tocsin.pipeline.types import Spec
from tocsin.pipeline.window import Window

PLAIN = Chain(
    Spec((2,)),
    Spread(),
    calibrator=Conformal(history=60, alone=30, least=10, pool=40),
    threshold=AlertBudget("2/m"),
    health=Health(stale_intervals=8.0, stuck_rows=20, blind_rows=5),
    episodes=Episodes(SECOND, 2 * SECOND, 3 * SECOND, close_rows=2),
)
CHAINS = {
    "plain": PLAIN,
    "late": replace(PLAIN, order=Order(lateness_ns=2 * SECOND), window=Window(3)),
    "grid": replace(PLAIN, grid=Grid(2 * SECOND), gate=Gate(learn="always")),
    "gaps": replace(
        PLAIN,
        grid=Grid(2 * SECOND, gather="max", fill="hold"),
        window=Window(2, gap_ns=5 * SECOND),
        threshold=FixedTail(0.03),
        gate=Gate(at_most_ns=5 * SECOND, then="learn"),
    ),
    "shared": replace(PLAIN, scorer=Crowd(), threshold=FixedTail(0.03)),
    "rules": replace(
        PLAIN,
        threshold=FixedTail(0.03),
        rules=Rules(
            sizes=(Size(direction="up", least=2.0), Size(series="s1", channel="c0", high=4.0)),
            calendars=(Calendar(("thu 00:00-00:02", "thu 00:03-24:00"), series="s[02]"),),
            silences=(Silence(100 * SECOND, 110 * SECOND, "s0"),),
            memory=50,
        ),
        episodes=replace(PLAIN.episodes, close_factor=2.0),
    ),
    "doubts": replace(
        PLAIN,
        threshold=FixedTail(0.03),
        gate=Gate(learn="always"),
        abstention=Abstention(0.7),
        rules=Rules(
            sizes=(Size(least_share=0.1),),
            calendars=(Calendar(("thu 00:00-00:02",), series="s1", learn="freeze"),),
            silences=(Silence(100 * SECOND, 130 * SECOND, learn="keep"),),
        ),
    ),
    "grouped": replace(PLAIN, grouping=Grouping(4 * SECOND, 15 * SECOND, shared=0.2, most=5)),
    "drifting": replace(
        PLAIN, threshold=FixedTail(0.03), drift=DriftWatch(patience=4.0, every_rows=2, quiet=6)
    ),
    "forgetful": replace(
        PLAIN,
        threshold=FixedTail(0.03),
        order=Order(lateness_ns=2 * SECOND),
        grid=Grid(2 * SECOND),
        retention=Retention(8 * SECOND),
    ),
    "watched": replace(
        PLAIN,
        threshold=Watching(0.03),
        gate=Gate(learn="quarantine", quarantine_ns=4 * SECOND, quarantine_rows=3),
    ),
}

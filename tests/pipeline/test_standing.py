"""Incidents that are open at the end are told as they stand, under their last revision."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
from oracles.pipeline_chains import PLAIN
from oracles.pipeline_runs import SECOND, Run, Stream, play

from tocsin.config import Stages
from tocsin.detectors.classical.ewma import Ewma
from tocsin.history.judging import Rows, judge
from tocsin.history.offline import judge_offline
from tocsin.pipeline.chain import naming
from tocsin.pipeline.grouping import Grouping
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.standing import standing
from tocsin.pipeline.state import same
from tocsin.pipeline.threshold import FixedTail

CHAIN = replace(PLAIN, threshold=FixedTail(0.001), grouping=Grouping())


def fault(rows: int = 100) -> Stream:
    """A series, a row a second, whose level is another in the last rows."""
    values = np.random.default_rng(0).normal(size=(400, 2))
    values[-rows:] += 30.0
    return Stream(["s0"] * 400, np.arange(400) * SECOND, values)


def now(run: Run) -> dict[str, Incident]:
    told = {each.id: each for each in run.incidents}
    return standing(CHAIN.episodes, run.state.episodes, naming(CHAIN, run.state), told)


def test_an_open_incident_has_the_rows_it_has_by_now() -> None:
    run = play(CHAIN, fault())
    found = list(now(run).values())[-1]
    last = run.of("anomaly")[-1]
    assert (last.state, found.rows) == ("open", 100)
    assert "100 rows over 1m39s" in found.reason
    assert last.rows < found.rows


def test_it_keeps_its_number_its_state_and_its_group() -> None:
    run = play(CHAIN, fault())
    last, found = run.incidents[-1], list(now(run).values())[-1]
    assert (found.id, found.revision, found.state) == (last.id, last.revision, last.state)
    assert (found.ended_at, found.group) == (None, last.group)
    assert last.group


def test_looking_changes_nothing() -> None:
    run = play(CHAIN, fault())
    before = deepcopy(run.state)
    now(run)
    assert same(run.state, before)


def test_what_is_over_stays_as_it_was_told() -> None:
    stream = fault()
    stream.values[330:] -= 30.0
    run = play(CHAIN, stream)
    assert now(run) == {each.id: each for each in run.incidents}


def test_judged_rows_have_open_incidents_as_they_stand() -> None:
    stream = fault(3)
    rows = Rows(stream.series, stream.time, stream.values, ("flow", "heat"))
    stages = Stages(Ewma(half_life=100.0), threshold=FixedTail(0.01))
    for judged in (judge(stages, rows), judge_offline(stages, rows)):
        *_, last = sorted(judged.incidents, key=lambda each: each.started_at)
        assert (last.ended_at, last.rows) == (None, 3)
        assert judged.alarm[-3:].all()

"""A fault of three days stays open while learning is frozen, and ends when a person accepts it."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from oracles.pipeline_runs import expect_same, resume
from oracles.pipeline_three_days import (
    ACCEPTED,
    BEGINS,
    DAY_ROWS,
    ENDS,
    FROZEN,
    LEARNED,
    STEP,
    Story,
    story,
    three_days,
)

from tocsin.detectors.classical.ewma import Ewma
from tocsin.pipeline.acceptance import accept
from tocsin.pipeline.chain import start
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.keyed import keyed_fields, read_field
from tocsin.pipeline.rules.verdicts import ALARM
from tocsin.pipeline.state import same


@pytest.fixture(scope="module")
def accepted() -> Story:
    return story(FROZEN, ACCEPTED)


def alarms(found: Story) -> np.ndarray:
    """Ticks at which the gearbox alarms."""
    verdicts = found.run.verdicts
    mine = (verdicts.key == 0) & (verdicts.verdict == ALARM)
    return np.asarray(verdicts.time[mine] // STEP)


def test_under_freeze_while_firing_the_fault_stays_open_for_all_of_its_three_days() -> None:
    found = story(FROZEN)
    fault = [each for each in found.of_gearbox() if each.started_at == BEGINS * STEP]
    assert [each.state for each in fault] == ["open", "revised", "resolved"]
    assert fault[-1].ended_at == (ENDS - 1) * STEP
    assert np.isin(np.arange(BEGINS, ENDS), alarms(found)).all()


def test_under_learn_always_the_fault_is_learned_as_normal() -> None:
    found = story(LEARNED)
    fault = [each for each in found.of_gearbox() if each.started_at == BEGINS * STEP]
    assert fault[-1].state == "resolved"
    assert fault[-1].ended_at is not None
    assert fault[-1].ended_at < (BEGINS + 36) * STEP
    assert not np.isin(np.arange(BEGINS + 144, ENDS), alarms(found)).any()


def test_what_is_accepted_closes_with_the_reason(accepted: Story) -> None:
    (told,) = accepted.told
    assert (told.state, told.started_at) == ("resolved", BEGINS * STEP)
    assert "accepted as the new normal" in told.reason


def test_what_is_accepted_does_not_reopen(accepted: Story) -> None:
    later = alarms(accepted)
    assert not ((later >= ACCEPTED) & (later < ENDS)).any()
    begun = [each.started_at for each in accepted.of_gearbox() if each.state == "open"]
    assert not [each for each in begun if BEGINS * STEP < each < ENDS * STEP]


def test_after_an_acceptance_the_new_level_is_what_is_normal(accepted: Story) -> None:
    back = [each for each in accepted.of_gearbox() if each.started_at == ENDS * STEP]
    assert back
    assert back[0].state == "open"


def test_an_acceptance_is_the_same_on_both_paths(accepted: Story) -> None:
    slow = story(FROZEN, ACCEPTED, fast=False)
    expect_same(accepted.run, slow.run)
    assert repr(slow.told) == repr(accepted.told)


def test_an_acceptance_resets_what_must_be_reset_and_nothing_else() -> None:
    state, fresh = start(FROZEN), start(FROZEN)
    resume(FROZEN, state, three_days().part(0, 2 * ACCEPTED))
    resume(FROZEN, fresh, three_days().part(0, 2))
    before = deepcopy(state)
    assert accept(FROZEN, state, "gearbox").touched.tolist() == [0]
    differ = set()
    for path in keyed_fields(state):
        old, new = read_field(before, path), read_field(state, path)
        np.testing.assert_array_equal(new[1], old[1], err_msg=path)
        if not np.array_equal(new[0], old[0], equal_nan=new.dtype.kind == "f"):
            differ.add(path)
    health = {path for path in differ if path.startswith("health.")}
    stages = {path.split(".")[0] for path in differ - health}
    assert stages == {"scorer", "calibrator", "gate", "episodes"}
    assert health == {"health.scored"}
    for path in keyed_fields(state.scorer) | keyed_fields(state.calibrator):
        stage = state.scorer if path in keyed_fields(state.scorer) else state.calibrator
        young = fresh.scorer if path in keyed_fields(state.scorer) else fresh.calibrator
        np.testing.assert_array_equal(read_field(stage, path)[0], read_field(young, path)[7])
    assert state.ticks == before.ticks
    assert same(state.threshold, before.threshold)


def test_a_series_without_an_anomaly_is_left_as_it_is() -> None:
    state = start(FROZEN)
    resume(FROZEN, state, three_days().part(0, 200))
    before = deepcopy(state)
    outcome = accept(FROZEN, state, "gearbox")
    assert (outcome.incidents, outcome.touched.tolist()) == ([], [])
    assert same(state, before)


def test_a_series_that_is_not_known_is_told() -> None:
    with pytest.raises(StateError, match="no series is called 'fan'"):
        accept(FROZEN, start(FROZEN), "fan")


def test_the_second_warm_up_is_no_blindness() -> None:
    slow = replace(FROZEN, scorer=Ewma(half_life=2 * DAY_ROWS))
    assert slow.scorer.warmup > slow.health.blind_rows
    told = story(slow, ACCEPTED)
    assert [each for each in told.run.incidents if each.kind == "blind"] == []

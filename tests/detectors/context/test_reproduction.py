"""The shipped weights come from the shipped log: its first steps come out the same again."""

import json
from pathlib import Path

import pytest

from tocsin.commands.training import Generated, plan_of, reproduce
from tocsin.detectors.context import progress
from tocsin.detectors.context.examples import CLEAN, held_out
from tocsin.detectors.context.rcd import LOG
from tocsin.pipeline.errors import StateError

SHIPPED = pytest.mark.skipif(not LOG.exists(), reason="the training log is not there")


@SHIPPED
def test_the_first_steps_have_the_losses_of_the_log() -> None:
    assert reproduce(steps=3) <= 0.01


@SHIPPED
def test_the_log_was_planned_as_the_command_plans() -> None:
    plan = progress.read(LOG)[0]["plan"]
    now = json.loads(json.dumps(plan_of(plan["steps"], plan["seed"]).as_table()))
    assert plan == now


@SHIPPED
def test_another_loss_is_told(tmp_path: Path) -> None:
    records = progress.read(LOG)[:4]
    records[1]["found"] *= 1.5
    log = tmp_path / "log.jsonl"
    progress.append(log, records)
    with pytest.raises(StateError, match="step 1 had loss"):
        reproduce(steps=1, log=log)


def test_a_log_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="does not say how the training was planned"):
        reproduce(steps=1, log=tmp_path / "none.jsonl")


def test_checks_are_of_families_that_are_not_trained_on() -> None:
    drawn = held_out(Generated(), 64, 256, seed=0)
    assert drawn.values.shape == drawn.clean.shape == drawn.label.shape == (64, 256)
    assert drawn.kind.min() == CLEAN
    assert drawn.kind.max() < len(Generated().kinds)

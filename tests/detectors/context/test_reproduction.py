"""The shipped weights come from the shipped log: its first steps come out the same again."""

import json
from pathlib import Path

import numpy as np
import pytest

from tocsin.commands import training
from tocsin.commands.training import Course, Generated, course_of, plan_of, reproduce
from tocsin.detectors.context import progress
from tocsin.detectors.context.encoder import Size
from tocsin.detectors.context.examples import CLEAN, Form, Recipe, held_out
from tocsin.detectors.context.rcd import RelativeContext
from tocsin.detectors.context.shipped import LOGS
from tocsin.detectors.context.training import Plan
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.types import Spec


@pytest.mark.parametrize("form", LOGS)
def test_the_first_steps_have_the_losses_of_the_log(form: Form) -> None:
    assert reproduce(3, LOGS[form]) <= 0.01


@pytest.mark.parametrize("form", LOGS)
def test_the_log_was_planned_as_the_command_plans(form: Form) -> None:
    plan = progress.read(LOGS[form])[0]["plan"]
    assert plan == json.loads(json.dumps(plan_of(form, plan["seed"], course_of(form)).as_table()))


def test_another_loss_is_told(tmp_path: Path) -> None:
    records = progress.read(LOGS["live"])[:4]
    records[1]["found"] *= 1.5
    log = tmp_path / "log.jsonl"
    progress.append(log, records)
    with pytest.raises(StateError, match="step 1 had loss"):
        reproduce(steps=1, log=log)


def test_the_command_trains_into_a_folder_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def small(form: Form, seed: int, course: Course) -> Plan:
        size = Size(width=16, heads=2, blocks=1, inner=32, fine=4)
        recipe = Recipe(length=256, points=512, form=form)
        return Plan(steps=course.steps, seed=seed, check_windows=8, size=size, recipe=recipe)

    monkeypatch.setattr(training, "plan_of", small)
    training.train_zero_shot(tmp_path, "live", 7, course_of("live", 2), ahead=False)
    assert "rcd.safetensors" in capsys.readouterr().err
    value = RelativeContext(weights=str(tmp_path / "rcd.safetensors")).offline(
        Spec((1,)), np.empty((0, 1)), np.zeros((100, 1))
    )
    assert np.isfinite(value.value).all()


def test_plain_noise_is_trained_on_and_not_checked_on() -> None:
    rng = np.random.default_rng(0)
    drawn = Generated()(rng, 50, 256, held_out=False)
    assert drawn.values.shape == drawn.clean.shape == drawn.label.shape == (50, 256)
    noise = drawn.clean[-6:]  # memory would show from row to row
    assert max(abs(np.corrcoef(row[1:], row[:-1])[0, 1]) for row in noise) < 0.3
    assert (drawn.values == drawn.clean)[~drawn.label & np.isfinite(drawn.values)].mean() > 0.9


def test_a_log_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="does not say how the training was planned"):
        reproduce(steps=1, log=tmp_path / "none.jsonl")


def test_checks_are_of_families_that_are_not_trained_on() -> None:
    drawn = held_out(Generated(), 64, 256, seed=0)
    assert drawn.values.shape == drawn.clean.shape == drawn.label.shape == (64, 256)
    assert drawn.kind.min() == CLEAN
    assert drawn.kind.max() < len(Generated().kinds)

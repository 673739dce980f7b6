"""`tocsin train-zero-shot`: the encoder of `rcd` trained anew on our own synthetic series."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from tocsin.commands.screen import stderr
from tocsin.detectors.context.examples import CLEAN, Drawn, Form, Recipe
from tocsin.evaluation.datasets.generator import corpus
from tocsin.evaluation.datasets.kinds import HELD_OUT, KINDS, plant
from tocsin.evaluation.datasets.kinds_scene import scenes
from tocsin.pipeline.errors import ConfigError, StateError

try:
    from tocsin.detectors.context import progress
    from tocsin.detectors.context.shipped import LOGS
    from tocsin.detectors.context.training import Plan, train
except ModuleNotFoundError as missing:
    if (missing.name or "").startswith("tocsin"):
        raise
    raise ConfigError(
        f"train-zero-shot needs {missing.name}: pip install 'tocsin[deep]'"
    ) from missing

_HARD = ("phase_jump", "out_of_place", "reversed", "negated")
_NOISY = 0.12  # share of the windows to train on that are plain noise
_WRONG = 0.8  # share of those into which an anomaly is planted
_SAME = 0.01  # the share by which another machine's losses may differ


class Course(NamedTuple):
    """How many steps are trained, and in how many rounds of the learning rate."""

    steps: int
    rounds: int = 1


SHIPPED: dict[Form, Course] = {"live": Course(20_000), "offline": Course(80_000, rounds=2)}


@dataclass(frozen=True, slots=True)
class Generated:
    """Windows of one channel from our own generator, and some of plain noise to train on."""

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(KINDS)

    def __call__(
        self, rng: np.random.Generator, count: int, length: int, *, held_out: bool
    ) -> Drawn:
        noisy = 0 if held_out else int(_NOISY * count)
        windows = corpus(rng, count - noisy, length, held_out=held_out)
        drawn = Drawn(windows.values[:, :, 0], windows.clean[:, :, 0], windows.label, windows.kind)
        if not noisy:
            return drawn
        noise = _noise(rng, noisy, length)
        return Drawn(
            np.concatenate([drawn.values, noise.values]),
            np.concatenate([drawn.clean, noise.clean]),
            np.concatenate([drawn.label, noise.label]),
            np.concatenate([drawn.kind, noise.kind]),
        )


def _noise(rng: np.random.Generator, count: int, length: int) -> Drawn:
    """Noise without memory: normal, even, or with heavier tails; a quarter of it is rounded."""
    laws = (
        rng.standard_normal((count, length)),
        rng.uniform(-1.7, 1.7, (count, length)),
        rng.standard_t(5.0, (count, length)),
    )
    law = rng.choice(3, count, p=[0.6, 0.2, 0.2])
    clean = np.choose(law[:, None], laws)
    step = rng.uniform(0.2, 1.0, (count, 1))
    clean = np.where(rng.random((count, 1)) < 0.25, np.rint(clean / step) * step, clean)
    values, label = clean.copy(), np.zeros(clean.shape, dtype=np.bool_)
    kind = np.full(count, CLEAN, dtype=np.int64)
    usable = [
        number
        for number, (name, one) in enumerate(KINDS.items())
        if name not in HELD_OUT and not one.cyclic and not one.needs_channels
    ]
    for row, scene in enumerate(scenes(clean, np.roll(clean, 1, axis=0))):
        number = int(rng.choice(usable))
        planted = plant(rng, list(KINDS.values())[number], [scene])
        if planted is not None and rng.random() < _WRONG:
            values[row], label[row] = planted.values[:, 0], planted.wrong[:, 0]
            kind[row] = number
    return Drawn(values, clean, label, kind)


def course_of(form: Form, steps: int | None = None) -> Course:
    """How long the shipped weights of a form were trained, or so many steps in one round."""
    return SHIPPED[form] if steps is None else Course(steps)


def plan_of(form: Form, seed: int, course: Course) -> Plan:
    """The settings that the shipped weights of a form were trained with, for another course."""
    recipe = Recipe(hard=_HARD, form=form)
    return Plan(steps=course.steps, seed=seed, rounds=course.rounds, recipe=recipe)


def train_zero_shot(folder: Path, form: Form, seed: int, course: Course, *, ahead: bool) -> None:
    """Train into a folder, or go on with what is there; at the end it has `rcd.safetensors`.

    `ahead` draws windows in a second process, which takes another half core.
    """
    stderr().print(f"Training for {course.steps} steps; {folder / 'log.jsonl'} tells how it goes.")
    weights = train(Generated(), plan_of(form, seed, course), folder, ahead=ahead)
    stderr().print(f"The weights are in {weights}.")


def reproduce(steps: int = 200, log: Path = LOGS["live"]) -> float:
    """Train the first steps again and give the largest difference of a loss from the log's.

    The difference is a share of the loss: 0 on the same kind of machine, and rounding on others. A
    StateError says where it is more than a hundredth.
    """
    records = progress.read(log)
    header = next((record for record in records if "plan" in record), None)
    if header is None:
        raise StateError(f"{log}: does not say how the training was planned")
    was = header["plan"]
    plan = plan_of(was["recipe"]["form"], was["seed"], Course(was["steps"], was["rounds"]))
    with TemporaryDirectory() as folder:
        plan = replace(plan, check_every=plan.steps)
        train(Generated(), plan, Path(folder), until=steps, ahead=False)
        again = progress.read(Path(folder) / "log.jsonl")
    return _difference(log, records, again)


def _difference(
    log: Path, before: Iterable[progress.Record], after: Iterable[progress.Record]
) -> float:
    losses = {record["step"]: record["found"] for record in before if "found" in record}
    largest = 0.0
    for record in after:
        if record["step"] not in losses or "found" not in record:
            continue
        share = abs(record["found"] - losses[record["step"]]) / losses[record["step"]]
        if share > _SAME:
            raise StateError(
                f"{log}: step {record['step']} had loss {losses[record['step']]}, "
                f"this training has {record['found']}"
            )
        largest = max(largest, share)
    return largest

"""What a backtest is to do: every detector over every series, each a task with a lasting name."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tocsin.config import Experiment
from tocsin.configuration.shape import Backtest
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.classical.mahalanobis_train import MahalanobisTrain
from tocsin.detectors.controls.constant import Constant
from tocsin.detectors.controls.position import Position
from tocsin.detectors.controls.random import Random
from tocsin.detectors.windows.window_std import WindowStd
from tocsin.evaluation.comparing.comparison import CONTROLS, MODES, Mode
from tocsin.evaluation.datasets.catalogue import Reference, list_series
from tocsin.evaluation.datasets.labelled_csv import Named
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.state import settings_of
from tocsin.pipeline.types import Scorer

_FORMAT = 1  # of what a task leaves behind; another number makes old results be made anew

_CONTROLS: dict[str, Scorer[Any]] = {
    "random": Random(),
    "constant": Constant(),
    "position": Position(),
    "moving_std_50": WindowStd(window=50),
    "knn_train": Knn(),
    "mahalanobis_train": MahalanobisTrain(),
}


@dataclass(frozen=True, slots=True)
class Task:
    """One detector on one series in one mode; small, and picklable for another process.

    `scorer` None is chosen by the shape of the series. `stages` are those that were asked for, by
    their names in `Stages`; of the others, what `tocsin score` takes holds.
    """

    reference: Reference
    detector: str
    scorer: Scorer[Any] | None
    mode: Mode
    stages: Mapping[str, Any] = field(hash=False)
    train: str | float = "prefix"
    buffer: int = 100

    @property
    def id(self) -> str:
        """A name for what is asked: series, detector, settings, mode.

        A result depends on the data and on the version of tocsin as well. They are kept beside
        it, so that a task has one name and one file, and is done again where they differ.
        """
        scorer = "auto" if self.scorer is None else settings_of(self.scorer)
        stages = settings_of(tuple(self.stages[name] for name in sorted(self.stages)))
        parts = (
            *(str(_FORMAT), self.reference.name, self.detector, scorer, self.mode),
            *(stages, ",".join(sorted(self.stages)), str(self.train), str(self.buffer)),
        )
        return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=10).hexdigest()


@dataclass(frozen=True, slots=True)
class Plan:
    """The tasks in order, by series, and the detector that others are tested against."""

    tasks: tuple[Task, ...]
    baseline: str

    @property
    def detectors(self) -> tuple[str, ...]:
        """The detectors, as they were given, the controls last."""
        return tuple(dict.fromkeys(task.detector for task in self.tasks))


def plan(
    scorers: Mapping[str, Scorer[Any] | None],
    data: Path,
    rules: Backtest | None = None,
    stages: Mapping[str, Any] | None = None,
) -> Plan:
    """Every scorer, and every control, over the series of a folder; None is `auto`.

    Raises a ConfigError for a detector that takes the name of a control and is another, for a
    baseline that is not there, and for a pattern that no series matches.
    """
    rules = rules or Backtest()
    for name in scorers.keys() & _CONTROLS.keys():
        if scorers[name] != _CONTROLS[name]:
            raise ConfigError(f"{name!r} is the name of a control; call the detector otherwise")
    every = {**scorers, **{name: _CONTROLS[name] for name in CONTROLS}}
    if rules.baseline not in every:
        raise ConfigError(f"baseline {rules.baseline!r} is none of {', '.join(every)}")
    told = rules.columns
    named = Named(told.time, told.label, told.channels, told.key) if told is not None else None
    found = list_series(data, rules.datasets, named)
    chosen = [one for one in found if fnmatchcase(one.series, rules.series)]
    if not chosen:
        raise ConfigError(f"{data}: none of {len(found)} series matches {rules.series!r}")
    return Plan(_tasks(chosen, every, rules, stages or {}), rules.baseline)


def plan_of(experiment: Experiment, data: Path) -> Plan:
    """The plan of a configuration file."""
    return plan(experiment.scorers, data, experiment.rules, experiment.stages)


def _tasks(
    series: Sequence[Reference],
    scorers: Mapping[str, Scorer[Any] | None],
    rules: Backtest,
    stages: Mapping[str, Any],
) -> tuple[Task, ...]:
    modes: list[Mode] = [mode for mode in MODES if mode in rules.modes]
    return tuple(
        Task(reference, name, scorer, mode, stages, rules.train, rules.buffer)
        for reference in series
        for name, scorer in scorers.items()
        for mode in modes
    )

"""The configuration file: what it may say, and the stages it stands for.

A file is checked as a whole: every mistake is told, with its path and the nearest known key. See
`docs/configuration.md` for each key; `tocsin.configuration.schema` gives the same as a JSON Schema.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from tocsin.configuration.parts import Kind, Made, Place, make_part
from tocsin.configuration.sections import refuse_unmatched, server_of, stages_of, zone_of
from tocsin.configuration.settings import check
from tocsin.configuration.shape import Backtest, Document, ExperimentDocument, Rehearsal
from tocsin.configuration.yaml_file import read_yaml
from tocsin.connectors.dialect import Dialect
from tocsin.connectors.records import FieldMap
from tocsin.pipeline.calibrate import Calibrator, Conformal
from tocsin.pipeline.calibration.drift import DriftWatch
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.delivery import Delivery
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.grouping import Grouping
from tocsin.pipeline.health import Health
from tocsin.pipeline.order import Order
from tocsin.pipeline.ports import Source
from tocsin.pipeline.retention import Retention
from tocsin.pipeline.rules.abstention import Abstention
from tocsin.pipeline.rules.stage import Rules
from tocsin.pipeline.runner import RunOptions
from tocsin.pipeline.selftest.settings import SelfTest
from tocsin.pipeline.threshold import AlertBudget, Threshold
from tocsin.pipeline.types import Scorer, Spec, frames_of
from tocsin.pipeline.window import Window

if TYPE_CHECKING:
    from tocsin.connectors.prometheus_server import Server

STORE = "tocsin.db"
AUTO = "auto"  # the detector that is chosen by the shape of the data

_LIVE = frozenset({"host", "kafka"})  # their rows are of now, so silence can be told by the clock


@dataclass(frozen=True, slots=True)
class Stages:
    """The settings of every stage; a chain is these and the shape of the rows."""

    scorer: Scorer[Any]
    calibrator: Calibrator[Any] = field(default_factory=Conformal)
    threshold: Threshold[Any] = field(default_factory=AlertBudget)
    order: Order = field(default_factory=Order)
    grid: Grid | None = None
    window: Window = field(default_factory=Window)
    health: Health = field(default_factory=Health)
    gate: Gate = field(default_factory=Gate)
    episodes: Episodes = field(default_factory=Episodes)
    max_series: int = 1_000_000
    rules: Rules = field(default_factory=Rules)
    abstention: Abstention | None = None
    selftest: SelfTest | None = None
    grouping: Grouping | None = None
    drift: DriftWatch | None = None
    retention: Retention | None = None

    def chain(self, spec: Spec) -> Chain:
        """The chain for rows of a shape; a ConfigError where the detector cannot take them.

        Windows are as long as the detector needs where nothing is said of them.
        """
        frames = frames_of(self.scorer) if self.window.length == 1 else self.window.length
        return Chain(
            spec,
            self.scorer,
            calibrator=self.calibrator,
            threshold=self.threshold,
            order=self.order,
            grid=self.grid,
            window=replace(self.window, length=frames),
            health=self.health,
            gate=self.gate,
            episodes=self.episodes,
            max_series=self.max_series,
            rules=self.rules,
            abstention=self.abstention,
            selftest=self.selftest,
            grouping=self.grouping,
            drift=self.drift,
            retention=self.retention,
        )


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration, checked, with nothing opened yet.

    `source` is called `name`. `state_dir` None keeps the state in memory. `server` tells of a run
    while it is entered. Times that name no zone are local to `zone`.
    """

    path: Path
    name: str
    source: Source
    stages: Stages
    delivery: Delivery
    options: RunOptions
    state_dir: Path | None = None
    tests: tuple[Rehearsal, ...] = ()
    server: "Server | None" = None
    zone: str = "UTC"

    @property
    def store(self) -> Path | None:
        """The file of the store, or None for one in memory."""
        return None if self.state_dir is None else self.state_dir / STORE

    @property
    def dialect(self) -> Dialect | None:
        """How the source's CSV files are written, None where it reads none."""
        found = getattr(self.source, "dialect", None)
        return found if isinstance(found, Dialect) else None

    @property
    def fields(self) -> FieldMap | None:
        """The source's field map, None where it has none or guesses it."""
        holder = getattr(self.source, "settings", self.source)
        fields = getattr(holder, "fields", None)
        return fields if isinstance(fields, FieldMap) else None


def load(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Read a configuration; a ConfigError tells every mistake in it.

    `environment` fills `${NAME}` in; left out, it is the process's own. Relative paths are seen
    from the folder of the file. Opens and connects nothing.
    """
    raw, unset = read_yaml(path, os.environ if environment is None else environment)
    wrong: list[str] = []
    zone = zone_of(raw)
    given, mistakes = check(Document, raw, folder=path.parent, zone=zone)
    wrong += mistakes
    parts = _parts(raw, Place("sources", "", path.parent, zone, _channels(raw)), wrong)
    for kind in ("sources", "detectors"):
        if kind in raw and len(parts[kind]) != 1:
            have = ", ".join(parts[kind]) or "none"
            wrong.append(f"$.{kind}: found {have}; this version runs exactly one")
    common = next((part.common for part in parts["sources"].values()), {})
    scorer: Any = next((part.made for part in parts["detectors"].values()), None)
    stages = stages_of(given, common, zone, wrong)
    refuse_unmatched(stages, _channels(raw), wrong)
    server = server_of(given.get("server"), wrong)
    _refuse(path, wrong, unset)
    ((name, source),) = parts["sources"].items()
    letters = [part.made for part in parts["dead_letters"].values()]
    state = given.get("state")
    return Config(
        path=path,
        name=name,
        source=source.made,
        stages=Stages(scorer, **stages),
        delivery=Delivery(
            {name: part.made for name, part in parts["sinks"].items()},
            letters[0] if letters else None,
        ),
        options=RunOptions(
            checkpoint_every_s=10.0 if state is None else state.checkpoint_every,
            on_late=source.common.get("on_late", "dead_letter"),
            silence=source.type in _LIVE,
        ),
        state_dir=None if state is None else state.dir,
        tests=tuple(given.get("tests", ())),
        server=server,
        zone=zone,
    )


@dataclass(frozen=True, slots=True)
class Experiment:
    """A configuration that is to be backtested.

    `scorers` are the detectors by name; None is `auto`, chosen for each series. `stages` are those
    that the file speaks of, by the names they have in `Stages`.
    """

    path: Path
    scorers: Mapping[str, Scorer[Any] | None]
    stages: Mapping[str, Any]
    rules: Backtest


def is_experiment(path: Path) -> bool:
    """Whether a configuration can only be backtested: it has detectors and no source."""
    raw, _ = read_yaml(path, os.environ)
    return "detectors" in raw and "sources" not in raw


def load_experiment(path: Path, environment: Mapping[str, str] | None = None) -> Experiment:
    """Read a configuration for a backtest: any number of detectors, no source needed.

    A ConfigError tells every mistake in it.
    """
    raw, unset = read_yaml(path, os.environ if environment is None else environment)
    wrong: list[str] = []
    zone = zone_of(raw)
    given, mistakes = check(ExperimentDocument, raw, folder=path.parent, zone=zone)
    wrong += mistakes
    automatic = _automatic(raw, wrong)
    rest = {k: v for k, v in _named(raw, "detectors").items() if k not in automatic}
    place = Place("sources", "", path.parent, zone, _channels(raw))
    parts = _parts({**raw, "detectors": rest}, place, wrong)
    common = next((part.common for part in parts["sources"].values()), {})
    stages = stages_of(given, common, zone, wrong)
    _refuse(path, wrong, unset)
    scorers: dict[str, Scorer[Any] | None] = dict.fromkeys(automatic)
    scorers |= {name: part.made for name, part in parts["detectors"].items()}
    spoken = {
        stage for section, both in _SECTIONS.items() if raw.get(section) for stage in both.split()
    }
    if stages["grouping"] is not None:
        spoken.add("grouping")
    return Experiment(
        path,
        {name: scorers[name] for name in raw["detectors"]},
        {stage: stages[stage] for stage in sorted(spoken)},
        given.get("backtest", Backtest()),
    )


_SECTIONS = {
    "scoring": "calibrator abstention drift",
    "thresholds": "threshold",
    "grid": "grid",
    "windows": "window",
    "health": "health",
    "series": "health",
    "learning": "gate",
    "rules": "rules",
    "retention": "retention",
    "selftest": "selftest",
    "events": "episodes",
}


def _named(raw: Mapping[str, Any], kind: str) -> dict[str, Any]:
    given = raw.get(kind)
    return given if isinstance(given, dict) else {}


def _automatic(raw: Mapping[str, Any], wrong: list[str]) -> list[str]:
    """The names of the detectors that are chosen for each series."""
    found = []
    for name, part in _named(raw, "detectors").items():
        if isinstance(part, dict) and part.get("type") == AUTO:
            found.append(name)
            wrong += [
                f"$.detectors.{name}.{key}: unknown key; a detector that is chosen has no settings"
                for key in part.keys() - {"type"}
            ]
    return found


def _parts(raw: Mapping[str, Any], place: Place, wrong: list[str]) -> dict[Kind, dict[str, Made]]:
    """Every part of the file that has a type, by section and name; `place` but for those two."""
    found: dict[Kind, dict[str, Made]] = {}
    for kind in get_args(Kind):
        given = raw.get(kind) or {}
        if kind == "dead_letters" and given:
            given = {"": given}
        named = given if isinstance(given, dict) else {}
        found[kind] = {
            name: make_part(replace(place, kind=kind, name=name), values, wrong)
            for name, values in named.items()
        }
    return found


def _channels(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The channels that the first source lists; none where it leaves them to be found."""
    sources = raw.get("sources")
    first = next(iter(sources.values()), None) if isinstance(sources, dict) else None
    listed = first.get("channels") if isinstance(first, dict) else None
    return tuple(map(str, listed)) if isinstance(listed, list) else ()


def _refuse(path: Path, wrong: list[str], unset: list[str]) -> None:
    """Raise a ConfigError with every mistake, if there is one."""
    # What follows from a variable that is not set is no mistake of its own.
    unfilled = {line.partition(": ")[0] for line in unset}
    told = unset + [
        line
        for line in wrong
        if line.partition(": ")[0] not in unfilled or ": unknown key; " in line
    ]
    if told:
        count = "1 mistake" if len(told) == 1 else f"{len(told)} mistakes"
        raise ConfigError("\n  ".join([f"{path} has {count}:", *dict.fromkeys(told)]))

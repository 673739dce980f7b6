"""The shape of a configuration: its sections and keys, as pydantic sees them."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tocsin.configuration.settings import (
    File,
    Moment,
    Nanoseconds,
    Seconds,
    Section,
    Texts,
    Zone,
    model_of,
)
from tocsin.pipeline.calibration.drift import DriftWatch
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.grouping import Grouping
from tocsin.pipeline.health import Health
from tocsin.pipeline.incidents import Kind
from tocsin.pipeline.retention import Retention
from tocsin.pipeline.rules.abstention import Abstention
from tocsin.pipeline.rules.stage import Rules
from tocsin.pipeline.selftest.settings import SelfTest
from tocsin.pipeline.window import Window

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][\w-]*$")]
Part = dict[str, Any]  # checked by its type's own rules
Bound = Annotated[float, Field(allow_inf_nan=False)] | None


class Defaults(Section):
    """What holds where nothing else is said."""

    timezone: Zone = "UTC"
    learn: Literal["always", "freeze_while_firing", "quarantine"] = "freeze_while_firing"


class SourceCommon(Section):
    """Keys that every source has."""

    type: str
    allowed_lateness: Nanoseconds = 0
    max_ahead: Nanoseconds = 60_000_000_000
    on_late: Literal["dead_letter", "drop"] = "dead_letter"


class Typed(Section):
    """A part whose other keys depend on its type."""

    type: str


class Match(Section):
    """Which series and channels are meant, as shell patterns."""

    series: str = "*"
    channel: str = "*"


class SeriesRule(Section):
    """What is known of some series; of several rules that match, the last wins."""

    match: Match = Match()
    range: tuple[Bound, Bound] = (None, None)
    stale_after: Nanoseconds = 0

    @model_validator(mode="after")
    def _says_something(self) -> "SeriesRule":
        if not self.model_fields_set & {"range", "stale_after"}:
            raise ValueError("says nothing; give range, stale_after or both")
        low, high = self.bounds()
        if not low < high:
            raise ValueError(f"range [{low:g}, {high:g}] is empty; the lower bound comes first")
        return self

    def bounds(self) -> tuple[float, float]:
        """The range; a bound that is left open is infinite."""
        low, high = self.range
        return -math.inf if low is None else low, math.inf if high is None else high


class Scoring(Section):
    """From raw scores to tail probabilities, and when these are not to be trusted."""

    calibrate: Part | None = None
    abstain: model_of(Abstention) | None = None  # type: ignore[valid-type] # a class made from a constructor
    drift: model_of(DriftWatch) | None = None  # type: ignore[valid-type] # as above


class Thresholds(Section):
    """Alarm rules by name; the one in use is called default."""

    default: Part


class State(Section):
    """Where progress is kept."""

    dir: File
    checkpoint_every: Annotated[Seconds, Field(gt=0)] = 10.0


class Server(Section):
    """Where metrics and health are told over HTTP."""

    listen: str = "127.0.0.1:9180"
    alive: Annotated[Seconds, Field(gt=0)] = 300.0


class Grouped(Section):
    """Which incidents are told as one; off where nothing is said."""

    group: model_of(Grouping) | None = None  # type: ignore[valid-type] # a class made from a constructor


class Input(Section):
    """The rows of a test."""

    file: File


class Expect(Section):
    """What a test wants of the incidents.

    `within` is counted from `after`, or from the first row where there is no `after`.
    """

    events: Annotated[int, Field(ge=0)] | None = None
    kinds: tuple[Kind, ...] | None = None
    series: Texts | None = None
    within: Nanoseconds | None = None
    after: Moment | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Expect":
        if not self.model_fields_set - {"after"}:
            raise ValueError("expects nothing; give events, kinds, series or within")
        return self


class Rehearsal(Section):
    """Rows, and the incidents they must give."""

    name: str
    input: Input
    expect: Expect


class CsvColumns(Section):
    """Which columns of one's own labelled csv files hold what; `key` tells the series of a row.

    The label and the time are found by their usual names where they are not named, and all other
    columns are channels.
    """

    time: str | None = None
    label: str | None = None
    channels: Texts = ()
    key: str | None = None


class Backtest(Section):
    """What `tocsin backtest` runs; a live run reads nothing of it.

    `datasets` are names of data sets, all that are found where none is named; `series` is a shell
    pattern over their series. `train` is `prefix` for the clean rows that each data set names,
    `none`, or a number of rows or a share of them. `baseline` is the detector that the others are
    tested against. `buffer` is how many rows around an event PATE allows for. With `columns`, the
    data are csv files with these columns, and no other format is looked for.
    """

    datasets: Texts = ()
    series: str = "*"
    modes: tuple[Literal["causal", "offline"], ...] = ("causal", "offline")
    train: Literal["prefix", "none"] | Annotated[float, Field(gt=0)] = "prefix"
    baseline: str = "moving_std_50"
    buffer: Annotated[int, Field(ge=0)] = 100
    columns: CsvColumns | None = None


class Document(Section):
    """A configuration."""

    version: Literal[1]
    defaults: Defaults = Defaults()
    sources: dict[Name, Part]
    detectors: dict[Name, Part]
    series: tuple[SeriesRule, ...] = ()
    grid: model_of(Grid) | None = None  # type: ignore[valid-type] # a class made from a constructor
    windows: model_of(Window) | None = None  # type: ignore[valid-type] # as above
    scoring: Scoring = Scoring()
    thresholds: Thresholds | None = None
    rules: model_of(Rules) | None = None  # type: ignore[valid-type] # as above
    events: model_of(Episodes, Grouped) | None = None  # type: ignore[valid-type] # as above
    health: model_of(Health, leave_out=["limits"]) | None = None  # type: ignore[valid-type] # as above
    selftest: model_of(SelfTest) | None = None  # type: ignore[valid-type] # as above
    learning: model_of(Gate, leave_out=["learn"]) | None = None  # type: ignore[valid-type] # as above
    max_series: Annotated[int, Field(ge=1)] = 1_000_000
    retention: model_of(Retention) | None = None  # type: ignore[valid-type] # as above
    sinks: Annotated[dict[Name, Part], Field(default_factory=dict)]
    dead_letters: Part | None = None
    state: State | None = None
    server: Server | None = None
    tests: tuple[Rehearsal, ...] = ()
    backtest: Backtest = Backtest()


class ExperimentDocument(Document):
    """A configuration that is backtested: it needs no source."""

    sources: Annotated[dict[Name, Part], Field(default_factory=dict)]

"""The stages in a row: their settings together, and all that they remember."""

import hashlib
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np

from tocsin.pipeline.calibrate import Calibrator, Conformal
from tocsin.pipeline.calibration.drift import DriftState, DriftWatch, refuse_uneven
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import Episodes, EpisodesState, Naming
from tocsin.pipeline.gate import Gate, GateState, Waiting
from tocsin.pipeline.grid import Grid, GridState
from tocsin.pipeline.grouping import Grouping, GroupingState
from tocsin.pipeline.health import Health, HealthState
from tocsin.pipeline.keyed import grow, per_key
from tocsin.pipeline.keys import KeyTable
from tocsin.pipeline.order import NEVER, Order, OrderState
from tocsin.pipeline.retention import Retention, RetentionState
from tocsin.pipeline.rules.abstention import Abstention
from tocsin.pipeline.rules.stage import Rules, RulesState
from tocsin.pipeline.selftest.settings import SelfTest, SelfTestState
from tocsin.pipeline.state import settings_of
from tocsin.pipeline.threshold import AlertBudget, Threshold
from tocsin.pipeline.types import BoolArray, ByteArray, FloatArray, IntArray, Scorer, Spec
from tocsin.pipeline.window import Window, WindowState


@dataclass(frozen=True, slots=True)
class Chain:
    """The settings of every stage.

    `spec` is the shape of one row; the scorer is given windows of `window.length` of them. With
    `abstention`, rows whose decision hangs on which scores happened to calibrate it are "can't
    say"; it needs a calibrator that tells the `size` of its history. At most `max_series` series
    are kept in a partition; rows of further ones are refused. With `retention`, series that have
    gone silent for good are forgotten. With `grouping`, incidents of the partition carry the group
    they belong to. With `drift`, series whose tails are no longer even are told; it needs a
    calibrator whose tails are meant to be.
    """

    spec: Spec
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

    def __post_init__(self) -> None:
        takes = self.scorer.traits.item
        if (takes == "channels") != (len(self.spec.item) == 1):
            found = "channels" if len(self.spec.item) == 1 else "frames"
            raise ConfigError(
                f"{type(self.scorer).__name__} scores {takes}, the source gives {found} "
                f"of shape {self.spec.item}"
            )
        if self.abstention is not None and not hasattr(self.calibrator, "size"):
            raise ConfigError(
                f"abstention needs the number of calibration scores, which "
                f"{type(self.calibrator).__name__} does not tell"
            )
        if self.drift is not None:
            refuse_uneven(self.calibrator)
        if self.retention is not None:
            self.retention.refuse_lateness(self.order.lateness_ns)

    @property
    def in_bulk(self) -> bool:
        """Whether many ticks may be judged at once; else they are judged one after another."""
        return (
            self.gate.learn != "quarantine"
            # Its number of scores never falls, so it is seen whether it stayed the same.
            and (self.abstention is None or type(self.calibrator) is Conformal)
            and not hasattr(self.threshold, "observe")
        )

    def window_spec(self) -> Spec:
        """What the scorer is given."""
        return replace(self.spec, window=self.window.length)

    def learned_under(self) -> str:
        """The settings that what is learned depends on; the others may change between runs."""
        return settings_of((self.spec, self.grid, self.window, self.scorer, self.calibrator))

    def rule(self) -> str:
        """A short id of what scores the rows; part of every incident's id.

        Alarm levels, budgets and the incident rules are no part of it, so that moving one does not
        rename an incident that is open.
        """
        return _rule(self)


@lru_cache(maxsize=64)
def _rule(chain: Chain) -> str:
    text = settings_of((chain.spec.item, chain.grid, chain.window, chain.scorer))
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


@dataclass(slots=True)
class NoState:
    """The state of a stage that is left out."""


@dataclass(slots=True)
class Held:
    """The rows of the open tick: scored already, learned when the tick closes.

    The scorer learns the `learnable` rows. The calibrator learns each `lesson` that is a number:
    these rows' scores, and one no wilder than need be of a row that begins an incident.
    """

    key: IntArray  # (N,)
    time: IntArray  # (N,)
    values: FloatArray  # (N, T, *item)
    score: FloatArray  # (N,)
    tail: FloatArray  # (N,)
    learnable: BoolArray  # (N,)
    lesson: FloatArray  # (N,)


@dataclass(slots=True)
class ChainState:
    """All that a partition remembers; plain, so it can be saved, compared and replayed.

    `waiting` are the rows in quarantine. `clock` is the newest time that has been judged, `ticks`
    how many ticks have closed, `fragile` whether the scorer has ever raised, after which its rows
    are learned one by one.
    """

    keys: KeyTable
    order: OrderState
    grid: GridState | NoState
    window: WindowState
    health: HealthState
    scorer: Any
    calibrator: Any
    threshold: Any
    rules: RulesState
    gate: GateState
    waiting: Waiting
    episodes: EpisodesState
    selftest: SelfTestState | NoState
    grouping: GroupingState | NoState
    drift: DriftState | NoState
    retention: RetentionState | NoState
    held: Held
    clock: int
    ticks: int
    fragile: bool
    tripped: BoolArray = per_key(fill=False)  # (K,) the scorer raised when it last learned the key


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of rows, in the order they were judged.

    `key`, `time`, `score`, `tail`, `alpha`, `alarm` and `verdict` are (N,). A score or tail of NaN
    is no opinion; an alpha of NaN means that the alarm level is not known yet; neither can alarm.
    `verdict` says with the codes of `tocsin.pipeline.rules.verdicts` what became of the row, and
    where a tail under its level is no alarm, why; `alarm` is where it is ALARM.
    """

    key: IntArray
    time: IntArray
    score: FloatArray
    tail: FloatArray
    alpha: FloatArray
    alarm: BoolArray
    verdict: ByteArray

    def __len__(self) -> int:
        return len(self.key)


def start(chain: Chain) -> ChainState:
    """The state before any row."""
    item = chain.spec.item
    none = np.empty(0, dtype=np.int64)
    windows, none_yet = np.empty((0, chain.window.length, *item)), np.empty(0)
    return ChainState(
        keys=KeyTable([]),
        order=chain.order.start(item),
        grid=chain.grid.start(item) if chain.grid else NoState(),
        window=chain.window.start(item),
        health=chain.health.start(item),
        scorer=chain.scorer.start(chain.window_spec()),
        calibrator=chain.calibrator.start(),
        threshold=chain.threshold.start(),
        rules=chain.rules.start(item),
        gate=chain.gate.start(),
        waiting=Waiting(none, none, windows, np.empty(0)),
        episodes=chain.episodes.start(item),
        selftest=chain.selftest.start(item) if chain.selftest else NoState(),
        grouping=chain.grouping.start() if chain.grouping else NoState(),
        drift=chain.drift.start() if chain.drift else NoState(),
        retention=chain.retention.start() if chain.retention else NoState(),
        held=Held(none, none, windows, none_yet, none_yet, none_yet > 0, none_yet),
        clock=NEVER,
        ticks=0,
        fragile=False,
        tripped=np.empty(0, dtype=bool),
    )


def make_room(chain: Chain, state: ChainState, new: IntArray) -> None:
    """Give new series, by their ids (N,) in the key table, their rows in every stage."""
    grow(state, len(state.keys))
    channels = chain.spec.channel_names()
    for key in new.tolist():
        chain.health.enlist(state.health, key, state.keys.names[key], channels)


def naming(chain: Chain, state: ChainState) -> Naming:
    """What this chain's incidents are named by."""
    return Naming(state.keys.names, chain.spec.channel_names(), chain.rule())


def join_verdicts(parts: list[Verdicts]) -> Verdicts:
    """Verdicts one after another."""
    if not parts:
        none, numbers = np.empty(0, dtype=np.int64), np.empty(0)
        flags, codes = np.empty(0, dtype=bool), np.empty(0, dtype=np.int8)
        return Verdicts(none, none, numbers, numbers, numbers, flags, codes)
    names = [column.name for column in fields(Verdicts)]
    return Verdicts(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

"""A chain refuses parts that do not fit, and names its incidents by what scores the rows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracles.pipeline_scorers import Spread, SpreadOfFrames

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.chain import Chain, join_verdicts, make_room, naming, start
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.health import Health, Limits
from tocsin.pipeline.keyed import keyed_fields, read_field
from tocsin.pipeline.state import flatten
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import Spec
from tocsin.pipeline.window import Window

CHAIN = Chain(Spec((2,), channels=("flow", "heat")), Spread())


def test_a_scorer_of_channels_is_not_given_frames() -> None:
    with pytest.raises(ConfigError, match=r"Spread scores channels, the source gives frames"):
        Chain(Spec((4, 4)), Spread())


def test_a_scorer_of_frames_is_not_given_channels() -> None:
    with pytest.raises(
        ConfigError, match=r"SpreadOfFrames scores frame, the source gives channels"
    ):
        Chain(Spec((2,)), SpreadOfFrames())


def test_the_scorer_is_told_the_window_it_gets() -> None:
    chain = replace(CHAIN, window=Window(5))
    assert chain.window_spec() == Spec((2,), window=5, channels=("flow", "heat"))


@pytest.mark.parametrize(
    "change",
    [
        {"scorer": Spread(keep=0.5)},
        {"window": Window(3)},
        {"grid": Grid(10)},
        {"spec": Spec((3,))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_scores_the_rows_names_the_rule(change: dict[str, Any]) -> None:
    assert replace(CHAIN, **change).rule() != CHAIN.rule()


@pytest.mark.parametrize(
    "change",
    [{"threshold": FixedTail(0.5)}, {"gate": Gate(learn="always")}, {"health": Health(0)}],
    ids=lambda change: next(iter(change)),
)
def test_alarm_settings_rename_no_incident(change: dict[str, Any]) -> None:
    moved = replace(CHAIN, **change)
    assert moved.rule() == CHAIN.rule()
    assert moved.learned_under() == CHAIN.learned_under()


def test_the_rule_is_the_same_in_every_run() -> None:
    assert CHAIN.rule() == Chain(Spec((2,), channels=("flow", "heat")), Spread()).rule()
    assert len(CHAIN.rule()) == 8


def test_what_is_learned_depends_on_the_calibrator_too() -> None:
    assert replace(CHAIN, calibrator=Conformal(history=9)).learned_under() != CHAIN.learned_under()


@pytest.mark.parametrize("chain", [CHAIN, replace(CHAIN, grid=Grid(10), window=Window(3))])
def test_a_chain_starts_with_room_for_nobody(chain: Chain) -> None:
    state = start(chain)
    assert len(state.keys) == 0
    assert all(len(read_field(state, path)) == 0 for path in keyed_fields(state))
    flatten(state)  # raises where a state is not plain


def test_room_is_made_in_every_stage_at_once() -> None:
    chain = replace(CHAIN, grid=Grid(10), window=Window(3))
    state = start(chain)
    _, new = state.keys.intern([f"s{number}" for number in range(9)], 100)
    make_room(chain, state, new)
    assert {len(read_field(state, path)) for path in keyed_fields(state)} == {16}


def test_only_new_series_are_looked_up_among_the_limits() -> None:
    health = Health(limits=(Limits(series="b", channel="heat", high=5.0),))
    chain = replace(CHAIN, health=health)
    state = start(chain)
    for names in (["a"], ["b", "c"]):
        make_room(chain, state, state.keys.intern(names, 100)[1])
        state.health.high[0] = 1.0
    assert state.health.high[:3].tolist() == [[1.0, 1.0], [np.inf, 5.0], [np.inf, np.inf]]


def test_incidents_are_named_by_series_channels_and_rule() -> None:
    state = start(CHAIN)
    state.keys.intern(["pump"], 10)
    names = naming(CHAIN, state)
    assert (list(names.series), names.channels, names.rule) == (
        ["pump"],
        ("flow", "heat"),
        CHAIN.rule(),
    )


def test_no_verdicts_join_to_none() -> None:
    verdicts = join_verdicts([])
    assert len(verdicts) == 0
    assert verdicts.alarm.dtype == bool
    assert verdicts.key.dtype == np.int64

"""Levels of LORD++, SAFFRON and e-LOND, against online-fdr's numbers and by simulation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import fdr as slow

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.thresholds.fdr import (
    ELond,
    LordPlusPlus,
    Procedure,
    Saffron,
    begin_anew,
    in_turn,
)

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "decisions" / "fdr.json").read_text()
)
P, E = np.array(GOLDEN["p"]), np.array(GOLDEN["e"])


@pytest.mark.parametrize(
    ("procedure", "name"), [(LordPlusPlus(0.1), "lord_plus_plus"), (Saffron(0.1), "saffron")]
)
def test_levels_and_decisions_equal_those_of_online_fdr(procedure: Procedure, name: str) -> None:
    levels, alarms = in_turn(procedure, P)
    assert levels == pytest.approx(GOLDEN[name]["level"], rel=1e-12)
    assert "".join(map(str, alarms.astype(int))) == GOLDEN[name]["rejected"]


def test_e_values_are_decided_as_by_online_fdr() -> None:
    levels, alarms = in_turn(ELond(0.1), (0.5 / E) ** 2)
    assert 2 * np.sqrt(levels) == pytest.approx(GOLDEN["e_lond"]["level"], rel=1e-12)
    assert "".join(map(str, alarms.astype(int))) == GOLDEN["e_lond"]["rejected"]


def test_levels_equal_the_sums_of_the_papers() -> None:
    rng = np.random.default_rng(1)
    p = np.where(rng.random(150) < 0.3, rng.random(150) ** 8, rng.random(150))
    assert in_turn(LordPlusPlus(0.2), p)[0] == pytest.approx(slow.lord_plus_plus(p, 0.2))
    assert in_turn(Saffron(0.2, 0.4), p)[0] == pytest.approx(slow.saffron(p, 0.2, 0.4))
    assert in_turn(ELond(0.2), p)[0] == pytest.approx(slow.e_lond(p, 0.2))


@pytest.mark.parametrize("procedure", [LordPlusPlus(0.2), Saffron(0.2), ELond(0.2)])
def test_the_false_discovery_rate_is_kept(procedure: Procedure) -> None:
    rng = np.random.default_rng(2)
    series, tests = 400, 150
    wrong, found = np.zeros(series), np.zeros(series)
    state = procedure.start()
    grow(state, series)
    key = np.arange(series)
    for _ in range(tests):
        strange = rng.random(series) < 0.2
        p = np.where(strange, rng.random(series) ** 12, rng.random(series))
        alarm = procedure.tested(state, key, p)
        wrong += alarm & ~strange
        found += alarm
    rate = wrong / np.maximum(found, 1)
    assert rate.mean() <= 0.2 + 2 * rate.std() / np.sqrt(series)
    assert found.sum() > series


def test_a_short_memory_only_lowers_the_level() -> None:
    p = np.full(60, 1e-9)
    short, alarms = in_turn(LordPlusPlus(0.1, memory=5), p)
    whole, _ = in_turn(LordPlusPlus(0.1, memory=60), p)
    assert alarms.all()
    assert (short <= whole * (1 + 1e-12)).all()
    assert short[-1] < whole[-1]


def test_keys_have_accounts_of_their_own() -> None:
    rule = LordPlusPlus(0.1)
    state = rule.start()
    grow(state, 3)
    for _ in range(5):
        rule.tested(state, np.array([1]), np.array([1e-9]))
    level = rule.level(state, np.arange(3))
    assert level[0] == level[2] < level[1]
    begin_anew(state, np.array([1]))
    assert len(set(rule.level(state, np.arange(3)).tolist())) == 1


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="false-discovery rate"):
        LordPlusPlus(0.0)
    with pytest.raises(ConfigError, match="false-discovery rate"):
        Saffron(0.1, memory=0)
    with pytest.raises(ConfigError, match="candidate level"):
        Saffron(0.1, candidate=1.0)

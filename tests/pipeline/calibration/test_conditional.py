"""Calibration-conditional tails hold for nearly every history, plain ones for half of them."""

import numpy as np
import pytest
from oracles import calibration as oracle

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.calibration.conditional import Conditional, simes
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray

KEYS = 400
LADDER = np.linspace(0.0, 1.0, 401)


def tails(rule: Conditional | Conformal) -> FloatArray:
    """Tails (KEYS, 401) of known numbers under 100 uniform scores a key."""
    state = rule.start()
    grow(state, KEYS)
    key = np.tile(np.arange(KEYS), 100)
    value = np.random.default_rng(1).random(len(key))
    rule.advance(state, key, key, value)  # type: ignore[arg-type]  # both have the same state
    probe, where = np.tile(LADDER, KEYS), np.repeat(np.arange(KEYS), len(LADDER))
    return rule.tail(state, where, where, probe).reshape(KEYS, -1)


def share_of_histories_that_hold(tail: FloatArray) -> float:
    """How many keys have, at every level a, at most a share a of rows at or below it."""
    true = 1 - LADDER  # the chance of at least so high a score
    return float((tail[:, :-1] >= true[1:]).all(axis=1).mean())  # over each step of the ladder


def test_simes_is_the_product_of_its_factors() -> None:
    for size in (1, 2, 30, 101):
        rank = np.arange(1, size + 2)
        wanted = [oracle.simes(one, size, 0.1) for one in rank.tolist()]
        found = simes(rank, np.full(len(rank), size), 0.1)
        np.testing.assert_allclose(found, np.clip(wanted, 0, 1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bound", ["simes", "dkw"])
def test_nearly_every_history_holds_at_every_level(bound: str) -> None:
    rule = Conditional(history=100, alone=100, least=10, bound=bound, delta=0.1)  # type: ignore[arg-type]  # both are bounds
    assert share_of_histories_that_hold(tails(rule)) >= 0.88


def test_plain_tails_hold_at_every_level_for_few_histories() -> None:
    assert share_of_histories_that_hold(tails(Conformal(history=100, alone=100))) < 0.5


def test_bounds_are_never_below_the_plain_tail() -> None:
    plain = tails(Conformal(history=100, alone=100, extremes=False))
    assert (tails(Conditional(history=100, alone=100)) >= plain).all()
    assert (tails(Conditional(history=100, alone=100, bound="dkw")) >= plain).all()


def test_simes_leaves_the_smallest_tails_smallest() -> None:
    by_simes = tails(Conditional(history=100, alone=100))[:, -1]
    by_dkw = tails(Conditional(history=100, alone=100, bound="dkw"))[:, -1]
    assert (by_simes < 0.5 * by_dkw).all()


@pytest.mark.parametrize("settings", [{"delta": 0.0}, {"delta": 1.0}, {"bound": "guess"}])
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="simes or dkw"):
        Conditional(**settings)  # type: ignore[arg-type]  # wrong on purpose

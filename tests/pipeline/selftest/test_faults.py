"""Faults are what they are called, in the rows and places that they say, in units of the spread."""

import numpy as np
import pytest
from oracles.selftest_play import clean

from tocsin.pipeline.selftest.faults import (
    KINDS,
    LONGEST,
    Dose,
    Fault,
    gross_kinds,
    plan,
    plant,
    shaken,
    stretch,
)

DOSE = Dose(trials=9, gross=100.0, known=2, size=8.0)
EVERY = frozenset({"spike", "level_shift", "variance_burst"})


def drawn(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", KINDS)
def test_fault_stays_in_its_rows_and_places(kind: str) -> None:
    part = stretch(clean(64, channels=3))
    for fault in plan(part, DOSE, EVERY, drawn()):
        if fault.kind == kind:
            changed = plant(part, fault, drawn()) != part.values
            assert changed.any()
            assert not changed[: fault.first].any()
            assert not changed[fault.last :].any()
            others = np.setdiff1d(np.arange(3), fault.places)
            assert kind == "flatline" or not changed[:, others].any()


def test_plan_has_the_gross_faults_and_each_known_kind() -> None:
    faults = plan(stretch(clean(64)), DOSE, EVERY, drawn())
    gross = [fault.kind for fault in faults if fault.gross]
    assert gross == ["spike", "drop", "noise_burst"] * 3
    assert [fault.kind for fault in faults if not fault.gross] == [k for k in KINDS for _ in "12"]


def test_one_channel_has_no_correlation_to_break() -> None:
    faults = plan(stretch(clean(64, channels=1)), DOSE, EVERY, drawn())
    assert "broken_correlation" not in {fault.kind for fault in faults}


def test_gross_faults_are_those_the_scorer_promises_to_see() -> None:
    assert gross_kinds(frozenset({"variance_burst", "drift"})) == ("noise_burst",)
    assert gross_kinds(frozenset({"drift"})) == ("spike", "drop", "noise_burst")


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e6])
def test_sizes_are_in_units_of_the_spread(unit: float) -> None:
    values = unit * clean(4000, channels=1)
    part = stretch(values)
    assert part.spread[0] == pytest.approx(values.std(), rel=0.05)
    spike = plant(
        part, Fault("spike", 10, 11, np.array([0]), 8.0 * part.spread, gross=False), drawn()
    )
    assert spike[10, 0] - values[10, 0] == pytest.approx(8.0 * part.spread[0])


def test_drift_ends_at_its_size_and_stuck_repeats_the_row_before() -> None:
    part = stretch(clean(64))
    at = np.array([1])
    drift = plant(part, Fault("drift", 20, 44, at, 8.0 * part.spread[at], gross=False), drawn())
    assert drift[43, 1] - part.values[43, 1] == pytest.approx(8.0 * part.spread[1])
    stuck = plant(part, Fault("stuck", 20, 44, at, part.spread[at], gross=False), drawn())
    assert (stuck[20:44, 1] == part.values[19, 1]).all()


def test_broken_correlation_keeps_the_channel_to_its_own_values() -> None:
    part = stretch(clean(64))
    broken = plant(
        part,
        Fault("broken_correlation", 20, 44, np.array([0]), part.spread[:1], gross=False),
        drawn(),
    )
    assert set(broken[20:44, 0]) <= set(part.values[:, 0])
    assert not set(broken[20:44, 0]) & set(part.values[20:44, 0])


def test_missing_values_stay_missing_and_flat_or_empty_channels_are_left_alone() -> None:
    values = clean(64, channels=4)
    values[::3, 0], values[:, 1], values[:, 2] = np.nan, np.nan, 7.0
    part = stretch(values)
    assert (part.spread > 0).tolist() == [True, False, False, True]
    for fault in plan(part, DOSE, EVERY, drawn()):
        faulty = plant(part, fault, drawn())
        assert (np.isnan(faulty) == np.isnan(values)).all()
        assert (faulty[:, 2] == 7.0).all()


def test_gross_faults_leave_the_range_of_the_series() -> None:
    part = stretch(1e-9 * clean(64), np.array([50.0, 70.0]))
    for fault in plan(part, DOSE, EVERY, drawn()):
        least = 3.0 * part.reach[fault.places]
        assert (np.abs(fault.height) >= least).all() == fault.gross


def test_rows_that_stand_still_have_a_spread_if_the_series_has_moved_before() -> None:
    assert stretch(np.full((64, 1), 3.0), np.array([12.0])).spread.tolist() == [2.0]


def test_nothing_is_planned_where_nothing_moves() -> None:
    assert plan(stretch(np.full((64, 2), 3.0)), DOSE, EVERY, drawn()) == []


def test_mostly_equal_values_have_a_spread() -> None:
    values = np.zeros((64, 1))
    values[::8] = 1.0
    assert stretch(values).spread[0] == pytest.approx(values.std())


def test_image_fault_moves_a_square() -> None:
    frames = 0.5 + 0.01 * drawn().standard_normal((64, 16, 20))
    part = stretch(frames)
    for fault in plan(part, DOSE, frozenset({"spike"}), drawn()):
        assert len(fault.places) == 64
        assert plant(part, fault, drawn()).shape == frames.shape
        assert fault.kind != "broken_correlation"


def test_shaking_is_small_and_same_seeds_give_same_faults() -> None:
    part = stretch(clean(64))
    assert np.abs(shaken(part, 0.01, drawn()) - part.values).max() < 0.06 * part.spread.max()
    one, other = (plan(part, DOSE, EVERY, drawn(7)) for _ in range(2))
    assert [repr(fault) for fault in one] == [repr(fault) for fault in other]
    assert all(fault.last - fault.first <= LONGEST for fault in one)

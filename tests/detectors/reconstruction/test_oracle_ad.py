"""OracleAD finds a coupling that breaks, and says so when its structure has collapsed."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from oracles.oracle_ad import coupled
from oracles.windows import windows_of

from tocsin.detectors.reconstruction.oracle_ad import JOINED, OracleAd, OracleModel
from tocsin.evaluation.planted import area_under_curve
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, Spec

PAIR = OracleAd(window=6, width=8, heads=2, steps=150, batch=64, rate=3e-3, train=800, memory=1000)
TINY = OracleAd(window=4, width=4, heads=2, steps=12, train=60, memory=200)
FRAMES = 6


@lru_cache(maxsize=1)
def pair_model() -> OracleModel:
    model = PAIR.model(coupled(800, seed=0, broken=False))
    assert model is not None
    return model


def test_a_coupling_that_breaks_is_seen_in_the_deviation_and_not_in_the_error() -> None:
    sound, broken = (
        windows_of(coupled(600, seed=100, broken=broken), FRAMES) for broken in (False, True)
    )
    wrong = np.repeat([False, True], len(sound))
    parts = PAIR.parts(pair_model(), np.concatenate([sound, broken]))
    assert area_under_curve(wrong, parts.deviation) > 0.9
    assert area_under_curve(wrong, parts.error) < 0.75


def test_the_broken_pair_is_drawn_from_the_same_marginals() -> None:
    sound, broken = coupled(6000, seed=9, broken=False), coupled(6000, seed=9, broken=True)
    assert broken.std(axis=0) == pytest.approx(sound.std(axis=0), rel=0.1)
    for c in range(2):
        assert lagged(broken[:, c]) == pytest.approx(lagged(sound[:, c]), abs=0.05)
    assert alike(*sound.T) > 0.99
    assert abs(alike(*broken.T)) < 0.1


def alike(one: FloatArray, other: FloatArray) -> float:
    return float(np.asarray(np.corrcoef(one, other))[0, 1])


def lagged(values: FloatArray) -> float:
    return alike(values[1:], values[:-1])


@pytest.mark.parametrize("term", [0, 1, 2], ids=["newest", "past", "structure"])
def test_each_term_of_the_loss_is_positive_and_falls(term: int) -> None:
    loss = pair_model().trace.loss
    known = loss[:, term][~np.isnan(loss[:, term])]
    assert len(known) >= 130  # the structure has no term in the first pass of 13 steps
    assert (known > 0).all()
    assert known[12:36].mean() < known[:12].mean()
    assert known[-24:].mean() < 0.9 * known[:12].mean()


def test_a_healthy_structure_has_not_collapsed() -> None:
    assert not pair_model().trace.collapsed


def test_a_structure_that_collapses_in_training_is_flagged_and_has_no_opinion() -> None:
    # Of noise, nothing can be foretold; what is left to learn is to hold the distances still.
    noise = np.random.default_rng(0).normal(size=(202, 2))
    scorer = OracleAd(
        window=3,
        width=4,
        heads=2,
        train=60,
        memory=300,
        steps=300,
        batch=64,
        rate=0.05,
        rebuild=0.0,
        structure=1e4,
        unit=False,
    )
    model = scorer.model(noise)
    assert model is not None
    assert model.trace.collapsed
    assert np.isnan(scorer.measure(model, windows_of(noise, 3))[0]).all()


def test_embeddings_in_one_place_are_a_collapse_too() -> None:
    trace = pair_model().trace
    assert trace._replace(distance=np.array([1.0, 0.001])).collapsed
    assert trace._replace(motion=np.array([1.0, 0.001])).collapsed
    assert not trace._replace(distance=np.zeros(2), motion=np.zeros(2)).collapsed  # never moved


@pytest.mark.parametrize("joined", JOINED)
def test_the_halves_are_joined_as_asked(joined: str) -> None:
    scorer = replace(TINY, joined=joined)
    windows = windows_of(coupled(30, seed=3, broken=True), 4)
    model = TINY.model(coupled(80, seed=2, broken=False))
    assert model is not None
    value, blame = scorer.measure(model, windows)
    parts = scorer.parts(model, windows)
    assert value == pytest.approx(joined_by(joined, parts.error, parts.deviation))
    assert blame[:, -1] == pytest.approx(joined_by(joined, parts.errors, parts.deviations))
    assert not blame[:, :-1].any()


def joined_by(joined: str, error: FloatArray, deviation: FloatArray) -> FloatArray:
    ways = {"sum": (error + deviation) / 2, "product": error * deviation}
    return {**ways, "error": error, "deviation": deviation}[joined]


def test_of_one_channel_the_score_is_its_error() -> None:
    rows = coupled(100, seed=4, broken=False)[:, :1]
    model = TINY.model(rows)
    assert model is not None
    windows = windows_of(rows, 4)
    assert np.array_equal(TINY.measure(model, windows)[0], TINY.parts(model, windows).error)


def test_ordinary_rows_score_about_one() -> None:
    windows = windows_of(coupled(400, seed=5, broken=False), FRAMES)
    assert np.nanmean(PAIR.measure(pair_model(), windows)[0]) == pytest.approx(1.0, abs=0.2)


def test_the_channel_that_jumped_is_blamed() -> None:
    windows = windows_of(coupled(40, seed=6, broken=False), FRAMES)
    windows[:, -1, 1] += 8.0
    blame = PAIR.measure(pair_model(), windows)[1][:, -1]
    assert (blame.argmax(axis=1) == 1).all()


def test_a_missing_newest_value_counts_neither_for_nor_against() -> None:
    windows = windows_of(coupled(20, seed=7, broken=False), FRAMES)
    windows[:, -1, 0] = np.nan
    parts = PAIR.parts(pair_model(), windows)
    assert (parts.errors[:, 0] == 0).all()
    assert parts.error == pytest.approx(parts.errors[:, 1])


def test_offline_a_fault_stands_out_in_its_rows_and_channel() -> None:
    rows = coupled(500, seed=8, broken=False)
    series = rows[200:].copy()
    series[150, 0] += 30.0
    found = TINY.offline(Spec((2,)), rows[:200], series)
    assert np.isnan(found.value[:3]).all()
    assert np.nanargmax(found.value) == 150
    assert found.blame is not None
    assert found.blame[150].argmax() == 0


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: OracleAd(window=1), "window"),
        (lambda: OracleAd(width=6, heads=4), "width"),
        (lambda: OracleAd(heads=0), "heads"),
        (lambda: OracleAd(steps=0), "steps"),
        (lambda: OracleAd(batch=0), "batch"),
        (lambda: OracleAd(rate=0.0), "rate"),
        (lambda: OracleAd(rebuild=-0.1), "rebuild"),
        (lambda: OracleAd(structure=-1.0), "structure"),
        (lambda: OracleAd(joined="mean"), "joined"),
        (lambda: OracleAd().start(Spec((2,), window=9)), "windows of 10 rows"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(make: Callable[[], object], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        make()

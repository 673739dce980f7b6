"""Which covariates raised the score of a row, learned from clean rows alone."""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from oracles.heated_plant import CAUSE, SMALL, heated

from tocsin.detectors import trained
from tocsin.detectors.forecast import trees
from tocsin.detectors.forecast.attribution import attributed, learned
from tocsin.detectors.trained import TrainingState, training_windows
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import same
from tocsin.pipeline.types import Batch, FloatArray, Spec

FAULTS = (450, 480)
SPEC = Spec((5,), window=SMALL.frames)


def stream(rows: FloatArray, key: int = 0) -> Batch:
    windows = training_windows(rows, SMALL.frames)
    return Batch(np.full(len(windows), key), np.arange(len(windows)), windows)


@cache
def fitted() -> TrainingState:
    """The state of two plants that the sun heats."""
    return SMALL.fit(SPEC, [stream(heated(400, seed=key), key) for key in range(2)])


def later() -> Batch:
    """Rows of both plants, with faults and holes in them."""
    rows = [heated(500, FAULTS, seed=key)[400:] for key in range(2)]
    rows[0][::7, 2] = np.nan
    rows[0][::11, CAUSE] = np.nan
    parts = [stream(each, key) for key, each in enumerate(rows)]
    return Batch(
        *(np.concatenate([getattr(p, n) for p in parts]) for n in ("key", "time", "values"))
    )


def asked(batch: Batch) -> FloatArray:
    found = SMALL.attribute(fitted(), batch)
    assert found is not None
    return found


def test_shares_are_those_of_covariates_and_of_one_whole_or_nothing() -> None:
    found = asked(later())
    total = found.sum(axis=1)
    assert found.min() == 0
    assert not found[:, : CAUSE - 1].any()
    assert (np.isclose(total, 1) | (total == 0)).all()
    assert 0.1 < (total == 0).mean() < 0.9


def test_a_rows_shares_are_the_same_alone_and_in_any_company() -> None:
    batch = later()
    whole = asked(batch)
    order = np.random.default_rng(0).permutation(len(batch))
    assert whole[order].tobytes() == asked(batch.take(order)).tobytes()
    alone = [asked(batch.take(np.array([row]))) for row in range(len(batch))]
    assert whole.tobytes() == np.concatenate(alone).tobytes()


def test_asking_changes_nothing() -> None:
    batch, state = later(), deepcopy(fitted())
    given, before = deepcopy(batch), SMALL.score(state, batch).value
    first, again = SMALL.attribute(state, batch), SMALL.attribute(state, batch)
    assert first is not None
    assert again is not None
    assert first.tobytes() == again.tobytes()
    assert same(state, fitted())
    assert batch.values.tobytes() == given.values.tobytes()
    assert SMALL.score(state, batch).value.tobytes() == before.tobytes()


def test_a_forest_learned_again_gives_the_same_bits() -> None:
    before = asked(later())
    trees._ATTRIBUTIONS.clear()
    trained._MODELS.clear()
    assert asked(later()).tobytes() == before.tobytes()


@pytest.mark.parametrize("given", [False, True])
def test_the_planted_covariate_is_named_whether_the_forecast_reads_it_or_not(
    *, given: bool
) -> None:
    scorer = replace(SMALL, given=given)
    first = []
    for seed in range(6):
        state = scorer.fit(SPEC, [stream(heated(400, seed=seed))])
        at = 430 - SMALL.frames + 1
        found = scorer.attribute(state, stream(heated(440, (430,), seed)).take(np.array([at])))
        assert found is not None
        first.append(found[0].argmax() == CAUSE)
    assert np.mean(first) > 0.8


def test_covariates_that_tell_nothing_of_the_score_have_no_shares() -> None:
    named = []
    for seed in range(6):
        rows = heated(400, seed=seed)
        rows[:, 0] = 0.1 * np.random.default_rng(seed).normal(size=400)
        state = SMALL.fit(SPEC, [stream(rows)])
        found = SMALL.attribute(state, stream(heated(440, (430,), seed)[400:]))
        assert found is not None
        named.append(found.any())
    assert sum(named) <= 1


def test_a_row_whose_covariates_are_missing_has_no_shares() -> None:
    batch = later()
    batch.values[:, :, 2:] = np.nan
    assert not asked(batch).any()


def test_before_training_and_without_covariates_nothing_is_said() -> None:
    batch = later()
    young = SMALL.start(SPEC)
    grow(young, 2)
    found = SMALL.attribute(young, batch)
    assert found is not None
    assert not found.any()
    assert replace(SMALL, covariates=()).attribute(fitted(), batch) is None


def test_a_covariate_is_read_at_its_lags() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(604, 2))
    score = np.abs(rng.normal(size=600)) + 8.0 * (rows[1:601, 0] > 1.0)  # three rows late
    score = score.astype(np.float64)
    windows = training_windows(rows, 5)
    assert learned(windows, score, (0,)) is None
    forest = learned(windows, score, (0, 3))
    assert forest is not None
    raised = attributed(forest, windows[[score.argmax()]])
    assert raised[0, 0] > 0.8


def test_training_rows_without_a_whole_window_in_a_half_teach_nothing() -> None:
    rows = heated(400)
    rows[:200:2] = np.nan  # all that came there were single rows between gaps
    assert SMALL._attribution(rows) is None


def test_a_few_rows_teach_nothing() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 1, 2))
    score = np.where(np.arange(40) < 19, 50.0 * (rows[:, 0, 0] > 0), np.nan)
    assert learned(rows, score, (0,)) is None

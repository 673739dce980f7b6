"""Events are ranked as by the exact likelihood, and codes in wrong company are found and blamed."""

from typing import Any

import numpy as np
import pytest
from oracles import events as oracle
from scipy.stats import rankdata

from tocsin.detectors.events.compatibility import Compatibility
from tocsin.evaluation.planted import area_under_curve
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray

CODES = (4, 5, 3)


def teams(rows: int, seed: int, channels: int = 4, groups: int = 6) -> FloatArray:
    """Events of groups with three codes of their own in each channel."""
    rng = np.random.default_rng(seed)
    group = rng.integers(groups, size=(rows, 1))
    return (3 * group + rng.integers(3, size=(rows, channels))).astype(np.float64)


def rank_correlation(one: FloatArray, other: FloatArray) -> float:
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def judged(scorer: Compatibility, history: FloatArray, rows: FloatArray) -> FloatArray:
    return scorer.measure(scorer.model(history), rows[:, None])[0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_events_are_ranked_as_by_the_law_with_its_exact_constant(seed: int) -> None:
    events, chance = oracle.all_events(CODES), oracle.pairwise_law(CODES, seed)
    rng = np.random.default_rng(seed)
    rows = events[rng.choice(len(events), size=4000, p=chance)]
    score = judged(Compatibility(), rows.astype(float), events.astype(float))
    assert rank_correlation(score, -oracle.exact_fit(rows, CODES)) > 0.95
    assert rank_correlation(score, -np.log(chance)) > 0.95


def test_ordinary_codes_in_wrong_company_are_told() -> None:
    history, good = teams(1500, 0), teams(300, 1)
    wrong = good.copy()
    wrong[:, 1] = teams(300, 2)[:, 1]
    wrong = wrong[wrong[:, 1] // 3 != wrong[:, 0] // 3]
    score = judged(Compatibility(), history, np.concatenate((good, wrong)))
    assert area_under_curve(np.arange(len(score)) >= len(good), score) > 0.95


def test_the_code_in_wrong_company_is_blamed_most() -> None:
    scorer = Compatibility()
    model = scorer.model(teams(1500, 3))
    rows = teams(100, 4)
    rows[:, 2] = (rows[:, 2] + 6.0) % 18.0
    _, blame = scorer.measure(model, rows[:, None])
    assert (blame[:, -1].argmax(axis=1) == 2).mean() > 0.95


def test_an_unseen_code_is_strange() -> None:
    usual, unseen = teams(200, 5), teams(200, 5)
    unseen[:, 3] = 99.0
    score = judged(Compatibility(), teams(1500, 6), np.concatenate((usual, unseen)))
    assert score[200:].min() > np.quantile(score[:200], 0.99)


def test_a_rare_code_is_stranger_than_a_common_one_without_company() -> None:
    history = np.repeat([[1.0], [2.0], [3.0]], [90, 9, 1], axis=0)
    score = judged(Compatibility(train=50), history, np.array([[1.0], [2.0], [3.0], [4.0]]))
    assert (np.diff(score) > 0).all()


def test_a_missing_code_counts_as_usual_and_is_not_blamed() -> None:
    scorer = Compatibility()
    rows = teams(200, 7)
    rows[:, 0] = np.nan
    value, blame = scorer.measure(scorer.model(teams(1500, 8)), rows[:, None])
    assert np.isfinite(value).all()
    assert abs(np.median(value)) < 1.0
    assert (blame[:, -1, 0] == 0.0).all()


def test_other_names_of_the_codes_leave_the_scores_alone() -> None:
    history, rows = teams(400, 9), teams(50, 10)
    plain = judged(Compatibility(epochs=2), history, rows)
    other = judged(Compatibility(epochs=2), 1000.0 + 7.0 * history, 1000.0 + 7.0 * rows)
    assert other.tolist() == plain.tolist()


def test_weights_of_pairs_are_never_negative() -> None:
    rows = np.random.default_rng(11).integers(5, size=(500, 3)).astype(np.float64)
    model = Compatibility().model(rows)
    assert model is not None
    assert model.weight.min() >= 0.0
    assert (model.weight == model.weight.T).all()


@pytest.mark.parametrize("name", ["dimensions", "noise", "epochs"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    settings: dict[str, Any] = {name: 0}
    with pytest.raises(ConfigError, match=name):
        Compatibility(**settings)

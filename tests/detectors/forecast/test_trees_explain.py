"""The second forest: which covariates go with an anomaly."""

import json
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from oracles.forecast_trees_telescope import COVARIATES, TEMPERATURES, Telescope, telescope

from tocsin.detectors.forecast.boosted import (
    Sample,
    booster_of,
    contributions,
    foretold,
    gridded,
    grow,
)
from tocsin.detectors.forecast.explain_covariates import (
    Causes,
    Explanation,
    Second,
    explain,
    explain_later,
    learn,
    learn_from,
    rows_of,
)
from tocsin.detectors.forecast.trees import TreeForecast
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.types import FloatArray

NAMES = tuple(f"k{k}" for k in range(COVARIATES))
FORECAST = TreeForecast(
    lags=(1, 2, 3, 6),
    widths=(6,),
    horizons=(1,),
    covariates=tuple(range(TEMPERATURES, TEMPERATURES + COVARIATES)),
    given=False,  # as in the reference, the forecast is from a temperature's own past
    folds=2,
    rounds=25,
    depth=3,
    rate=0.3,
)


@cache
def watched() -> tuple[Telescope, Causes]:
    """A telescope whose forecast was trained on clean rows, and its second forest."""
    made = telescope()
    model = FORECAST.model(made.rows[: made.clean])
    return made, learn_from(FORECAST, model, made.rows[made.clean :])


def explained() -> tuple[list[Explanation], list[int]]:
    """Each planted incident's explanation and cause."""
    made, causes = watched()
    return [
        explain(causes, slice(one.first - made.clean, one.stop - made.clean), NAMES)
        for one in made.incidents
    ], [one.cause for one in made.incidents]


def test_the_planted_cause_is_among_the_first_three_in_four_of_five_incidents() -> None:
    made, _ = watched()
    told, causes = explained()
    pairs = [pair for pair in zip(told, causes, made.incidents, strict=True) if pair[1] >= 0]
    held = [f"k{cause}" in [name for name, _ in one.covariates[:3]] for one, cause, _ in pairs]
    assert len(held) == 40
    assert np.mean(held) >= 0.8
    # What stands out most among the covariates is not the answer.
    usual = made.rows[: made.clean, TEMPERATURES:]
    plain = []
    for _, cause, one in pairs:
        now = made.rows[one.first : one.stop, TEMPERATURES:].mean(axis=0)
        off = np.abs(now - usual.mean(axis=0)) / usual.std(axis=0)
        plain.append(cause in np.argsort(-off)[:3])
    assert np.mean(plain) < np.mean(held) - 0.2


def test_incidents_without_a_cause_are_not_foretold() -> None:
    told, causes = explained()
    share = np.array([one.foretold for one in told])
    caused = np.array(causes) >= 0
    assert np.nanmedian(share[caused]) > 0.1 > np.nanmedian(share[~caused])


def few(rows: int = 400, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Covariates (N, 3) and a score that the second one raises."""
    rng = np.random.default_rng(seed)
    covariates = rng.normal(size=(rows, 3))
    score = np.abs(rng.normal(size=rows)) + 8.0 * (covariates[:, 1] > 1.0)
    return covariates, score.astype(np.float64)


def test_one_channel_can_be_explained_alone() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate((0.3 * rng.normal(size=(900, 2)), rng.normal(size=(900, 2))), axis=1)
    rows[600:, 0] += 4.0 * (rows[600:, 2] > 1.5)
    rows[600:, 1] += 4.0 * (rows[600:, 3] > 1.5)
    scorer = replace(FORECAST, covariates=(2, 3))
    model = scorer.model(rows[:600])
    for channel, cause in ((0, "a"), (1, "b")):
        causes = learn_from(scorer, model, rows[600:], channel=channel)
        hot = np.flatnonzero((rows[605:, 2] > 1.5) | (rows[605:, 3] > 1.5)) + 5
        best = hot[causes.strange[hot].argmax()]
        assert explain(causes, slice(best, best + 1), ("a", "b")).covariates[0][0] == cause


def test_rows_that_came_later_are_explained_alike() -> None:
    causes = learn(*few())
    covariates, score = few(200, seed=1)
    row = slice(int(covariates[:, 1].argmax()), int(covariates[:, 1].argmax()) + 1)
    found = explain_later(causes, covariates[row], score[row], ("a", "b", "c"), "i1")
    assert found.incident == "i1"
    assert found.covariates[0][0] == "b"
    assert found.covariates[0][1] > 0.8
    assert found.foretold > 0.5


def test_shares_are_of_one_whole_and_fall() -> None:
    causes = learn(*few(), Second(lags=(0, 2)))
    found = explain(causes, slice(10, 60), ("a", "b", "c"))
    shares = [share for _, share in found.covariates]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0)


def test_a_covariate_is_read_at_its_lags() -> None:
    covariates, score = few()
    late = np.concatenate((np.zeros(3), score[:-3]))
    row = int(late[10:].argmax()) + 10
    for lags, sure in (((0,), False), ((0, 3), True)):
        causes = learn(covariates, late, Second(lags=lags))
        assert (explain(causes, slice(row, row + 1), ("a", "b", "c")).foretold > 0.5) == sure


def test_learning_again_gives_the_same_bits() -> None:
    first, again = learn(*few()), learn(*few())
    assert first.raw == again.raw
    assert first.told.tobytes() == again.told.tobytes()


def test_a_stretch_without_scores_is_left_out() -> None:
    covariates, score = few()
    score[50:80] = np.nan
    causes = learn(covariates, score)
    nothing = explain(causes, slice(50, 80), ("a", "b", "c"))
    assert nothing.covariates == ()
    assert json.loads(json.dumps(nothing.to_json())) == {
        "incident": "",
        "covariates": [],
        "rise": None,
        "foretold": None,
    }


def incident(started_at: int, ended_at: int | None) -> Incident:
    return Incident(
        *("i", 1, "open", "anomaly", "s", started_at, started_at, ended_at, started_at),
        *(9.0, 1e-6, 1e-3, 6.0, "error", 3, (), "score"),
    )


def test_an_incident_is_found_by_its_times() -> None:
    time = np.arange(0, 100, 10)
    assert rows_of(incident(20, 40), time) == slice(2, 5)
    assert rows_of(incident(20, None), time) == slice(2, 10)


@pytest.mark.filterwarnings("ignore")  # of matplotlib, when shap is imported
def test_shap_agrees_with_the_paths_and_adds_up() -> None:
    shap = pytest.importorskip("shap")
    from tocsin.detectors.forecast.explain_shap import interventional  # noqa: PLC0415 - optional

    covariates, score = few(200)
    grown = grow(Sample(covariates, score), Second().growth)
    asked = few(20, seed=1)[0]
    paths = contributions(grown.raw, asked)
    theirs = shap.TreeExplainer(
        booster_of(grown.raw), feature_perturbation="tree_path_dependent"
    ).shap_values(gridded(asked))
    np.testing.assert_allclose(theirs, paths[:, :-1], atol=1e-4)
    ordinary = covariates[:50]
    against = interventional(grown.raw, asked, ordinary)
    base = foretold(grown.trees, ordinary).mean()
    np.testing.assert_allclose(
        against.sum(axis=1) + base, foretold(grown.trees, asked)[:, 0], atol=1e-4
    )


@pytest.mark.filterwarnings("ignore")  # of matplotlib, when shap is imported
def test_a_covariate_that_only_moves_along_has_no_interventional_share() -> None:
    pytest.importorskip("shap")
    covariates, score = few()
    covariates[:, 2] = covariates[:, 1] + 0.5 * np.random.default_rng(1).normal(size=len(score))
    causes = learn(covariates, score, Second(way="interventional"))
    row = int(covariates[:, 1].argmax())
    found = explain(causes, slice(row, row + 1), ("a", "b", "c"))
    assert found.covariates[0][0] == "b"
    assert found.covariates[0][1] > 0.9


def test_without_shap_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shap", None)
    monkeypatch.delitem(sys.modules, "tocsin.detectors.forecast.explain_shap", raising=False)
    causes = learn(*few(100), Second(way="interventional"))
    with pytest.raises(ConfigError, match=r"needs shap: pip install 'tocsin\[trees\]'"):
        explain(causes, slice(0, 5), ("a", "b", "c"))


def test_what_cannot_be_explained_is_refused() -> None:
    covariates, score = few()
    with pytest.raises(TocsinError, match="covariates must be"):
        learn(covariates, score[:-1])
    with pytest.raises(TocsinError, match="20 rows with a score are needed; found 10"):
        learn(covariates[:10], score[:10])
    with pytest.raises(TocsinError, match="3 covariates need as many names; found 2"):
        explain(learn(covariates, score), slice(0, 5), ("a", "b"))
    scorer = replace(FORECAST, covariates=(0, 2))
    model = scorer.model(covariates[:100])
    with pytest.raises(ConfigError, match="channel 2 is not judged; there are 1"):
        learn_from(scorer, model, covariates, channel=2)
    with pytest.raises(ConfigError, match="no covariates"):
        learn_from(replace(FORECAST, covariates=()), model, covariates)


@pytest.mark.parametrize(
    "settings", [{"lags": ()}, {"way": "guess"}, {"folds": 1}, {"background": 0}]
)
def test_settings_of_the_second_forest_are_held(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Second(**settings)  # type: ignore[arg-type]  # wrong on purpose

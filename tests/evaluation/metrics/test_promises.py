"""What every metric of scores promises, whatever it measures."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from oracles.metrics_samples import labelled

from tocsin.evaluation.metrics import (
    affiliation_f1,
    at_budget,
    auc_pr,
    auc_roc,
    best_f1,
    best_gmean,
    event_aupimo,
    event_f1,
    nab_score,
    pa_f1,
    pa_k_f1,
    pate,
    pate_step,
    range_f1,
    vus_pr,
    vus_roc,
)
from tocsin.evaluation.metrics.checked import runs
from tocsin.evaluation.metrics.nab import NabFile
from tocsin.pipeline.errors import TocsinError

RANKED = {
    "vus_pr": lambda t, s: vus_pr(t, s, 6),
    "vus_roc": lambda t, s: vus_roc(t, s, 6),
    "auc_pr": auc_pr,
    "auc_roc": auc_roc,
    "best_f1": best_f1,
    "best_gmean": lambda t, s: best_gmean(t, s).gmean,
    "event_aupimo": lambda t, s: event_aupimo(t, s, 0.1, 0.9),
    "at_budget": lambda t, s: at_budget(t, s, weeks=1.0, budget=2.0).caught,
}
SPACED = {
    "pate": lambda t, s: pate(t, s, early=5, late=5),
    "pate_step": lambda t, s: pate_step(t, s, early=5, late=5),
    "event_f1": event_f1,
    "range_f1": range_f1,
    "affiliation_f1": affiliation_f1,
    "pa_f1": lambda t, s: float(pa_f1(t, s)),
    "pa_k_f1": lambda t, s: float(pa_k_f1(t, s)),
}
ALL = RANKED | SPACED
ranked = pytest.mark.parametrize("metric", RANKED.values(), ids=RANKED)
spaced = pytest.mark.parametrize("metric", SPACED.values(), ids=SPACED)
every = pytest.mark.parametrize("metric", ALL.values(), ids=ALL)


@ranked
@settings(max_examples=40)
@given(series=labelled())
def test_only_the_ranking_counts(metric, series):
    truth, scores = series
    assume((~truth).sum() >= 3)
    stretched = np.exp(scores / 100) ** 3 - 7
    assert metric(truth, stretched) == pytest.approx(metric(truth, scores))


@spaced
@settings(max_examples=40)
@given(series=labelled())
def test_unit_and_zero_of_the_score_do_not_count(metric, series):
    truth, scores = series
    # Powers of two, so that no tie is broken by rounding.
    assert metric(truth, 4.0 * scores) == pytest.approx(metric(truth, scores))
    assert metric(truth, scores + 64.0) == pytest.approx(metric(truth, scores), abs=1e-9)


@every
@settings(max_examples=40)
@given(series=labelled())
def test_scores_lie_between_0_and_1(metric, series):
    truth, scores = series
    assume((~truth).sum() >= 3)
    if metric is RANKED["at_budget"]:
        assert 0 <= metric(truth, scores) <= len(runs(truth))
    else:
        assert -1e-12 <= metric(truth, scores) <= 1 + 1e-12


@every
def test_a_perfect_score_is_best(metric):
    truth = np.repeat([0, 1, 0, 1, 0], [20, 5, 20, 1, 30])
    best = 2 if metric is RANKED["at_budget"] else 1.0
    assert metric(truth, truth.astype(float)) == pytest.approx(best, abs=1e-5)


@every
def test_moving_all_in_time_changes_nothing_far_from_the_ends(metric):
    rng = np.random.default_rng(5)
    quiet = np.zeros(40)
    truth = np.concatenate((quiet, np.repeat([1, 0, 1], [6, 12, 3]), quiet))
    scores = np.concatenate((quiet, rng.random(21), quiet)).round(1)
    moved = metric(np.roll(truth, 9), np.roll(scores, 9))
    if metric is SPACED["affiliation_f1"]:
        # Its outer zones end with the series, so only their sum is the same.
        assert moved == pytest.approx(metric(truth, scores), abs=0.1)
    else:
        assert moved == pytest.approx(metric(truth, scores))


@every
@pytest.mark.parametrize("place", [slice(0, 3), slice(27, 30), slice(0, 29), slice(0, 1)], ids=str)
def test_events_at_the_ends_are_judged(metric, place):
    truth = np.zeros(90, dtype=bool)
    truth[:30][place] = True
    truth[60:][place] = True
    scores = np.where(truth, 1.0, np.tile([0.0, 0.25, 0.5], 30))
    assert metric(truth, scores) == pytest.approx(
        2 if metric is RANKED["at_budget"] else 1.0, abs=1e-5
    )


@every
@pytest.mark.parametrize("label", [0, 1])
def test_labels_of_one_kind_are_refused(metric, label):
    with pytest.raises(TocsinError, match="at least one anomalous and one normal row"):
        metric(np.full(40, label), np.arange(40.0))


@every
def test_a_missing_score_is_refused_with_its_row(metric):
    scores = np.arange(40.0)
    scores[17] = np.nan
    with pytest.raises(TocsinError, match="scores: row 17 is NaN"):
        metric(np.arange(40) > 30, scores)


@every
@pytest.mark.parametrize("huge", [np.inf, 1.7e308], ids=["infinite", "huge"])
def test_extreme_scores_rank_first_and_last(metric, huge):
    truth = np.repeat([0, 1, 0, 1], [30, 4, 30, 4])
    scores = np.where(truth, huge, 0.0)
    scores[:10] = -huge
    assert metric(truth, scores) == pytest.approx(
        2 if metric is RANKED["at_budget"] else 1.0, abs=1e-5
    )


@every
def test_neither_labels_nor_scores_are_changed(metric):
    truth = np.repeat([0, 1, 0], [20, 4, 20])
    scores = np.arange(44.0) % 7
    before = truth.copy(), scores.copy()
    metric(truth, scores)
    assert (truth == before[0]).all()
    assert (scores == before[1]).all()


def fuzzed(seed):
    """Labels and scores of any length and shape, often of one kind, sometimes not finite."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 400))
    truth = np.repeat(rng.random(rows) < rng.random(), rng.integers(1, 9, rows))[:rows]
    kinds = [
        rng.standard_normal(rows),
        rng.standard_cauchy(rows) * 10.0 ** rng.integers(-300, 300),
        rng.integers(0, 3, rows).astype(float),
        np.full(rows, rng.standard_normal()),
        np.where(rng.random(rows) < 0.1, np.inf, rng.random(rows)),
        np.where(rng.random(rows) < 0.1, -np.inf, -1e308 * rng.random(rows)),
        np.where(rng.random(rows) < 0.02, np.nan, rng.random(rows)),
        truth + 5e-324 * rng.integers(0, 3, rows),
    ]
    return truth, kinds[seed % len(kinds)]


def is_judged(metric, seed):
    """Whether the metric gives a number, which must be finite; a refusal is an error of ours."""
    truth, scores = fuzzed(seed)
    try:
        found = metric(truth, scores)
    except TocsinError:
        return False
    assert np.isfinite(found), seed
    return True


@every
def test_of_200_odd_series_each_gives_a_number_or_says_why_not(metric):
    assert sum(is_judged(metric, seed) for seed in range(200)) > 100


def test_of_200_odd_series_nab_gives_a_number_or_says_why_not():
    def score(truth, scores):
        return nab_score([NabFile(scores, runs(truth))]).score

    assert sum(is_judged(score, seed) for seed in range(200)) > 100

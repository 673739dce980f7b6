import numpy as np
import pandas as pd
import pytest
from oracles.comparison import backtest, job

from tocsin.evaluation.comparing.comparison import (
    CONTROLS,
    checked,
    compare,
    failures,
    require_controls,
)
from tocsin.pipeline.errors import TocsinError


def test_all_series_of_all_detectors_stand_side_by_side():
    found = compare(backtest(), "vus_pr", "causal")
    assert found.values.shape == (8, len(CONTROLS) + 2)
    assert found.datasets == ("NAB", "SKAB")
    assert found.group.tolist() == [0] * 5 + [1] * 3
    assert found.gaps() == "vus_pr: 8 of 8 series compared"


def test_a_value_stands_under_its_detector_and_series():
    results = backtest()
    found = compare(results, "pate", "causal")
    row = results.iloc[17]
    place = found.series.index((row["dataset"], row["series"]))
    assert found.of(row["detector"])[place] == row["pate"]


def test_the_order_of_rows_does_not_matter():
    results = backtest()
    shuffled = results.sample(frac=1.0, random_state=3)
    one, other = compare(results, "vus_pr"), compare(shuffled, "vus_pr")
    assert one.series == other.series
    assert one.detectors == other.detectors
    np.testing.assert_array_equal(one.values, other.values)


def test_seeds_are_averaged_within_a_series():
    jobs = [job("A", "a", "net", value, seed=seed) for seed, value in enumerate((0.2, 0.4, 0.9))]
    found = compare(pd.DataFrame([*jobs, job("A", "a", "tree", 0.7)]), "vus_pr")
    assert found.of("net").tolist() == [pytest.approx(0.5)]


def test_a_detector_with_many_seeds_counts_no_more_than_one_with_one():
    jobs = [job("A", series, "net", 0.5, seed=seed) for series in "ab" for seed in range(9)]
    jobs += [job("A", series, "tree", 0.5) for series in "ab"]
    assert compare(pd.DataFrame(jobs), "vus_pr").values.shape == (2, 2)


def with_a_gap(**gap):
    """Two detectors on two series, where the one job of `net` on b has a fault."""
    jobs = [job("A", series, name, 0.5) for series in "ab" for name in ("net", "tree")]
    jobs[2] |= gap
    return pd.DataFrame(jobs)


@pytest.mark.parametrize("gap", [{"vus_pr": float("nan")}, {"error": "out of memory"}])
def test_a_series_that_one_detector_lacks_is_left_out_for_all(gap):
    found = compare(with_a_gap(**gap), "vus_pr")
    assert found.series == (("A", "a"),)
    assert found.left_out == (("A", "b"),)
    assert found.missing == {"net": 1, "tree": 0}
    assert "1 of 2 series compared, 1 left out" in found.gaps()
    assert "(A 1; most often net, 1)" in found.gaps()


def test_a_job_that_was_never_run_leaves_its_series_out():
    assert compare(with_a_gap().drop(index=2), "vus_pr").left_out == (("A", "b"),)


def test_a_seed_that_failed_is_not_hidden_by_those_that_worked():
    jobs = [job("A", series, "net", 0.5, seed=seed) for series in "ab" for seed in range(3)]
    jobs[4]["vus_pr"] = float("nan")
    assert compare(pd.DataFrame(jobs), "vus_pr").left_out == (("A", "b"),)
    assert compare(pd.DataFrame(jobs).drop(index=4), "vus_pr").left_out == (("A", "b"),)


def test_a_detector_without_any_value_does_not_empty_the_comparison():
    results = with_a_gap()
    results.loc[results["detector"] == "net", "error"] = "no such file"
    found = compare(results, "vus_pr")
    assert found.absent == ("net",)
    assert found.detectors == ("tree",)
    assert len(found.series) == 2
    assert "without any value: net" in found.gaps()


def test_a_metric_nobody_has_compares_no_series():
    results = with_a_gap().assign(care=float("nan"))
    found = compare(results, "care")
    assert found.values.shape == (0, 0)
    assert found.absent == ("net", "tree")


def test_only_the_detectors_named_must_have_a_series():
    found = compare(with_a_gap(error="killed"), "vus_pr", detectors=["tree"])
    assert found.detectors == ("tree",)
    assert len(found.series) == 2


def test_an_unknown_detector_is_named():
    with pytest.raises(TocsinError, match="no causal results of trea"):
        compare(with_a_gap(), "vus_pr", detectors=["trea"])
    with pytest.raises(TocsinError, match="'trea' is not among the detectors compared"):
        compare(with_a_gap(), "vus_pr").of("trea")


def test_causal_and_offline_are_never_compared_unasked():
    results = backtest(modes=("causal", "offline"))
    with pytest.raises(TocsinError, match="no common ranking"):
        compare(results, "vus_pr")


def test_a_mode_takes_its_own_rows_alone():
    results = backtest(modes=("causal", "offline"))
    offline = results[results["mode"] == "offline"]
    found, alone = compare(results, "vus_pr", "offline"), compare(offline, "vus_pr")
    assert found.mode == alone.mode == "offline"
    np.testing.assert_array_equal(found.values, alone.values)


def test_a_mode_without_results_is_refused():
    with pytest.raises(TocsinError, match="no results of mode offline"):
        compare(backtest(), "vus_pr", "offline")


def test_failed_jobs_are_counted_one_a_series_and_seed():
    jobs = [job("A", series, "net", 0.5, seed=seed) for series in "ab" for seed in range(3)]
    for place in (1, 4, 5):
        jobs[place]["error"] = "killed"
    results = pd.DataFrame([*jobs, job("A", "a", "tree", 0.1), job("A", "b", "tree", 0.1)])
    assert failures(results, "causal") == {"net": 3, "tree": 0}


def test_an_empty_error_and_a_missing_one_both_mean_fine():
    assert failures(with_a_gap(error=None), "causal") == {"net": 0, "tree": 0}


def test_missing_controls_are_named_and_present_ones_are_not():
    results = backtest()
    require_controls(results, "causal")
    with pytest.raises(TocsinError, match="no causal results of position, knn_train:"):
        require_controls(results[~results["detector"].isin(["position", "knn_train"])], "causal")


def test_controls_of_the_other_mode_do_not_count():
    with pytest.raises(TocsinError, match="no offline results of random, constant"):
        require_controls(backtest(), "offline")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r: r.drop(columns="seed"), "lacks seed; its columns are dataset"),
        (lambda r: r.assign(mode="both"), "causal or offline; found 'both'"),
        (lambda r: pd.concat([r, r.iloc[[3]]]), "this job twice: A, b, tree, causal, 0"),
        (lambda r: r.assign(vus_pr="high"), "'vus_pr' of the results is not all numbers"),
        (lambda r: r.assign(vus_pr=[0.1, np.inf, 0.1, 0.1]), "vus_pr is infinite in row 1"),
        (lambda r: r.assign(series=["a", "a", None, "b"]), "row 2 of the results has no value"),
    ],
)
def test_results_that_cannot_be_believed_are_refused(change, told):
    with pytest.raises(TocsinError, match=told):
        checked(change(with_a_gap()), ("vus_pr",))


def test_the_results_handed_in_are_left_as_they_were():
    results = with_a_gap(error="killed")
    before = results.copy(deep=True)
    compare(results, "vus_pr")
    pd.testing.assert_frame_equal(results, before)

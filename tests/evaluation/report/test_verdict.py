import numpy as np
import pandas as pd
import pytest

from tocsin.evaluation.comparing.comparison import Mode, compare
from tocsin.evaluation.comparing.leaderboard import leaderboard
from tocsin.evaluation.report.verdict import at_one_a_week, metrics_of, sentences, verdict
from tocsin.pipeline.errors import TocsinError

CONTROLS = ("random", "constant", "position", "moving_std_50", "knn_train", "mahalanobis_train")


def scores(values, mode="causal"):
    """Results from {detector: {(dataset, series): value}}."""
    return pd.DataFrame(
        [
            {"detector": name, "mode": mode, "dataset": dataset, "series": series, "vus_pr": value}
            for name, row in values.items()
            for (dataset, series), value in row.items()
        ]
    )


def flat(**means):
    """The same value on two series of plant and one of lab."""
    places = (("plant", "a"), ("plant", "b"), ("lab", "a"))
    return scores({name: dict.fromkeys(places, value) for name, value in means.items()})


def of(frame, mode: Mode = "causal"):
    found = verdict(frame, "vus_pr", mode, CONTROLS)
    assert found is not None
    return found


def test_data_sets_weigh_alike_whatever_their_size():
    row = {("plant", "a"): 0.2, ("plant", "b"): 0.4, ("lab", "a"): 0.9}
    best = of(scores({"ewma": row})).best
    assert best.mean == pytest.approx((0.3 + 0.9) / 2)
    assert best.datasets == pytest.approx({"lab": 0.9, "plant": 0.3})


def test_the_best_is_no_control():
    found = of(flat(ewma=0.4, moving_z=0.3, moving_std_50=0.6))
    assert found.best.detector == "ewma"
    assert found.beaten
    assert "No detector beats the control moving_std_50" in " ".join(sentences(found))


def test_a_detector_better_than_the_controls_is_not_beaten():
    found = of(flat(ewma=0.6, moving_std_50=0.4))
    assert not found.beaten
    assert "On no data set does a control beat it." in sentences(found)


def test_the_data_sets_where_a_control_is_better_are_named_with_both_numbers():
    ewma = {("plant", "a"): 0.9, ("lab", "a"): 0.3}
    easy = {("plant", "a"): 0.1, ("lab", "a"): 0.5}
    easier = {("plant", "a"): 0.1, ("lab", "a"): 0.4}
    found = of(scores({"ewma": ewma, "random": easy, "constant": easier}))
    failures = [sentence for sentence in sentences(found) if sentence.startswith("It fails")]
    assert failures == ["It fails on lab: it has 0.300 there, the control random 0.500."]


def test_only_series_that_all_detectors_have_are_counted():
    whole = {("plant", "a"): 0.5, ("plant", "b"): 0.9}
    found = of(scores({"ewma": whole, "random": whole | {("plant", "b"): np.nan}}))
    assert (found.series, found.left_out) == (1, 1)
    assert found.best.mean == 0.5
    assert "1 series left out, as some detector has no result there." in sentences(found)


def test_a_detector_without_any_result_is_named_and_hides_nobody():
    places = (("plant", "a"), ("plant", "b"))
    values = {"ewma": dict.fromkeys(places, 0.5), "broken": dict.fromkeys(places, np.nan)}
    found = of(scores(values))
    assert found.series == 2
    assert "Without any result: broken." in sentences(found)


def test_no_common_series_gives_no_verdict():
    apart = scores({"a": {("plant", "a"): 1.0}, "b": {("plant", "b"): 1.0}})
    assert verdict(apart, "vus_pr", "causal", CONTROLS) is None


def test_a_mode_is_judged_by_its_own_results():
    both = pd.concat([flat(ewma=0.4), flat(ewma=0.9).assign(mode="offline")])
    assert of(both).best.mean == pytest.approx(0.4)
    assert of(both, "offline").best.mean == pytest.approx(0.9)


def test_a_series_that_is_there_twice_is_refused():
    with pytest.raises(TocsinError, match="twice"):
        of(pd.concat([flat(ewma=0.4), flat(ewma=0.5)]))


def test_the_numbers_are_those_of_the_leaderboard():
    rng = np.random.default_rng(5)
    places = [(dataset, str(n)) for dataset in ("plant", "lab") for n in range(6)]
    frame = scores({name: {p: rng.random() for p in places} for name in ("ewma", *CONTROLS)})
    results = frame.assign(seed=0, fitted="", error="")
    board = {row[0]: row[1] for row in leaderboard(results, ["vus_pr"], "causal").rows}
    found = of(frame)
    assert found.series == len(compare(results, "vus_pr").series)
    for standing in found.standings:
        told = f"{standing.mean:.3f} [{standing.low:.3f}, {standing.high:.3f}]"
        assert board[standing.detector] == told


def test_overlapping_intervals_are_said():
    sure = of(flat(ewma=0.9, moving_z=0.1))
    assert "The intervals do not overlap." in " ".join(sentences(sure))
    unsure = {("plant", "a"): 0.1, ("plant", "b"): 0.9}
    close = {("plant", "a"): 0.8, ("plant", "b"): 0.1}
    told = " ".join(sentences(of(scores({"ewma": unsure, "moving_z": close}))))
    assert "another choice of series may turn the order round" in told


def test_without_controls_that_is_said():
    assert "There are no controls to compare it with." in sentences(of(flat(ewma=0.5)))


def test_the_headline_metric_is_vus_pr_wherever_it_stands():
    frame = pd.DataFrame({"detector": ["a"], "pate": [0.1], "vus_pr": [0.2], "fitted": ["x"]})
    assert metrics_of(frame) == ["vus_pr", "pate"]


def test_the_allowance_nearest_to_one_a_week_is_told():
    budget = pd.DataFrame(
        {
            "detector": "ewma",
            "mode": "causal",
            "per_week": [0.1, 2.0, 30.0],
            "caught_share": [0.1, 0.25, 0.9],
            "false_per_week": [0.1, 1.5, 20.0],
        }
    )
    assert at_one_a_week(budget, "ewma", "causal") == (
        "Allowed 2 false incidents a week a series, it catches 25% of the labelled events; "
        "1.5 a week came."
    )
    assert at_one_a_week(budget, "ewma", "offline") == ""

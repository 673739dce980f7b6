import numpy as np
import pandas as pd
import pytest

from tocsin.evaluation.report.charts import MOST_DOTS, ROLES, SPEED, budget_figure, dots, looks

NOTHING = pd.DataFrame()


def scores(rows, metric="vus_pr"):
    columns = ["detector", "mode", "dataset", "series", metric]
    return pd.DataFrame(rows, columns=columns)


TWO_SETS = scores(
    [
        ("ewma", "causal", "plant", "a", 0.2),
        ("ewma", "causal", "plant", "b", 0.4),
        ("ewma", "causal", "lab", "a", 0.9),
    ]
)


def view(found, key):
    return next(each for each in found["views"] if each["key"] == key)


def drawn(frame, cost=NOTHING):
    return dots(frame, cost, looks([frame, cost], [], ("random",)))


def test_dots_are_means_of_means():
    found = drawn(TWO_SETS)
    assert view(found, "detector")["values"]["vus_pr"] == pytest.approx([0.6])
    assert sorted(view(found, "dataset")["values"]["vus_pr"]) == pytest.approx([0.3, 0.9])
    assert len(view(found, "series")["values"]["vus_pr"]) == 3


def test_means_are_over_the_series_that_all_detectors_have():
    other = [("moving_z", "causal", "plant", "a", 0.5), ("moving_z", "causal", "lab", "a", np.nan)]
    found = drawn(pd.concat([TWO_SETS, scores(other)]))
    assert view(found, "detector")["values"]["vus_pr"] == pytest.approx([0.2, 0.5])
    assert np.isfinite(view(found, "series")["values"]["vus_pr"]).sum() == 4


def test_modes_are_never_averaged_together():
    found = drawn(pd.concat([TWO_SETS, TWO_SETS.assign(mode="offline", vus_pr=1.0)]))
    assert view(found, "detector")["values"]["vus_pr"] == pytest.approx([0.6, 1.0])
    assert [look["name"] for look in found["looks"]] == ["ewma", "ewma (offline)"]


def test_speed_is_all_rows_over_all_seconds():
    cost = pd.DataFrame(
        {
            "detector": "ewma",
            "mode": "causal",
            "seconds": [1.0, 3.0],
            "rows": [100, 1100],
            "megabytes": [5.0, 7.0],
        }
    )
    found = view(drawn(TWO_SETS, cost), "detector")
    assert found[SPEED] == [300.0]
    assert found["megabytes"] == [7.0]


def test_a_detector_of_unknown_cost_has_no_speed():
    cost = pd.DataFrame(
        {"detector": ["other"], "mode": "causal", "seconds": 0.0, "rows": 1, "megabytes": 1.0}
    )
    assert np.isnan(view(drawn(TWO_SETS, cost), "detector")[SPEED]).all()


def test_too_many_dots_are_left_out_and_counted():
    many = scores([("ewma", "causal", "d", str(n), 0.1) for n in range(MOST_DOTS + 2)])
    found = view(drawn(many), "series")
    assert len(found["who"]) == MOST_DOTS
    assert found["left_out"] == 2


def test_no_two_detectors_of_a_mode_look_alike_and_controls_are_grey():
    names = [f"d{n:02}" for n in range(20)]
    frame = scores([(name, "causal", "d", "a", 0.1) for name in (*names, "random", "constant")])
    found = looks([frame], names[::-1], ("random", "constant"))
    assert len({(look.role, look.symbol) for look in found.values()}) == 22
    assert {look.name for look in found.values() if look.role == "control"} == {
        "random", "constant",
    }  # fmt: skip
    assert found["d19", "causal"].role == ROLES[0]


def test_a_detector_keeps_its_colour_offline_but_is_hollow_and_dashed():
    rows = [("ewma", mode, "d", "a", 0.1) for mode in ("offline", "causal")]
    causal, offline = looks([scores(rows)], [], ()).values()
    assert causal.role == offline.role
    assert offline.symbol == f"{causal.symbol}-open"
    assert (causal.dash, offline.dash) == ("solid", "dash")


def budget(allowed, detector="ewma"):
    return pd.DataFrame(
        {
            "detector": detector,
            "mode": "causal",
            "per_week": allowed,
            "caught_share": np.linspace(1.0, 0.5, len(allowed)),
            "false_per_week": np.nan,
        }
    )


def test_the_budget_curve_runs_from_small_to_large():
    frame = budget([10.0, 1.0, 0.1])
    figure = budget_figure(frame, looks([frame], [], ()))
    assert figure is not None
    assert figure["data"][0]["x"] == [0.1, 1.0, 10.0]
    assert figure["data"][0]["y"] == [0.5, 0.75, 1.0]
    assert figure["layout"]["xaxis"]["type"] == "log"


def test_an_allowance_of_nothing_can_be_drawn():
    frame = budget([0.0, 1.0])
    figure = budget_figure(frame, looks([frame], [], ()))
    assert figure is not None
    assert figure["layout"]["xaxis"]["type"] == "linear"


def test_a_budget_without_values_is_not_drawn():
    frame = budget([1.0]).assign(caught_share=np.nan)
    assert budget_figure(frame, looks([frame], [], ())) is None
    assert budget_figure(NOTHING, {}) is None

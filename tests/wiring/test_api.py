import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tocsin
from tocsin.api import Detection, detect
from tocsin.detectors.classical.ewma import Ewma
from tocsin.pipeline.errors import ConfigError, TocsinError

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TOCSIN_DATA", ROOT.parent / "shared/data"))

ROWS = 1500


def frame(channels: int = 2, rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Calm rows a minute apart, with a lasting fault in the first channel at 1200."""
    values = np.random.default_rng(seed).normal(size=(rows, channels))
    values[1200:1240, 0] += 8
    index = pd.date_range("2026-01-01", periods=rows, freq="min")
    return pd.DataFrame(values, index=index, columns=[f"c{i}" for i in range(channels)])


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return one.to_numpy(np.float64).tobytes() == other.to_numpy(np.float64).tobytes()


def test_detect_is_what_the_package_offers() -> None:
    assert tocsin.detect is detect
    assert tocsin.Detection is Detection


def test_a_planted_fault_is_found_and_little_else() -> None:
    found = detect(frame())
    inside = found.incidents.started_at.between(
        pd.Timestamp("2026-01-01T20:00Z"), pd.Timestamp("2026-01-01T20:40Z")
    )
    assert inside.any()
    assert len(found.incidents) <= 3
    assert next(iter(found.incidents[inside].channels))["c0"] > 0.5


def test_rows_have_the_index_of_the_frame_and_three_columns() -> None:
    given = frame()
    found = detect(given)
    assert found.rows.index.equals(given.index)
    assert list(found.rows.columns) == ["score", "tail", "alarm"]
    assert found.rows.alarm.dtype == bool
    assert not found.rows.alarm[found.rows["tail"].isna()].any()


@pytest.mark.parametrize("detector", ["auto", "ewma", "half_space_trees", "moving_z"])
@pytest.mark.parametrize("channels", [1, 3])
def test_later_rows_change_no_earlier_score(detector: str, channels: int) -> None:
    given = frame(channels)
    whole = detect(given, detector)
    for cut in (7, 400, 1205, 1230):
        assert same(detect(given.iloc[:cut], detector).rows, whole.rows.iloc[:cut])


def test_a_gathered_row_is_judged_by_steps_that_are_over() -> None:
    given = frame()
    whole = detect(given, "ewma", every="7m", half_life=20)
    assert whole.rows.score.notna().any()
    for cut in (1000, 1213, 1222):
        assert same(
            detect(given.iloc[:cut], "ewma", every="7m", half_life=20).rows, whole.rows.iloc[:cut]
        )


def test_auto_goes_by_the_number_of_channels_and_says_so() -> None:
    one, two = detect(frame(1)).chosen, detect(frame(2)).chosen
    assert (one["detector"], two["detector"]) == ("moving_std", "mahalanobis")
    assert "one channel" in one["why"]
    assert two["settings"]["half_life"] == 250


def test_settings_reach_the_detector() -> None:
    assert detect(frame(), "ewma", half_life=20).chosen["settings"] == {"half_life": 20}
    assert detect(frame(), half_life=20).chosen["settings"]["half_life"] == 20


def test_a_scorer_can_be_given_itself() -> None:
    assert same(detect(frame(), Ewma(20)).rows, detect(frame(), "ewma", half_life=20).rows)


def test_a_larger_budget_alarms_more_and_a_fixed_level_is_kept() -> None:
    few, many = (detect(frame(), budget=b).rows.alarm.sum() for b in ("1/week", "20/day"))
    assert few < many
    fixed = detect(frame(), alpha=0.05).rows
    assert (fixed.alarm == (fixed["tail"] < 0.05)).mean() > 0.99


def test_order_of_the_rows_does_not_matter() -> None:
    given = frame()
    mixed = given.sample(frac=1, random_state=0)
    assert same(detect(mixed).rows.loc[given.index], detect(given).rows)


def test_a_second_row_of_one_time_has_no_opinion() -> None:
    given = frame()
    doubled = pd.concat([given, given.iloc[[600]] * 3])
    found = detect(doubled)
    assert np.isnan(found.rows.score.iloc[-1])
    assert same(found.rows.iloc[:-1], detect(given).rows)


def test_rows_without_a_time_or_name_have_no_opinion() -> None:
    given = frame().reset_index(names="timestamp")
    given["asset"] = "a"
    given.loc[700, "timestamp"] = pd.NaT
    given.loc[701, "asset"] = None
    found = detect(given, key="asset")
    assert found.rows.score[[700, 701]].isna().all()
    assert found.rows.score[699] > 0


def test_missing_and_infinite_values_are_missing() -> None:
    given = frame()
    given.iloc[800] = np.nan
    infinite = given.copy()
    infinite.iloc[800] = np.inf
    assert same(detect(given).rows, detect(infinite).rows)
    assert np.isnan(detect(given).rows.score.iloc[800])


def test_series_are_told_apart_by_the_key() -> None:
    one, two = frame(seed=1), frame(seed=2)
    both = pd.concat([one.assign(asset="a"), two.assign(asset="b")])
    both.index.name = "when"
    found = detect(both.reset_index(), "ewma", key="asset")
    alone = detect(one, "ewma")
    mine = found.rows[(both.asset == "a").to_numpy()]
    assert mine.score.to_numpy().tobytes() == alone.rows.score.to_numpy().tobytes()
    assert set(found.incidents.series) <= {"a", "b"}


def test_without_times_rows_stand_for_seconds() -> None:
    given = frame().reset_index(drop=True)
    found = detect(given)
    assert found.chosen["time"] == "row numbers"
    assert found.rows.score.notna().any()


@pytest.mark.parametrize("train", [700, 700 / ROWS])
def test_rows_trained_on_are_not_judged(train: float) -> None:
    found = detect(frame(), train=train)
    assert found.chosen["trained_on"] == 700
    assert found.rows.score.iloc[:700].isna().all()
    assert found.rows.score.iloc[700:].notna().all()


def test_a_fault_at_the_start_is_found_after_training_on_other_history() -> None:
    clean, given = frame(seed=3), frame().iloc[1150:1300]
    clean.iloc[1200:1240, 0] -= 8
    assert detect(given).rows.score.isna().all()
    found = detect(given, train=clean)
    assert found.rows.score.notna().all()
    assert found.rows.alarm.iloc[55:65].any()


def test_training_history_is_learned_whole() -> None:
    given = frame()
    spoiled = given.copy()
    spoiled.iloc[100:400] *= 50
    calm, wild = (detect(f, "ewma", train=500).rows.score for f in (given, spoiled))
    assert wild.iloc[500] < calm.iloc[500]


def test_training_comes_before_any_judged_row_of_any_series() -> None:
    both = pd.concat([frame(seed=1).assign(asset="a"), frame(seed=2).assign(asset="b")])
    found = detect(both, key="asset", train=600)
    assert found.chosen["trained_on"] == 1200


def test_offline_scores_depend_on_later_rows_and_say_so() -> None:
    given = frame()
    found = detect(given, mode="offline")
    assert found.mode == found.chosen["mode"] == "offline"
    assert not same(detect(given.iloc[:1210], mode="offline").rows, found.rows.iloc[:1210])
    assert found.rows.alarm.iloc[1200:1240].any()


def test_offline_scores_are_the_same_of_the_mirrored_rows() -> None:
    given = frame()
    mirrored = pd.DataFrame(given.to_numpy()[::-1], index=given.index, columns=given.columns)
    one = detect(given, "ewma", mode="offline").rows.score.to_numpy()
    other = detect(mirrored, "ewma", mode="offline").rows.score.to_numpy()[::-1]
    assert one.tobytes() == other.copy().tobytes()


def test_offline_tails_are_ranks() -> None:
    rows = detect(frame(), mode="offline").rows.dropna()
    ranks = rows.score.rank(ascending=False, method="max") / len(rows)
    below = rows.score < rows.score.max()
    np.testing.assert_allclose(rows["tail"][below], ranks[below])


def test_offline_works_after_training() -> None:
    found = detect(frame(), "ewma", train=700, mode="offline")
    assert found.rows.score.iloc[:700].isna().all()
    assert found.rows.score.iloc[700:].notna().all()


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"detector": "ewmma"}, "did you mean 'ewma'"),
        ({"half_lief": 3}, "mahalanobis has no setting 'half_lief'; did you mean 'half_life'"),
        ({"budgt": "1/day"}, "did you mean 'budget'"),
        ({"half_life": "soon"}, "half_life: found 'soon', wanted a number"),
        ({"half_life": -1}, "half_life"),
        ({"budget": "often"}, "not a budget"),
        ({"budget": "1/day", "alpha": 0.1}, "either budget or alpha"),
        ({"alpha": 2}, "between 0 and 1"),
        ({"every": "soon"}, "not a duration"),
        ({"mode": "both"}, "wanted 'causal' or 'offline'"),
        ({"mode": "offline", "every": "5m"}, "leave `every` out"),
        ({"train": 0}, "train is 0"),
        ({"train": ROWS}, "train is 1500"),
        ({"train": True}, "train is True"),
        ({"train": float("nan")}, "train is nan"),
        ({"train": frame(3)}, "clean history has channels c0, c1, c2"),
        ({"time": "when"}, "no such column"),
        ({"key": "c9"}, "no such column; did you mean"),
        ({"time": "c0"}, "can be read as a time"),
        ({"detector": "block_dct"}, "scores images"),
    ],
)
def test_what_is_asked_wrongly_is_told(settings: dict[str, object], wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        detect(frame(), **settings)  # type: ignore[arg-type] # that is the point


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (frame().assign(city="Rome", code="x"), "column 'city', 'code' is not of numbers"),
        (frame()[[]], "no column of numbers"),
        (pd.DataFrame(np.zeros((3, 2)), columns=["a", "a"]), "more than one column 'a'"),
        (np.zeros((3, 2)), "found a ndarray"),
    ],
)
def test_a_frame_that_cannot_be_judged_is_told(given: pd.DataFrame, wanted: str) -> None:
    with pytest.raises(TocsinError, match=wanted):
        detect(given)


def test_an_empty_frame_has_no_incident() -> None:
    found = detect(frame().iloc[:0])
    assert len(found.rows) == len(found.incidents) == 0
    assert list(found.incidents.columns)[:3] == ["id", "series", "kind"]


def test_a_picture_can_be_drawn(tmp_path: Path) -> None:
    detect(frame()).draw(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_the_labelled_machine_failure_is_found() -> None:
    name = "realKnownCause/machine_temperature_system_failure.csv"
    path = DATA / "NAB/data" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there; TOCSIN_DATA names the folder of real data")
    labels = json.loads((DATA / "NAB/labels/combined_windows.json").read_text(encoding="utf-8"))
    windows = [tuple(pd.to_datetime(window, utc=True)) for window in labels[name]]
    found = detect(pd.read_csv(path)).incidents
    touched = [
        [row.started_at <= end and row.ended_at >= start for start, end in windows]
        for row in found.itertuples()
    ]
    hit = np.any(touched, axis=0)
    assert hit[1], "the shutdown"
    assert hit[3], "the failure"
    weeks = 78 / 7
    assert np.sum(~np.any(touched, axis=1)) <= weeks


def test_the_channel_that_shifted_is_named_for_an_incident() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1500, 1)) + 0.3 * rng.normal(size=(1500, 4))
    values[1200:1260, 2] = rng.permutation(values[1200:1260, 2])  # its own law, no one else's
    index = pd.date_range("2026-01-01", periods=1500, freq="min")
    found = detect(pd.DataFrame(values, index=index, columns=list("abcd")), "mahalanobis")
    inside = found.incidents.started_at.between(
        index[1195].tz_localize("UTC"), index[1260].tz_localize("UTC")
    )
    shifted = found.shifted(found.incidents.id[inside].iloc[0])
    assert shifted.index[0] == "c"
    assert list(shifted.columns) == ["statistic", "excess", "p_value"]


def test_an_incident_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="no incident 'x'; there are "):
        detect(frame()).shifted("x")


@pytest.mark.parametrize(("channels", "chosen"), [(1, "patch_memory"), (2, "ensemble")])
def test_auto_takes_a_trained_detector_where_there_is_clean_history(
    channels: int, chosen: str
) -> None:
    found = detect(frame(channels), train=600)
    assert found.chosen["detector"] == chosen
    assert "clean history" in found.chosen["why"]
    assert found.rows.alarm["2026-01-01 20:00":"2026-01-01 20:39"].any()  # type: ignore[misc] # a stretch of time


def test_auto_learns_as_it_goes_where_the_history_is_short() -> None:
    assert detect(frame(), train=200).chosen["detector"] == "mahalanobis"

"""What an incident is put down to, and that a band is told only of the model that judged."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from tocsin.api import Detection, detect
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.combined.refitted import Refitted
from tocsin.detectors.forecast.trees import TreeForecast
from tocsin.history import explaining
from tocsin.history.explaining import Origin, accounted, expected_of, explain
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray

SMALL = TreeForecast(
    train=150, memory=400, lags=(1, 2, 3), widths=(6,), horizons=(1,), folds=2, rounds=25,
    depth=3, rate=0.2, covariates=(2, 3), given=False,
)  # fmt: skip
FAULTS = (520, 640)  # rows; each lasts 12


def plant(rows: int = 760) -> pd.DataFrame:
    """A flow, a power that follows it, and two covariates; the sun heats the flow up, twice."""
    rng = np.random.default_rng(3)
    flow = np.sin(np.arange(rows) / 9) + 0.1 * rng.normal(size=rows)
    power = 0.5 * flow + 0.1 * rng.normal(size=rows)
    sun, wind = np.sin(np.arange(rows) / 40), np.cos(np.arange(rows) / 31)
    for first in FAULTS:
        flow[first : first + 12] += 3.0
        sun[first : first + 12] += 4.0
    noise = 0.1 * rng.normal(size=(2, rows))
    return pd.DataFrame({"flow": flow, "power": power, "sun": sun + noise[0], "wind": wind})


@cache
def usual() -> Detection:
    return found()


def found(**changes: object) -> Detection:
    return detect(plant(), **{"detector": SMALL, "train": 400, **changes})  # type: ignore[arg-type]  # by name


def first_incident(detection: Detection) -> str:
    return str(detection.incidents.id.iloc[0])


def test_an_incident_is_put_down_to_its_channel_and_its_covariate() -> None:
    detection = usual()
    told = detection.explained(first_incident(detection))
    assert told.blamed[0][0] == "flow"
    assert told.covariates is not None
    assert told.covariates.shares[0][0] == "sun"
    assert {shift.channel for shift in told.shifted[:3]} == {"flow", "power", "sun"}


@pytest.mark.parametrize("train", [400, 0.5, None, plant()[:400]], ids=["rows", "share", "0", "df"])
def test_what_was_expected_is_told_however_the_detector_was_trained(train: object) -> None:
    detection = found(train=train)
    told = detection.explained(first_incident(detection)).expected
    assert told is not None
    assert [course.channel for course in told] == ["flow", "power"]
    flow, power = told
    assert (np.abs(flow.value - flow.expected) > 5 * flow.usual).all()
    assert np.median(np.abs(power.value - power.expected) / power.usual) < 3


def test_what_was_expected_is_the_forecast_of_the_rows_before() -> None:
    detection = usual()
    told = detection.explained(first_incident(detection)).expected
    assert told is not None
    course = told[0]
    model = SMALL.model(plant().to_numpy()[:400])
    stop = int(np.searchsorted(detection.panels[0].time, course.time[0])) + 1
    window = plant().to_numpy()[None, stop - SMALL.frames : stop]
    assert course.expected[0] == SMALL.band(model, window).expected[0, 0]


def test_a_detector_that_is_fitted_anew_tells_what_it_expected_while_it_can_be_followed() -> None:
    scorer = Refitted(replace(SMALL, train=100), every=150, lag=30, memory=600)
    detection = found(detector=scorer)
    assert starts(detection) == [True, True]
    first, second = (detection.explained(name) for name in detection.incidents.id)
    assert first.expected is not None
    flow, power = first.expected
    assert (flow.channel, power.channel) == ("flow", "power")
    assert (np.abs(flow.value - flow.expected) > 5 * flow.usual).all()
    assert np.median(np.abs(power.value - power.expected) / power.usual) < 3
    # A fit in between was made of calm rows alone, and which they were the scores do not tell.
    assert second.expected is None
    for one in (first, second):
        assert one.covariates is not None
        assert one.covariates.shares[0][0] == "sun"


def test_a_model_that_gives_other_scores_than_those_reported_tells_nothing() -> None:
    detection = usual()
    panel = detection.panels[0]
    rows = np.array([600, 700])
    assert expected_of(panel, detection.origin, rows) is not None
    other = replace(panel, score=np.nextafter(panel.score, np.inf))
    assert expected_of(other, detection.origin, rows) is None


def test_rows_of_a_time_that_was_there_already_have_no_part_in_a_band() -> None:
    frame = plant().assign(time=1_760_000_000 + np.arange(760))
    doubled = pd.concat([frame, frame[520:523] * [9, 9, 9, 9, 1]])
    once = detect(frame, SMALL, 400, time="time")
    twice = detect(doubled, SMALL, 400, time="time")
    one, two = (each.explained(first_incident(each)).expected for each in (once, twice))
    assert one is not None
    assert two is not None
    known = ~np.isnan(two[0].expected)
    assert two[0].expected[known].tolist() == one[0].expected.tolist()


@pytest.mark.parametrize(
    "changes", [{"detector": Knn(train=150)}, {"mode": "offline"}, {"every": "2s"}]
)
def test_where_no_forecast_made_the_scores_nothing_was_expected(changes: dict[str, object]) -> None:
    detection = found(**changes)
    assert detection.explained(first_incident(detection)).expected is None


def test_any_detectors_incident_is_explained_by_the_channels_that_are_named() -> None:
    detection = found(detector="mahalanobis", train=None)
    name = next(i for i, at in zip(detection.incidents.id, starts(detection), strict=True) if at)
    assert detection.explained(name).covariates is None
    told = detection.explained(name, covariates=["wind", "sun"]).covariates
    assert told is not None
    assert told.shares[0][0] == "sun"


def starts(detection: Detection) -> list[bool]:
    """Which incidents begin in a fault."""
    seconds = detection.incidents.started_at.astype("int64") // 10**9
    return [any(first <= at < first + 12 for first in FAULTS) for at in seconds]


def test_a_covariate_that_is_no_channel_is_refused_by_name() -> None:
    detection = usual()
    with pytest.raises(ConfigError, match="'rain' is no channel; there are flow, power, sun, wind"):
        detection.explained(first_incident(detection), covariates=["rain"])


def test_an_explanation_is_plain_json() -> None:
    detection = usual()
    told = json.loads(json.dumps(detection.explained(first_incident(detection)).to_json()))
    assert told["blamed"][0]["name"] == "flow"
    assert told["covariates"]["shares"][0]["name"] == "sun"
    course = told["expected"][0]
    lengths = {len(course[name]) for name in ("time", "value", "expected", "low", "high")}
    assert lengths == {len(course["time"])}
    assert course["low"][0] < course["expected"][0] < course["high"][0] < course["value"][0]


def test_numbers_that_json_lacks_are_null() -> None:
    detection = usual()
    panel = replace(detection.panels[0], values=np.full((760, 4), np.nan))
    told = explain(panel, panel.incidents[0], Origin(Knn()))
    assert told.to_json() == {
        "incident": panel.incidents[0].id,
        "blamed": [{"name": name, "share": share} for name, share in panel.incidents[0].channels],
        "shifted": [],
        "expected": None,
        "covariates": None,
    }


def test_a_panel_is_drawn_with_bands_around_its_incidents_alone() -> None:
    detection = usual()
    drawn = accounted(detection.panels[0], detection.origin)
    assert drawn.expected is not None
    known = ~np.isnan(drawn.expected.middle[:, 0])
    assert known[500:540].all()
    assert not known[:480].any()
    assert np.isnan(drawn.expected.middle[:, 2:]).all()  # covariates are never judged
    assert set(drawn.covariates) == set(detection.incidents.id)


def test_a_panel_tells_how_many_rows_were_trained_on() -> None:
    detection = usual()
    known = int(detection.chosen["trained_on"])
    assert accounted(detection.panels[0], detection.origin).trained == known > 0
    assert accounted(detection.panels[0], replace(detection.origin, history=None)).trained == 0


def test_a_panel_without_incidents_stays_as_it_is() -> None:
    calm = replace(usual().panels[0], incidents=())
    assert accounted(calm, Origin(SMALL)) == calm


def test_a_band_of_chunks_is_the_band_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    detection = usual()
    rows = np.arange(450, 700)
    whole = expected_of(detection.panels[0], detection.origin, rows)
    monkeypatch.setattr(explaining, "_TOGETHER", 1)
    parts = expected_of(detection.panels[0], detection.origin, rows)
    assert whole is not None
    assert parts is not None
    assert same(whole.middle, parts.middle)
    assert same(whole.usual, parts.usual)


def same(one: FloatArray, other: FloatArray) -> bool:
    return one.tobytes() == other.tobytes()


def test_nothing_heavy_is_imported_until_covariates_are_asked_for() -> None:
    heavy = "{'xgboost', 'shap', 'torch'}"
    code = f"import sys, tocsin.history.explaining; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


def test_covariates_without_xgboost_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    detection = found(detector="mahalanobis", train=None)
    monkeypatch.delitem(sys.modules, "tocsin.detectors.forecast.explain_covariates", raising=False)
    monkeypatch.delitem(sys.modules, "tocsin.detectors.forecast.boosted", raising=False)
    monkeypatch.setitem(sys.modules, "xgboost", None)
    parent = sys.modules["tocsin.detectors.forecast"]
    monkeypatch.delattr(parent, "explain_covariates", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'tocsin\[trees\]'"):
        detection.explained(first_incident(detection), covariates=["sun"])

"""`tocsin score --explain` tells why of each incident, and changes nothing else."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracles.command_line import call

from tocsin.api import Detection, detect
from tocsin.commands.score_explained import Told, covariate_names, explained, explanation_lines
from tocsin.connectors.files import guess
from tocsin.detectors.forecast.trees import TreeForecast
from tocsin.pipeline.errors import ConfigError

ROWS = 760
FAULTS = (520, 640)  # rows; each lasts 12
SMALL = TreeForecast(
    train=150, memory=400, lags=(1, 2, 3), widths=(6,), horizons=(1,), folds=2, rounds=25,
    depth=3, rate=0.2,
)  # fmt: skip


def plant() -> pd.DataFrame:
    """A flow, a power that follows it, and a sun that heats the flow up, twice; a row a minute."""
    rng = np.random.default_rng(3)
    flow = np.sin(np.arange(ROWS) / 9) + 0.1 * rng.normal(size=ROWS)
    power = 0.5 * flow + 0.1 * rng.normal(size=ROWS)
    sun = np.sin(np.arange(ROWS) / 40) + 0.1 * rng.normal(size=ROWS)
    for first in FAULTS:
        flow[first : first + 12] += 3.0
        sun[first : first + 12] += 4.0
    time = pd.date_range("2026-01-01", periods=ROWS, freq="min", tz="UTC")
    return pd.DataFrame({"time": time, "flow": flow, "power": power, "sun": sun})


def table(folder: Path, **more: str | int | list[str]) -> Path:
    path = folder / "plant.csv"
    plant().assign(**more).to_csv(path, index=False)
    return path


def score(*words: str) -> int:
    """Run `tocsin score` in this process; its exit code."""
    return call("score", *words)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert score(*words, "--json") == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def forecast() -> Detection:
    return detect(plant(), SMALL, 400)


def test_the_explanation_of_an_incident_is_that_of_the_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys, str(table(tmp_path)), "--explain", "--covariates", "sun,power")
    known = detect(plant())
    expected = [known.explained(name, ["sun", "power"]).to_json() for name in known.incidents.id]
    assert len(expected) > 1
    # Series have other names in a file and in a frame, so incidents have other ids.
    nameless = [one | {"incident": ""} for one in expected]
    assert [i["explanation"] | {"incident": ""} for i in found["incidents"]] == nameless
    assert {i["explanation"]["incident"] == i["id"] for i in found["incidents"]} == {True}


def test_explaining_changes_nothing_else_in_the_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(table(tmp_path))
    plain = told(capsys, path)
    more = told(capsys, path, "--explain", "--covariates", "sun")
    assert not {"remarks", "explanation"} & {*plain, *plain["incidents"][0]}
    del more["remarks"]
    for incident in more["incidents"]:
        assert incident.pop("explanation")["covariates"]["shares"]
    assert more == plain


@pytest.mark.parametrize("detector", ["tree_forecast", "linear_forecast", "smoothing"])
def test_expected_values_and_their_band_are_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], detector: str
) -> None:
    words = [str(table(tmp_path)), "--explain", "--detector", detector, "--train", "400"]
    found = told(capsys, *words)
    assert found["remarks"] == []
    courses = found["incidents"][0]["explanation"]["expected"]
    names = [channel["name"] for channel in found["incidents"][0]["channels"]]
    assert [course["name"] for course in courses] == names
    first = {name: courses[0][name][0] for name in ("low", "expected", "high", "value")}
    assert first["low"] < first["expected"] < first["high"] < first["value"]


def test_people_are_told_in_a_line_or_two_an_incident(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--explain", "--covariates", "sun", "--picture", str(tmp_path / "a.png")]
    assert score(str(table(tmp_path)), *words) == 0
    said = capsys.readouterr().out
    why = said.partition("\nWhy:\n")[2].partition("\n\n")[0].splitlines()
    firsts, seconds = why[::2], why[1::2]
    assert firsts[0].startswith("2026-01-01 08:40:00  blamed: ")
    assert all(", expected " in line for line in firsts)
    assert all(line.strip().startswith("covariates: sun 100%, which foretell") for line in seconds)
    assert len(firsts) == len(seconds) == said.count(" anomaly ")


def test_a_detector_that_expects_nothing_is_said_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--explain", "--detector", "moving_std", "--picture", str(tmp_path / "a.png")]
    assert score(str(table(tmp_path)), *words) == 0
    why = capsys.readouterr().out.partition("\nWhy:\n")[2].splitlines()
    assert "This detector cannot tell what it expected: no expected values and no bands." in why


def test_what_was_expected_is_told_of_the_row_of_the_peak() -> None:
    known = forecast()
    panel = known.panels[0]
    one = panel.incidents[0]
    line = next(explanation_lines([one], explained([panel], known.origin, ())))
    course = known.explained(one.id).expected
    assert course is not None
    row = int(np.flatnonzero(course[0].time == one.peak_at)[0])
    value, middle = course[0].value[row], course[0].expected[row]
    reach = 3 * course[0].usual[row]
    band = f"{middle:.3g} ({middle - reach:.3g} to {middle + reach:.3g})"
    assert line.endswith(f"; at its peak {course[0].channel} was {value:.3g}, expected {band}")


def test_lines_say_which_series_an_incident_is_of() -> None:
    known = forecast()
    told = explained(known.panels, known.origin, ())
    one, two = known.panels[0].incidents[:2]
    alone = list(explanation_lines([one, two], told))
    both = list(explanation_lines([one, replace(two, series="pump\x1b[31m")], told))
    assert alone[1].partition("  ")[2].startswith("blamed: ")
    assert both[1].partition("  ")[2].startswith("pump\\x1b[31m: blamed: ")


def test_an_incident_that_no_score_made_has_its_reason() -> None:
    known = forecast()
    told = explained(known.panels, known.origin, ())
    blind = replace(known.panels[0].incidents[0], kind="blind", reason="no score for 5 min")
    assert next(explanation_lines([blind], told)).endswith("  no score for 5 min")


def test_small_shares_and_many_names_do_not_fill_a_line() -> None:
    known = forecast()
    panel = known.panels[0]
    one = panel.incidents[0]
    told = explained([panel], known.origin, ())
    blamed = (("a", 0.5), ("b", 0.2), ("c", 0.2), ("d", 0.099), ("e", 0.001))
    other = replace(told.explanations[one.id], blamed=blamed, expected=None)
    line = next(explanation_lines([one], Told({one.id: other})))
    assert line.endswith("blamed: a 50%, b 20%, c 20% and 1 more")


def test_a_model_that_changed_is_told_once_and_not_refused() -> None:
    known = forecast()
    other = replace(known.panels[0], score=np.nextafter(known.panels[0].score, np.inf))
    told = explained([other], known.origin, ())
    number = len(other.incidents)
    some = f"{number} incident" + "s" * (number > 1)
    assert told.remarks == (
        f"What was expected in {some} is not known: the model has changed since.",
    )


def test_offline_scores_come_of_no_forecast() -> None:
    known = detect(plant(), SMALL, 400, mode="offline")
    remarks = explained(known.panels, known.origin, ()).remarks
    assert remarks == ("Offline scores are made by no forecast: no expected values and no bands.",)


def test_a_series_too_short_for_covariates_is_told_and_not_refused() -> None:
    known = detect(plant(), "mahalanobis")
    panel = known.panels[0]
    few = np.where(np.arange(ROWS) < ROWS - 10, np.nan, panel.score)
    told = explained([replace(panel, score=few)], known.origin, ["sun"])
    assert "Covariates of series cannot be told: 20 rows with a score" in told.remarks[1]
    assert {one.covariates for one in told.explanations.values()} == {None}


def test_the_page_has_bars_of_the_covariates_that_were_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, page = str(table(tmp_path)), tmp_path / "a.html"
    bars = []
    for words in ([], ["--explain"], ["--explain", "--covariates", "sun"]):
        told(capsys, path, "--page", str(page), *words)
        bars.append("of what covariates tell" in page.read_text(encoding="utf-8"))
    assert bars == [False, False, True]


def test_no_incident_needs_no_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "calm.csv"
    plant()[:300].to_csv(path, index=False)
    words = [str(path), "--explain", "--covariates", "sun", "--budget", "1/1000d"]
    assert score(*words, "--picture", str(tmp_path / "a.png")) == 0
    assert "Why:" not in capsys.readouterr().out
    assert told(capsys, *words)["remarks"] == []


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("rain", "'rain' is no channel; there are 'flow', 'power', 'sun'"),
        ("sun,,power", "'' is no channel; there are"),
        ("site", "'site' is no channel, it was left out: text; there are"),
        ("label", "'label' is no channel, it looks like labels; there are"),
        ("time", "'time' is no channel, it is the time; there are"),
        ("host", "'host' is no channel, it names the series; there are"),
    ],
)
def test_a_covariate_that_is_no_channel_is_refused_with_the_channels_there_are(
    tmp_path: Path, names: str, wanted: str
) -> None:
    path = table(tmp_path, site=[f"s{n}" for n in range(ROWS)], label=0, host="a")
    with pytest.raises(ConfigError, match=wanted):
        covariate_names(names, guess(path))


def test_covariates_are_named_once_each(tmp_path: Path) -> None:
    assert covariate_names("sun, flow,sun", guess(table(tmp_path))) == ("sun", "flow")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--explain", "--covariates", "rain"], "'rain' is no channel"),
        (["--covariates", "sun"], "--covariates goes with --explain"),
    ],
)
def test_wrong_covariates_are_wrong_usage_before_any_row_is_scored(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    wanted: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert score(str(table(tmp_path)), *words) == 2
    said = capsys.readouterr()
    assert wanted in " ".join(said.err.split())
    assert said.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["plant.csv"]

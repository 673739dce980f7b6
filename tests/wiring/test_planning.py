"""`tocsin plan`: what it tells of a configuration before it is run."""

import json
from pathlib import Path

import numpy as np
import pytest

from tocsin.commands.planning import plan, plan_config
from tocsin.config import Stages
from tocsin.detectors.classical.ewma import Ewma
from tocsin.history.judging import Rows, judge
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.durations import parse_duration
from tocsin.pipeline.errors import ConfigError, SourceError
from tocsin.pipeline.rules.abstention import Abstention
from tocsin.pipeline.threshold import AlertBudget, FixedTail

MINUTE, WEEK = parse_duration("1m"), parse_duration("1w")
CSV = "{type: csv, path: rows.csv, time: time, key: pump, channels: [flow]}"


def rows(count: int, series: int = 1, seed: int = 0) -> Rows:
    """Normal rows, one a minute and series."""
    values = np.random.default_rng(seed).normal(size=(count * series, 1))
    names = [f"p{key}" for _ in range(count) for key in range(series)]
    return Rows(names, np.repeat(np.arange(count) * MINUTE, series), values, ("flow",))


def folder_with(folder: Path, source: str = CSV, count: int = 600) -> tuple[Path, Path]:
    """A configuration, and rows of two pumps."""
    made = rows(count, series=2)
    start = np.datetime64("2026-01-01T00:00:00", "m")
    lines = [
        f"{start + time // MINUTE}:00Z,{name},{value:.6f}"
        for name, time, value in zip(made.series, made.time, made.values[:, 0], strict=True)
    ]
    file, config = folder / "rows.csv", folder / "pipeline.yaml"
    file.write_text("\n".join(["time,pump,flow", *lines]) + "\n", encoding="utf-8")
    config.write_text(
        f"version: 1\nsources: {{pumps: {source}}}\ndetectors: {{mean: {{type: ewma}}}}\n"
        "thresholds: {default: {budget: 1/day}}\n",
        encoding="utf-8",
    )
    return config, file


def test_the_rate_told_is_the_rate_that_comes() -> None:
    every = rows(8_000)
    past, future = every.take(np.arange(3_000)), every.take(np.arange(3_000, 8_000))
    stages = Stages(Ewma(), threshold=AlertBudget("7/day"))
    told = plan(stages, past).expected[0].forecast
    came = [each for each in judge(stages, future).incidents if each.kind == "anomaly"]
    seen = len(came) / (5_000 * MINUTE / WEEK)
    assert told is not None
    assert seen / 2 < told.a_week < 2 * seen


def test_the_configured_rule_comes_first_and_budgets_beside_it() -> None:
    found = plan(Stages(Ewma(), threshold=FixedTail(1e-3)), rows(600)).expected
    assert [each.rule for each in found] == [
        "tail 0.001 (configured)",
        "budget 0.5/week/series",
        "budget 2/week/series",
        "budget 7/week/series",
    ]
    rates = [each.forecast.a_week for each in found[1:] if each.forecast is not None]
    assert rates == sorted(rates)
    assert len(rates) == 3


def test_state_is_measured_and_goes_with_the_number_of_series() -> None:
    stages = Stages(Ewma(), calibrator=Conformal(history=500))
    one, three = plan(stages, rows(300)), plan(stages, rows(300, series=3))
    assert one.bytes_a_series == three.bytes_a_series > 500 * 8
    assert three.bytes_in_all - one.bytes_in_all == pytest.approx(2 * one.bytes_a_series, abs=200)
    assert (one.series, three.series) == (1, 3)
    assert one.rows_a_second > 0


def test_the_share_of_cannot_say_is_told_where_abstention_is_on() -> None:
    loose = FixedTail(0.05)
    on = plan(Stages(Ewma(), threshold=loose, abstention=Abstention(0.9)), rows(600))
    assert on.unsure is not None
    assert 0 < on.unsure < 0.5
    assert plan(Stages(Ewma(), threshold=loose), rows(600)).unsure is None


def test_history_is_learned_and_not_judged() -> None:
    found = plan(Stages(Ewma()), rows(600, series=2), train=400)
    assert (found.trained_on, found.rows, found.series) == (800, 1200, 2)
    forecast = found.expected[0].forecast
    assert forecast is not None
    assert forecast.weeks == pytest.approx(2 * 199 * MINUTE / WEEK)


def test_history_may_be_a_share_of_the_times() -> None:
    assert plan(Stages(Ewma()), rows(600, series=2), train=0.25).trained_on == 300


@pytest.mark.parametrize("train", [0, 600])
def test_a_history_that_is_no_part_of_the_rows_is_refused(train: int) -> None:
    with pytest.raises(ConfigError, match="under the 600 times"):
        plan(Stages(Ewma()), rows(600), train=train)


def test_rows_without_an_opinion_give_no_forecast() -> None:
    found = plan(Stages(Ewma()), rows(12))
    assert [each.forecast for each in found.expected] == [None] * 3


def test_a_rule_needs_two_scores_over_its_level() -> None:
    found = plan(Stages(Ewma(), threshold=FixedTail(1e-3)), rows(600))
    assert found.history == 1000
    assert [each.history for each in found.expected] == [2000, 2 * 20_160, 20_160 // 2, 2880]


def test_a_history_that_is_short_for_the_rule_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, file = folder_with(tmp_path)
    plan_config(config, file)
    assert "keeps 1000 scores a series, and the configured rule needs 2880" in said(capsys)
    longer = config.read_text(encoding="utf-8") + "scoring: {calibrate: {history: 2880}}\n"
    config.write_text(longer, encoding="utf-8")
    plan_config(config, file)
    assert "configured rule needs" not in said(capsys)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, on one line."""
    return " ".join(capsys.readouterr().out.split())


def test_plan_says_it_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan_config(*folder_with(tmp_path))
    said = capsys.readouterr().out
    assert "2 series, 1200 rows." in said
    assert "kB a series" in said
    assert "rows a second" in said
    assert "budget 1/day (configured)" in said
    assert "say" not in said


def test_plan_prints_one_json_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan_config(*folder_with(tmp_path), 300, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["trained_on"] == 600
    assert document["state_bytes"]["in_all"] > 2 * document["state_bytes"]["a_series"]
    assert document["cannot_say"] is None
    first = document["incidents_a_week"][0]
    assert first["all_series"] == pytest.approx(2 * first["a_series"])
    assert first["interval"][0] < first["a_series"] < first["interval"][1]


def test_a_file_that_is_not_the_sources_is_refused(tmp_path: Path) -> None:
    config, file = folder_with(tmp_path, source="{type: plant}")
    with pytest.raises(ConfigError, match="1 channel"):
        plan_config(config, file)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    config, file = folder_with(tmp_path)
    file.write_text("time,pump,flow\n", encoding="utf-8")
    with pytest.raises(SourceError):
        plan_config(config, file)

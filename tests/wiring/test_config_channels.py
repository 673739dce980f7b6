"""Channels that a detector counts may be named in a configuration."""

from pathlib import Path
from typing import Any

import pytest

from tocsin.config import load, load_experiment
from tocsin.detectors.forecast.trees import TreeForecast
from tocsin.pipeline.errors import ConfigError

SOURCE = "sources: {plant: {type: csv, path: rows.csv, time: t, channels: [heat, sun, rain]}}"
GUESSED = "sources: {plant: {type: csv, path: rows.csv}}"


def written(folder: Path, covariates: str, source: str = SOURCE) -> Path:
    path = folder / "pipeline.yaml"
    trees = f"{{type: tree_forecast, covariates: {covariates}}}"
    path.write_text(f"version: 1\n{source}\ndetectors: {{trees: {trees}}}\n", encoding="utf-8")
    return path


def scorer_of(path: Path) -> Any:
    return load(path).stages.scorer


@pytest.mark.parametrize("given", ["[rain, sun]", "[2, 1]", "[rain, 1]"])
def test_a_named_channel_is_its_place_in_the_source(tmp_path: Path, given: str) -> None:
    scorer = scorer_of(written(tmp_path, given))
    assert isinstance(scorer, TreeForecast)
    assert scorer.covariates == (2, 1)


def test_a_detector_within_another_names_channels_too(tmp_path: Path) -> None:
    path = written(tmp_path, "[sun]")
    inner = path.read_text(encoding="utf-8").replace(
        "{type: tree", "{type: refitted, of: {type: tree"
    )
    path.write_text(inner.replace("[sun]}", "[sun]}}"), encoding="utf-8")
    assert scorer_of(path).of.covariates == (1,)


def test_an_unknown_name_is_told_with_its_path_and_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, "[sun, rian]"))
    told = "$.detectors.trees.covariates[1]: no channel is called 'rian'; did you mean 'rain'?"
    assert told in str(caught.value)


def test_names_need_a_source_that_lists_its_channels(tmp_path: Path) -> None:
    assert scorer_of(written(tmp_path, "[1]", GUESSED)).covariates == (1,)
    with pytest.raises(ConfigError, match="no channel is called 'sun'; the source lists none"):
        load(written(tmp_path, "[sun]", GUESSED))
    with pytest.raises(ConfigError, match="no channel is called 'sun'; the source lists none"):
        load_experiment(written(tmp_path, "[sun]", "backtest: {}"))


def test_rules_for_channels_that_there_are_not_are_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(
        "version: 1\n"
        "sources: {rows: {type: csv, path: r.csv, time: t, channels: [gearbox, rotor]}}\n"
        "detectors: {mean: {type: ewma}}\n"
        "series:\n"
        '  - {match: {channel: "gear*"}, range: [0, 9]}\n'
        '  - {match: {channel: "Gearbx*"}, range: [0, 9]}\n'
        "rules: {sizes: [{channel: roter, least: 2}]}\n"
    )
    with pytest.raises(ConfigError) as told:
        load(path)
    said = str(told.value)
    assert "$.series[1].match.channel: 'Gearbx*' matches no channel of the source; did you" in said
    assert "$.rules.sizes[0].channel: 'roter' matches no channel of the source" in said
    assert "series[0]" not in said

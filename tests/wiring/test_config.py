import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tocsin.config import Config, is_experiment, load, load_experiment
from tocsin.configuration.schema import json_schema
from tocsin.connectors.csv_file import CsvSource
from tocsin.connectors.plant import Plant
from tocsin.connectors.plant_faults import Fault
from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.combined.ensemble import Ensemble
from tocsin.detectors.combined.multi_scale import MultiScale
from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.health import Limits
from tocsin.pipeline.retention import Retention
from tocsin.pipeline.threshold import AlertBudget, FixedTail
from tocsin.pipeline.window import Window

ROOT = Path(__file__).resolve().parents[2]

LEAST = """
    version: 1
    sources: {rows: {type: csv, path: rows.csv}}
    detectors: {mean: {type: ewma}}
"""
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def written(folder: Path, text: str) -> Path:
    path = folder / "pipeline.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def read(folder: Path, text: str, **environment: str) -> Config:
    return load(written(folder, text), environment)


def mistakes(folder: Path, text: str, **environment: str) -> str:
    with pytest.raises(ConfigError) as told:
        read(folder, text, **environment)
    return str(told.value)


def test_the_least_configuration_takes_every_default(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST)
    assert config.source == CsvSource(tmp_path / "rows.csv")
    assert config.stages.scorer == Ewma()
    assert config.stages.calibrator == Conformal()
    assert config.store is None


def test_every_section_reaches_its_stage(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        LEAST
        + """
    grid: {every: 1m, gather: last}
    windows: {length: 3, gap: 5m}
    scoring: {calibrate: {method: conformal, history: 500}}
    events: {open_after: 3m, close_after: 10m}
    learning: {at_most: 2h, then: learn}
    defaults: {learn: always}
    series:
      - {match: {series: "WT*", channel: temp}, range: [null, 120], stale_after: 10m}
    health: {stuck_rows: 7}
    state: {dir: kept, checkpoint_every: 250ms}
    max_series: 9
    retention: {after: 30d}
    """,
    )
    stages = config.stages
    assert stages.grid == Grid(MINUTE, gather="last")
    assert stages.window == Window(3, 5 * MINUTE)
    assert stages.calibrator == Conformal(history=500)
    assert stages.episodes == Episodes(3 * MINUTE, 10 * MINUTE)
    assert stages.gate == Gate("always", 120 * MINUTE, "learn")
    assert stages.health.limits == (Limits("WT*", "temp", high=120.0, stale_after_ns=10 * MINUTE),)
    assert stages.health.stuck_rows == 7
    assert stages.max_series == 9
    assert stages.retention == Retention(30 * 24 * 60 * MINUTE)
    assert config.store == tmp_path / "kept" / "tocsin.db"
    assert config.options.checkpoint_every_s == 0.25


def test_series_are_remembered_for_longer_than_rows_may_wait(tmp_path: Path) -> None:
    late = LEAST.replace("type: csv", "type: csv, allowed_lateness: 1h")
    assert late != LEAST
    with pytest.raises(ConfigError, match=r"\$\.retention\.after: .* found 30m, .* lateness of 1h"):
        read(tmp_path, late + "    retention: {after: 30m}\n")


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [("budget: 3/day", AlertBudget("3/day")), ("tail: 1.0e-3", FixedTail(1e-3))],
)
def test_alarms_are_by_budget_or_by_a_fixed_tail(tmp_path: Path, rule: str, wanted: object) -> None:
    config = read(tmp_path, LEAST + f"    thresholds: {{default: {{{rule}}}}}\n")
    assert config.stages.threshold == wanted


def test_metrics_and_health_are_told_where_the_file_says(tmp_path: Path) -> None:
    assert read(tmp_path, LEAST).server is None
    usual = read(tmp_path, LEAST + "    server: {}\n").server
    assert usual is not None
    assert (usual.listen, usual.alive_s) == ("127.0.0.1:9180", 300.0)
    server = read(tmp_path, LEAST + "    server: {listen: '[::1]:0', alive: 90s}\n").server
    assert server is not None
    assert (server.listen, server.alive_s) == ("[::1]:0", 90.0)


def test_a_server_names_the_part_of_the_installation_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "tocsin.connectors.prometheus_server", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    told = mistakes(tmp_path, LEAST + "    server: {}\n")
    assert "$.server: needs prometheus_client: pip install 'tocsin[metrics]'" in told


def test_a_source_has_its_own_keys_and_those_of_every_source(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        version: 1
        defaults: {timezone: Europe/Berlin}
        sources:
          pumps:
            {type: csv, path: a.csv, time: ts, key: id, channels: [x], on_late: drop,
             allowed_lateness: 2m, max_ahead: 3m}
        detectors: {mean: {type: ewma}}
        """,
    )
    assert config.fields is not None
    assert (config.fields.key, config.fields.zone) == (("id",), "Europe/Berlin")
    assert config.fields.unkeyed == "pumps"
    assert config.options.on_late == "drop"
    assert config.stages.order.lateness_ns == 2 * MINUTE
    assert config.stages.order.max_ahead_ns == 3 * MINUTE


def test_faults_of_a_plant_can_be_listed(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        version: 1
        sources:
          plant:
            type: plant
            tick: 1m
            start: 2026-01-01T00:00:00Z
            faults: [{kind: stuck, asset: 1, channel: flow, start_tick: 5, ticks: 9}]
        detectors: {mean: {type: ewma}}
        """,
    )
    assert isinstance(config.source, Plant)
    assert config.source.tick_ns == MINUTE
    assert config.source.start_ns == 1_767_225_600 * SECOND
    assert config.source.faults == (Fault("stuck", 1, "flow", 5, 9),)


@pytest.mark.parametrize(
    ("added", "wanted"),
    [
        ("seriez: []", "$.seriez: unknown key; did you mean 'series'?"),
        ("events: {open_aftr: 1m}", "$.events.open_aftr: unknown key; did you mean 'open_after'?"),
        ("events: {open_after: soon}", "$.events.open_after: 'soon' is not a duration"),
        ("events: {open_after: -3}", "$.events.open_after: -3 is less than nothing"),
        ("events: {open_after: true}", "$.events.open_after: found true, wanted a duration"),
        ("events: []", "$.events: found a list, wanted a map"),
        ("windows: {length: 0}", "$.windows: a window needs length >= 1"),
        ("windows: {length: 1.5}", "$.windows.length: found 1.5, wanted a whole number"),
        ("windows: {length: true}", "$.windows.length: found true, wanted a number"),
        ("series: [{match: {asset: x}, range: [0, 1]}]", "$.series[0].match.asset: unknown key"),
        ("series: [{range: [2, 1]}]", "$.series[0]: range [2, 1] is empty"),
        ("series: [{}]", "$.series[0]: says nothing"),
        ("thresholds: {default: {budget: 9}}", "$.thresholds.default.budget: found 9, wanted text"),
        ("thresholds: {default: {budget: often}}", "$.thresholds.default: 'often' is not a budget"),
        (
            "scoring: {calibrate: {method: blok}}",
            "$.scoring.calibrate.method: 'blok'; did you mean",
        ),
        ("scoring: {calibrate: {method: block, blocks: 3}}", "$.scoring.calibrate.blocks: unknown"),
        ("scoring: {calibrate: [1]}", "$.scoring.calibrate: found a list"),
        ("thresholds: {default: {method: online_fdr, target: 2}}", "$.thresholds.default:"),
        ("rules: {silences: [{from: 2026-01-01}]}", "$.rules.silences[0].until: is missing"),
        ("thresholds: {default: {}}", "$.thresholds.default: give either budget or tail"),
        ("sinks: {a: {type: stdot}}", "$.sinks.a.type: no sink is called 'stdot'; did you mean"),
        ("sinks: {a: {path: x}}", "$.sinks.a.type: is missing; wanted one of jsonl, kafka"),
        ("sinks: {a: 3}", "$.sinks.a: found 3, wanted a map with a type"),
        ("sinks: {a: {type: memory}}", "$.sinks.a.type: 'memory' is for tests in Python"),
        ("sinks: {w: {type: webhook, url: 'ftp://x'}}", "$.sinks.w: the webhook's address must be"),
        ("dead_letters: {type: jsonl}", "$.dead_letters.path: is missing"),
        ("defaults: {learn: never}", "$.defaults.learn: found 'never', wanted 'always', "),
        ("state: {dir: a, checkpoint_every: 0}", "$.state.checkpoint_every: found 0"),
        ("server: {listn: 'a:1'}", "$.server.listn: unknown key; did you mean 'listen'?"),
        ("server: {listen: 9180}", "$.server.listen: found 9180, wanted text"),
        ("server: {listen: here}", "$.server: listen: found 'here', wanted host:port"),
        ("server: {alive: 0}", "$.server.alive: found 0"),
    ],
)
def test_a_mistake_is_told_with_its_path(tmp_path: Path, added: str, wanted: str) -> None:
    assert wanted in mistakes(tmp_path, f"{LEAST}    {added}\n")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (LEAST.replace("1\n", "2\n", 1), "$.version: found 2, wanted 1"),
        (LEAST.replace("    version: 1\n", ""), "$.version: is missing"),
        (LEAST.replace("type: ewma", "type: ewmaa"), "no detector is called 'ewmaa'; did you mean"),
        (
            LEAST.replace("type: ewma", "type: ewma, half_live: 3"),
            "$.detectors.mean.half_live: unknown key; did you mean 'half_life'?",
        ),
        (
            LEAST.replace("type: ewma", "type: ewma, half_life: -3"),
            "$.detectors.mean: half_life",
        ),
        (
            LEAST.replace("path: rows.csv", "path: rows.csv, key: id"),
            "$.sources.rows: 'time', 'channels' must be given too",
        ),
        (
            LEAST.replace("sources: {", "sources: {other: {type: host}, "),
            "$.sources: found other, rows; this version runs exactly one",
        ),
        (
            LEAST.replace("{rows: {type: csv, path: rows.csv}}", "{}"),
            "$.sources: found none; this version runs exactly one",
        ),
    ],
)
def test_a_mistake_in_what_is_needed_is_told(tmp_path: Path, text: str, wanted: str) -> None:
    assert wanted in mistakes(tmp_path, text)


def test_all_mistakes_are_told_together(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        """
        version: 1
        sources: {rows: {type: csv, pathh: "${NOWHERE}"}}
        detectors: {mean: {type: ewma, half_life: soon}}
        sinks: {a: {type: nothing}}
        evants: {}
        """,
    )
    assert "has 6 mistakes" in told
    for path in ("rows.pathh", "rows.path", "mean.half_life", "sinks.a.type", "evants"):
        assert f".{path}: " in told
    assert "variable NOWHERE is not set" in told


def test_what_follows_from_a_missing_variable_is_not_told(tmp_path: Path) -> None:
    told = mistakes(tmp_path, LEAST.replace("type: ewma", 'type: ewma, half_life: "${NONE}"'))
    assert "has 1 mistake:" in told
    assert "$.detectors.mean.half_life: the variable NONE is not set" in told


def test_variables_are_filled_in_and_read_as_their_kind(tmp_path: Path) -> None:
    text = LEAST.replace("type: ewma", 'type: "${KIND:-ewma}", half_life: "${LIFE}"')
    assert read(tmp_path, text, LIFE="7").stages.scorer == Ewma(half_life=7)


def test_loading_opens_and_makes_nothing(tmp_path: Path) -> None:
    read(
        tmp_path,
        LEAST
        + """
    sinks: {file: {type: jsonl, path: out.jsonl}}
    dead_letters: {type: jsonl, path: dead.jsonl}
    state: {dir: kept}
    """,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.yaml"]


def test_the_published_schema_is_up_to_date() -> None:
    pytest.importorskip("kafka", reason="the schema tells of the Kafka connectors")
    published = json.loads((ROOT / "docs/config.schema.json").read_text(encoding="utf-8"))
    assert published == json.loads(json.dumps(json_schema()))


def test_the_schema_knows_every_type() -> None:
    pytest.importorskip("kafka", reason="the schema tells of the Kafka connectors")
    schema = json_schema()
    (named,) = schema["properties"]["detectors"]["patternProperties"].values()
    known = named["discriminator"]["mapping"]
    assert {"ewma", "mahalanobis", "half_space_trees"} <= set(known)
    settings = schema["$defs"][known["ewma"].rsplit("/", 1)[-1]]
    assert set(settings["properties"]) == {"type", "half_life"}
    assert settings["additionalProperties"] is False


def test_a_detector_made_of_others_has_them_under_of(tmp_path: Path) -> None:
    text = LEAST.replace(
        "{type: ewma}",
        "{type: ensemble, of: [{type: ewma}, {type: multi_scale, of: {type: knn, train: 50}}]}",
    )
    scorer = read(tmp_path, text).stages.scorer
    assert isinstance(scorer, Ensemble)
    assert scorer.of == (Ewma(), MultiScale(of=Knn(train=50)))


def test_a_mistake_inside_an_inner_detector_is_told_with_its_path(tmp_path: Path) -> None:
    text = LEAST.replace("{type: ewma}", "{type: ensemble, of: [{type: ewma, halflife: 3}]}")
    assert "$.detectors.mean.of[0].halflife: unknown key; did you mean 'half_life'?" in mistakes(
        tmp_path, text
    )


def test_an_inner_detector_that_is_no_map_is_told(tmp_path: Path) -> None:
    text = LEAST.replace("{type: ewma}", "{type: multi_scale, of: knn}")
    assert "$.detectors.mean.of: found 'knn', wanted a map with a type" in mistakes(tmp_path, text)


def test_a_file_without_a_source_is_for_backtests(tmp_path: Path) -> None:
    path = written(tmp_path, "version: 1\ndetectors: {a: {type: ewma}, b: {type: auto}}\n")
    assert is_experiment(path)
    assert load_experiment(path).scorers == {"a": Ewma(), "b": None}
    assert not is_experiment(written(tmp_path, LEAST))

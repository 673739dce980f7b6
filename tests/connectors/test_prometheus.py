"""What a run exports: the numbers are the run's own, and the page and the rules know them."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from oracles.pipeline_chains import CHAINS
from oracles.runs import CHAIN, ONCE, World, calm, items, trouble
from oracles.selftest_play import QUICK, Constant, chain_of
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tocsin.connectors.memory import MemorySink, Row
from tocsin.connectors.prometheus_metrics import Metrics
from tocsin.connectors.prometheus_names import METRICS
from tocsin.connectors.prometheus_server import Server, registry_of
from tocsin.detectors.classical.ewma import Ewma
from tocsin.pipeline.calibration.drift import DriftWatch
from tocsin.pipeline.chain import ChainState, start
from tocsin.pipeline.events import LANES
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.retention import Retention
from tocsin.pipeline.rules.verdicts import WORDS, tally
from tocsin.pipeline.runner import Summary, Watched
from tocsin.pipeline.selftest.faults import KINDS
from tocsin.pipeline.selftest.settings import SelfTestState
from tocsin.pipeline.step import step

ROOT = Path(__file__).resolve().parents[2]
SECOND = 1_000_000_000
Exported = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.wall, self.steady = 1000 * SECOND, 50.0

    def now(self) -> int:
        return self.wall

    def elapsed(self) -> float:
        return self.steady

    def wait(self, seconds: float) -> None:
        self.steady += seconds


def scraped(metrics: Metrics) -> Exported:
    """Every sample that a scrape gives, by name and labels."""
    return parsed(generate_latest(registry_of(metrics)).decode())


def parsed(text: str) -> Exported:
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    found = {(s.name, tuple(sorted(s.labels.items()))): s.value for s in samples}
    assert len(found) == len(samples)
    return found


def value(found: Exported, name: str, **labels: str) -> float:
    return found[f"tocsin_{name}", tuple(sorted(labels.items()))]


def total(found: Exported, name: str, **labels: str) -> float:
    """The sum over the labels that are not given."""
    wanted = set(labels.items())
    return sum(v for (n, at), v in found.items() if n == f"tocsin_{name}" and wanted <= set(at))


def stepped(chain: Any, metrics: Metrics, rows: int, part: str = "a") -> ChainState:
    """Rows of two series taken in, in three steps that `metrics` sees."""
    state, summary = start(chain), Summary()
    stream = calm(rows)
    for one in np.array_split(np.arange(len(stream)), 3):
        names, time, values = stream.columns(int(one[0]), int(one[-1]) + 1)
        outcome = step(chain, state, names, time, values)
        metrics.watch(Watched(part, state.keys.names, None, outcome, state, summary))
    return state


@pytest.mark.parametrize("name", ["plain", "doubts", "rules"])
def test_a_scrape_tells_what_the_run_counted(tmp_path: Path, name: str) -> None:
    metrics, verdicts, told = Metrics(), Counter[str](), list[Incident]()
    expected, seen_alarms = 0.0, 0

    def watch(seen: Watched) -> None:
        nonlocal expected, seen_alarms
        metrics.watch(seen)
        made = seen.outcome.verdicts
        verdicts.update(tally(made.verdict))
        told.extend(seen.outcome.incidents)
        for tail, alpha in zip(made.tail.tolist(), made.alpha.tolist(), strict=True):
            expected += 0.0 if np.isnan(tail + alpha) else alpha
            seen_alarms += tail < alpha

    world = World(tmp_path / "store.db", {"a": trouble(1), "b": trouble(4)})
    summary = world.run(chain=CHAINS[name], watch=watch)
    with Server("127.0.0.1:0", metrics=metrics) as server:
        answer = httpx.get(f"http://{server.address}/metrics", trust_env=False)
    assert answer.status_code == 200
    found = parsed(answer.text)

    assert total(found, "rows_received_total") == summary.rows > 0
    assert total(found, "records_rejected_total") == summary.rejected > 0
    for why in ("late", "duplicate", "ahead", "too_many_series"):
        assert total(found, "rows_refused_total", reason=why) == summary.refused[why]
    assert total(found, "series_forgotten_total") == summary.forgotten
    for word in WORDS.values():
        assert total(found, "rows_judged_total", verdict=word) == verdicts[word]
    assert total(found, "alarms_expected_total") == pytest.approx(expected)
    assert total(found, "alarms_seen_total") == seen_alarms > 0
    kinds = Counter((each.kind, each.state) for each in told)
    for kind in LANES:
        assert total(found, "incidents_opened_total", kind=kind) == kinds[kind, "open"]
        assert total(found, "incidents_resolved_total", kind=kind) == kinds[kind, "resolved"]
    assert total(found, "incidents_opened_total") == summary.opened > 0
    sent = value(found, "notifications_total", sink="people", result="delivered")
    assert sent == summary.delivered["people"] == len(world.sink.incidents)
    assert value(found, "checkpoints_total") == summary.checkpoints > 0
    assert value(found, "checkpoint_duration_seconds") == summary.checkpoint_s


def test_series_that_are_forgotten_are_counted_and_no_longer_there(tmp_path: Path) -> None:
    metrics = Metrics()
    chain = replace(CHAIN, retention=Retention(8 * SECOND))
    parts = {"a": trouble(1)[:139], "b": trouble(4)}
    found = dict[tuple[str, tuple[str, ...]], float]()

    def watch(seen: Watched) -> None:
        metrics.watch(seen)
        found.update({(name, labels): number for name, labels, number in metrics.samples()})

    summary = World(tmp_path / "store.db", parts).run(chain=chain, watch=watch)
    assert found["tocsin_series_forgotten_total", ("a",)] == 1
    assert found["tocsin_series_forgotten_total", ("b",)] == 1
    assert summary.forgotten == 2
    assert found["tocsin_series", ("a",)] == 1


def test_open_incidents_are_those_of_the_state_step_by_step(tmp_path: Path) -> None:
    metrics, most = Metrics(), 0

    def watch(seen: Watched) -> None:
        nonlocal most
        metrics.watch(seen)
        found = {(name, labels): number for name, labels, number in metrics.samples()}
        counts = np.count_nonzero(seen.state.episodes.phase == 2, axis=0)
        for kind, count in zip(LANES, counts.tolist(), strict=True):
            assert found["tocsin_incidents_open", (seen.part, kind)] == count
        most = max(most, int(counts.sum()))

    World(tmp_path / "store.db", {"a": trouble(1)}, cuts=(5,)).run(watch=watch)
    assert most > 0


def test_what_was_open_before_a_restart_is_open_after_it(tmp_path: Path) -> None:
    rows = [*items(calm(60)), *(Row("s0", at * SECOND, [50.0, 0.0]) for at in range(60, 66))]
    world = World(tmp_path / "store.db", {"a": rows})
    assert world.run().opened == 1
    metrics, found = Metrics(), list[Exported]()

    def watch(seen: Watched) -> None:
        metrics.watch(seen)
        found.append(scraped(metrics))

    again = World(world.path, {"a": [*rows, rows[-1]]}, committed=world.committed)
    assert again.run(watch=watch).opened == 0
    assert value(found[0], "incidents_open", part="a", kind="anomaly") == 1
    assert value(found[0], "rows_received_total", part="a") == 1


def test_failed_deliveries_are_counted_by_sink(tmp_path: Path) -> None:
    metrics = Metrics()
    world = World(tmp_path / "store.db", {"a": trouble(1)}, sink=MemorySink(failures=1))
    summary = world.run(ONCE, watch=metrics.watch)
    found = scraped(metrics)
    assert value(found, "notifications_total", sink="people", result="failed") == 1
    assert (
        value(found, "notifications_total", sink="people", result="delivered")
        == (summary.delivered["people"])
    )


def test_clocks_are_told_as_time_stamp_and_as_lag() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    state = stepped(CHAIN, metrics, rows=30)
    found = scraped(metrics)
    newest = state.clock / SECOND
    assert value(found, "watermark_timestamp_seconds", part="a") == newest == 29
    assert value(found, "event_time_lag_seconds", part="a") == 1000 - 29
    clock.wall += 5 * SECOND
    assert value(scraped(metrics), "event_time_lag_seconds", part="a") == 1005 - 29
    assert value(found, "series", part="a") == 2


@pytest.mark.parametrize(("scorer", "blind"), [(Ewma(half_life=20), 0), (Constant(), 2)])
def test_self_tests_are_told_as_the_state_has_them(scorer: Any, blind: int) -> None:
    metrics = Metrics()
    chain = chain_of(scorer, selftest=replace(QUICK, known=2))
    state = stepped(chain, metrics, rows=700)
    tested, found = state.selftest, scraped(metrics)
    assert isinstance(tested, SelfTestState)
    assert value(found, "series_blind", part="a") == len(tested.blind) == blind
    assert value(found, "selftest_rounds_total", part="a") == tested.round > 4
    assert value(found, "selftest_examinations_total", part="a") == tested.examined > 2
    assert value(found, "selftest_alarms_seen_total", part="a") == tested.alarms
    assert value(found, "selftest_alarms_expected_total", part="a") == tested.expected
    for place, kind in enumerate(KINDS):
        at = {"part": "a", "fault": kind}
        assert value(found, "selftest_faults_planted_total", **at) == tested.tested[place] > 0
        assert value(found, "selftest_faults_seen_total", **at) == tested.seen[place]
        assert value(found, "selftest_faults_alarmed_total", **at) == tested.found[place]
    spikes = value(found, "selftest_detection_ratio", part="a", fault="spike")
    assert spikes == (0 if blind else 1)
    blind_now = value(found, "incidents_open", part="a", kind="blind")
    assert blind_now == blind


def test_what_the_scores_of_tested_series_are_like_is_told() -> None:
    well, dull = Metrics(), Metrics()
    held = stepped(chain_of(Ewma(half_life=20), selftest=QUICK), well, rows=700)
    other = stepped(chain_of(Constant(), selftest=QUICK), dull, rows=700)
    assert held.ticks == other.ticks  # while a state is held, its gauges are told
    alive, blind = scraped(well), scraped(dull)
    assert value(blind, "selftest_score_tie_ratio", part="a") == 1
    assert value(blind, "selftest_score_spread", part="a") == 0
    assert value(alive, "selftest_score_tie_ratio", part="a") < 0.1
    assert value(alive, "selftest_score_spread", part="a") > 0.5
    assert value(alive, "selftest_rank_stability", part="a") > 0.9


def test_the_detection_ratio_is_that_of_the_faults_planted_last() -> None:
    metrics = Metrics()
    chain = chain_of(Ewma(half_life=20), selftest=QUICK)
    state, summary = start(chain), Summary()
    outcome = step(chain, state, ["s"], np.array([SECOND]), np.zeros((1, 2)))
    seen = Watched("a", state.keys.names, None, outcome, state, summary)
    assert isinstance(state.selftest, SelfTestState)
    ratios = []
    for planted, stood in [(0, 0), (4, 4), (4, 4), (8, 5)]:
        state.selftest.tested = np.full(len(KINDS), planted)
        state.selftest.seen = np.full(len(KINDS), stood)
        metrics.watch(seen)
        found = scraped(metrics)
        ratios.append(total(found, "selftest_detection_ratio", fault="drift"))
    assert ratios == [0, 1, 1, 0.25]


def test_a_partition_that_was_let_go_keeps_counters_and_loses_gauges() -> None:
    metrics = Metrics()
    kept = stepped(CHAIN, metrics, rows=30, part="kept")
    stepped(CHAIN, metrics, rows=30, part="gone")
    found = scraped(metrics)
    assert total(found, "rows_judged_total", part="gone") == 60
    assert value(found, "series", part="kept") == len(kept.keys)
    assert ("tocsin_series", (("part", "gone"),)) not in found
    assert ("tocsin_event_time_lag_seconds", (("part", "gone"),)) not in found


HOSTILE = 'a"} 1\ntocsin_rows_received_total{part="b\\', "\udcff.csv", "p\r\u2028\x00,=#", ""


@pytest.mark.parametrize("part", HOSTILE)
def test_no_name_of_a_partition_breaks_the_format(part: str) -> None:
    metrics = Metrics()
    state = stepped(CHAIN, metrics, rows=9, part=part)
    found = scraped(metrics)
    shown = part.encode("utf-8", "backslashreplace").decode()
    assert total(found, "rows_judged_total", part=shown) == 18
    assert value(found, "series", part=shown) == len(state.keys)
    assert {dict(at)["part"] for _, at in found if "part" in dict(at)} == {shown}


def everything() -> Mapping[str, set[tuple[str, ...]]]:
    """The names that a run with all its parts exports, with the names of their labels."""
    metrics = Metrics()
    chain = chain_of(Ewma(half_life=20), selftest=replace(QUICK, known=2), drift=DriftWatch())
    kept = stepped(chain, metrics, rows=400)
    state, summary = start(chain), Summary(checkpoints=1)
    summary.failures["people"] += 1
    outcome = step(chain, state, [], np.empty(0, dtype=np.int64), np.empty((0, 2)))
    metrics.watch(Watched("b", [], None, outcome, state, summary))
    found: dict[str, set[tuple[str, ...]]] = {}
    for name, at in scraped(metrics):
        found.setdefault(name, set()).add(tuple(label for label, _ in at))
    assert kept.selftest is not None  # while the state is held, its gauges are told
    return found


def test_what_is_exported_is_what_the_table_says() -> None:
    table = {metric.name: {tuple(sorted(metric.labels))} for metric in METRICS}
    assert everything() == table


def test_metrics_are_named_as_prometheus_names_them() -> None:
    allowed = {"part", "sink", "verdict", "kind", "fault", "reason", "result", "version"}
    for metric in METRICS:
        assert re.fullmatch(r"tocsin(_[a-z]+)+", metric.name)
        assert metric.name.endswith("_total") is (metric.type == "counter")
        assert set(metric.labels) <= allowed


def test_the_page_tells_every_metric_as_it_is() -> None:
    page = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    told = [
        tuple(cell.strip() for cell in line.strip("|").split(" | "))
        for line in page.splitlines()
        if line.startswith("| `tocsin_")
    ]
    assert told == [
        (
            f"`{metric.name}`",
            metric.type,
            ", ".join(f"`{label}`" for label in metric.labels) or "-",
            metric.help,
        )
        for metric in METRICS
    ]


def test_the_alert_rules_name_metrics_and_labels_that_there_are() -> None:
    text = (ROOT / "docker/prometheus/rules.yaml").read_text(encoding="utf-8")
    assert text in (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) == 5
    table = {metric.name: set(metric.labels) for metric in METRICS}
    for rule in rules:
        used = re.findall(r"\btocsin_\w+", rule["expr"])
        assert used
        known = set().union(*(table[name] for name in used), {"job", "instance"})
        by = re.findall(r"by \(([^)]*)\)", rule["expr"])
        assert {label.strip() for labels in by for label in labels.split(",")} <= known
        for name, label in re.findall(r"(tocsin_\w+)\{(\w+)=", rule["expr"]):
            assert label in table[name]

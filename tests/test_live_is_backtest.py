"""What was backtested is what runs: a series through a broker and through a backtest."""

from pathlib import Path

import numpy as np
import orjson
import pytest
import yaml
from brokers import Broker

from tocsin.backtesting.plan import plan_of
from tocsin.backtesting.running import run_tasks
from tocsin.backtesting.storing import recall
from tocsin.config import load, load_experiment
from tocsin.evaluation.datasets.generator import generate
from tocsin.evaluation.datasets.labelled import Labelled
from tocsin.pipeline.chain import Verdicts, join_verdicts
from tocsin.pipeline.delivery import Delivery
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.runner import RunOptions, Watched, run
from tocsin.pipeline.store import Store

DETECTORS = {
    "streaming": {"type": "mahalanobis", "half_life": 200},
    "windowed": {"type": "window_std", "train": 600},
}
CONFIG = {
    "version": 1,
    "thresholds": {"default": {"budget": "20/day/series"}},
    "events": {"close_after": "10s", "merge_gap": "5s"},
    "learning": {"at_most": "1h", "then": "learn"},
    "backtest": {"train": "none", "modes": ["causal"]},
}


def written(folder: Path, labelled: Labelled) -> list[bytes]:
    """The series as a labelled csv file, and as the messages of a topic."""
    stream = labelled.stream
    lines = [",".join(("t", *stream.channels, "label"))]
    messages = []
    seconds = (stream.time // 1_000_000_000).tolist()
    rows = zip(seconds, stream.values.tolist(), labelled.truth.label.tolist(), strict=True)
    for when, values, label in rows:
        cells = ("" if np.isnan(value) else repr(value) for value in values)
        lines.append(",".join((str(when), *cells, str(int(label)))))
        there = {
            name: value
            for name, value in zip(stream.channels, values, strict=True)
            if not np.isnan(value)
        }
        messages.append(orjson.dumps({"asset": "pump", "t": when, **there}))
    folder.mkdir()
    (folder / "pump.csv").write_text("\n".join(lines) + "\n")
    return messages


def live(config: Path, rows: int) -> tuple[Verdicts, dict[str, Incident]]:
    """The verdicts and last incident revisions of a run over a topic, up to so many rows."""
    made = load(config)
    verdicts: list[Verdicts] = []
    incidents: dict[str, Incident] = {}

    def watch(seen: Watched) -> None:
        verdicts.append(seen.outcome.verdicts)
        incidents.update({incident.id: incident for incident in seen.outcome.incidents})

    with Store(None) as store:
        run(
            made.stages.chain(made.source.spec()),
            made.source,
            store,
            Delivery({}),
            RunOptions(silence=False),
            stop=lambda: sum(map(len, verdicts)) >= rows,
            watch=watch,
        )
    return join_verdicts(verdicts), incidents


@pytest.mark.kafka
@pytest.mark.parametrize("name", DETECTORS)
def test_scores_tails_and_incidents_of_a_live_run_are_those_of_the_backtest(
    name: str, broker: Broker, tmp_path: Path
) -> None:
    (labelled,) = generate(3, channels=3, length=3000, series=1)
    messages = written(tmp_path / "data", labelled)
    topic = broker.topic()
    broker.send(topic, messages)
    source = {"type": "kafka", "brokers": broker.address, "topic": topic, "group": topic}
    source |= {"key": ["asset"], "time": "t", "channels": list(labelled.stream.channels)}
    source |= {"config": {"session_timeout_ms": 1000, "heartbeat_interval_ms": 200}}
    parts = {"sources": {"scada": source}, "detectors": {name: DETECTORS[name]}}
    config = tmp_path / "tocsin.yaml"
    config.write_text(yaml.safe_dump(CONFIG | parts))

    made = plan_of(load_experiment(config), tmp_path / "data")
    mine = [task for task in made.tasks if task.detector == name]
    run_tasks(mine, tmp_path / "out", 1, lambda _: None)
    backtested = recall(tmp_path / "out", mine[0].id).finding
    verdicts, incidents = live(config, len(messages))

    judged = backtested.judged
    for column in ("time", "score", "tail", "alarm"):
        found = backtested.time if column == "time" else getattr(judged, column)
        assert getattr(verdicts, column).tobytes() == found.tobytes(), column
    assert backtested.incidents
    told = {one.id: one.to_json() for one in backtested.incidents}
    assert told == {one.id: one.to_json() for one in incidents.values()}

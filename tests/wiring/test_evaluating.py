"""`tocsin evaluate` measures a file of scores against a file of labels, or says what is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest

from tocsin.commands.evaluating import evaluate
from tocsin.evaluation import metrics
from tocsin.pipeline.errors import SourceError

PROMISED = {
    *("vus_pr", "vus_roc", "pate", "pate_step", "auc_pr", "auc_roc", "best_f1"),
    *("event_aupimo", "affiliation_f1", "range_f1", "distinct_scores"),
}


def files(folder: Path, score: list[str], label: list[str]) -> tuple[Path, Path]:
    scores, labels = folder / "scores.csv", folder / "labels.csv"
    scores.write_text("\n".join(["time,score", *score]) + "\n")
    labels.write_text("\n".join(["time,label", *label]) + "\n")
    return scores, labels


def times(count: int) -> list[str]:
    start = np.datetime64("2026-01-01T00:00:00", "s")
    return [f"{start + 60 * i}Z" for i in range(count)]


def test_each_metric_is_the_function_of_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = np.zeros(400, dtype=int)
    label[200:230] = 1
    score = np.random.default_rng(0).normal(size=400) + 2 * label
    lines = [f"{at},{value!r}" for at, value in zip(times(400), score.tolist(), strict=True)]
    lines[:50] = [line.partition(",")[0] + "," for line in lines[:50]]  # warming up
    labels = [f"{at},{value}" for at, value in zip(times(400), label.tolist(), strict=True)]
    evaluate(*files(tmp_path, lines, labels), 20, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found.keys() >= PROMISED
    assert (found["rows"], found["unscored"], found["window"]) == (400, 50, 20)
    wanted = (label[50:].astype(float), score[50:])
    assert found["vus_pr"] == metrics.vus_pr(*wanted, window=20)
    assert found["pate"] == metrics.pate(*wanted, early=20, late=20)
    assert found["auc_roc"] == metrics.auc_roc(*wanted)


@pytest.mark.parametrize(
    ("score", "label", "why"),
    [
        (["2026-01-01,1", "2026-01-02,2"], ["2026-01-01,0"], "2 rows and .* has 1"),
        (["2026-01-01,1", "2026-01-02,2"], ["2026-01-01,0", "2026-01-03,1"], "row 2: the time"),
        (["2026-01-01,x", "2026-01-02,2"], ["2026-01-01,0", "2026-01-02,1"], "not all numbers"),
    ],
)
def test_what_does_not_fit_is_named(
    score: list[str], label: list[str], why: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=why):
        evaluate(*files(tmp_path, score, label), 10, as_json=True)


def test_a_file_without_a_score_says_what_it_has(tmp_path: Path) -> None:
    scores, labels = files(tmp_path, ["2026-01-01,1"], ["2026-01-01,0"])
    with pytest.raises(SourceError, match="has columns time, label; wanted one of score"):
        evaluate(labels, scores, 10, as_json=True)

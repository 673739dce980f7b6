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
        (["2026-01-01,1"], ["2026-01-01,2"], "labels.csv, row 1: column 'label' holds 2; "),
        (["2026-01-01,1"], ["2026-01-01,"], "labels.csv, row 1: column 'label' holds nan; "),
        (["2026-01-01,1", "soon,1"], ["2026-01-01,0"], "row 2: column 'time' holds 'soon', wanted"),
        (["2026-01-01,1"], ["2026-01-01,0"], "labels.csv: 0 of the 1 row that .* are labelled"),
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


WINDOW = 20


def several(count: int = 400) -> dict[str, tuple[list[int], list[float]]]:
    """Labels and scores of three series; "007" has no event, "b" is scored on another scale."""
    found = {}
    for place, name in enumerate(("a", "007", "b")):
        label = np.zeros(count, dtype=int)
        label[200 + 40 * place : 230 + 40 * place] = name != "007"
        noise = np.random.default_rng(place).normal(size=count)
        score = (noise + (2 - place / 2) * label) * 10.0**place
        found[name] = label.tolist(), score.tolist()
    return found


def interleaved(folder: Path) -> tuple[Path, Path]:
    """The rows of several series, those of one time after one another."""
    rows = several()
    scores, labels = folder / "scores.csv", folder / "labels.csv"
    score, label = ["time,series,score"], ["time,label"]
    for i, at in enumerate(times(400)):
        for name, (labelled, scored) in rows.items():
            score.append(f"{at},{name},{scored[i]!r}")
            label.append(f"{at},{labelled[i]}")
    scores.write_text("\n".join(score) + "\n")
    labels.write_text("\n".join(label) + "\n")
    return scores, labels


def intervals(folder: Path, *lines: str, head: str = "series,start,end") -> Path:
    path = folder / "faults.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def test_several_series_are_measured_alone_and_averaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(*interleaved(tmp_path), WINDOW, as_json=True)
    found = json.loads(capsys.readouterr().out)
    rows = several()
    each = {
        name: metrics.range_f1(np.array(rows[name][0]), np.array(rows[name][1]))
        for name in ("a", "b")
    }
    assert found["range_f1"] == np.mean(list(each.values()))
    assert (found["rows"], found["series_measured"]) == (1200, 2)
    assert [one["series"] for one in found["series"]] == ["a", "007", "b"]
    assert {one["series"]: one.get("range_f1") for one in found["series"]} == each | {"007": None}


def test_means_say_over_which_series_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(*interleaved(tmp_path), WINDOW, as_json=False)
    said = capsys.readouterr().out
    assert "Each is the mean over 2 of 3 series; without an event to find: 007." in said


def test_intervals_are_the_labels_of_the_rows_in_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores, labels = interleaved(tmp_path)
    at = times(400)
    faults = intervals(tmp_path, f"a,{at[200]},{at[229]}", f"b,{at[280]},{at[309]}")
    evaluate(scores, labels, WINDOW, as_json=True)
    by_row = capsys.readouterr().out
    evaluate(scores, faults, WINDOW, as_json=True)
    assert capsys.readouterr().out == by_row


def test_intervals_without_a_row_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores, _ = interleaved(tmp_path)
    at = times(400)
    faults = intervals(tmp_path, f"a,{at[200]},{at[229]}", f"c,{at[0]},{at[9]}")
    evaluate(scores, faults, WINDOW, as_json=True)
    assert "Left out: 1 interval" in (said := capsys.readouterr().err)
    assert "row 2 of 'c'" in said


@pytest.mark.parametrize(
    ("score", "fault", "why"),
    [
        ("score\n1\n2", "a,2026-01-01,2026-01-02", "scores.csv has no column time, .* need"),
        ("time,score\n2026-01-01,1", "a,oops,2026-01-02", "row 1: column 'start' holds 'oops'"),
        ("time,score\n2026-01-01,1", "a,2026-01-02,2026-01-01", "row 1: the end is before"),
        (
            "time,score\n2026-01-01,1",
            "a,2026-01-01,2026-01-02\nb,2026-01-01,2026-01-02",
            "2 series and .*scores.csv has no column series",
        ),
    ],
)
def test_intervals_that_do_not_fit_are_named(
    score: str, fault: str, why: str, tmp_path: Path
) -> None:
    scores = tmp_path / "scores.csv"
    scores.write_text(score + "\n")
    with pytest.raises(SourceError, match=why):
        evaluate(scores, intervals(tmp_path, fault), WINDOW, as_json=True)


def test_series_that_are_not_those_of_the_labels_are_named(tmp_path: Path) -> None:
    scores, labels = tmp_path / "scores.csv", tmp_path / "labels.csv"
    scores.write_text("series,score\na,1\nb,2\n")
    labels.write_text("series,label\na,1\nc,0\n")
    with pytest.raises(SourceError, match=r"row 2: the series is b in .* and c in"):
        evaluate(scores, labels, WINDOW, as_json=True)

"""Average precision is that of the definition; the log survives a kill."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tocsin.detectors.context import progress
from tocsin.pipeline.errors import StateError


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_the_usual_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 12, size=200).astype(float)  # with ties
    label = rng.random(200) < 0.2
    want = average_precision_score(label, score)
    assert progress.average_precision(score, label) == pytest.approx(want, rel=1e-12)


def test_nothing_labelled_has_no_average_precision() -> None:
    assert np.isnan(progress.average_precision(np.ones(3), np.zeros(3, dtype=bool)))


def test_kinds_are_judged_among_their_own_windows() -> None:
    logit = np.array([[0.0, 1.0], [5.0, 4.0]])
    label = np.array([[False, True], [False, True]])
    found = progress.by_kind(logit, label, np.array([0, 1]), ("a", "b", "c"))
    assert found["a"] == 1.0
    assert found["b"] == 0.5
    assert set(found) == {"all", "a", "b"}


def test_a_log_rewinds_to_a_step_and_drops_a_cut_line(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    progress.append(log, [{"step": step, "found": 0.1 * step} for step in range(5)])
    with log.open("a") as file:
        file.write('{"step": 5, "fou')
    progress.rewind(log, 3)
    assert [record["step"] for record in progress.read(log)] == [0, 1, 2, 3]
    assert progress.read(log)[3]["found"] == 0.1 * 3


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("hello\n")
    with pytest.raises(StateError, match=r"log\.jsonl: not a training log"):
        progress.read(log)

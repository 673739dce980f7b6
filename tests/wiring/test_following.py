"""A detector that goes on learning is led through a series again, by nothing but its scores."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tocsin.api import Detection, detect
from tocsin.detectors.forecast.online import OnlineForecast
from tocsin.detectors.forecast.smoothing import Smoothing
from tocsin.history import explaining
from tocsin.history.explaining import expected_of
from tocsin.history.following import Marks, begun, followed
from tocsin.pipeline.types import Batch, BoolArray, FloatArray, Scores, Spec

ROWS = 700
FAULT = slice(500, 512)
SMALL: dict[str, Any] = {
    "smoothing": Smoothing(train=200, period=24),
    "online": OnlineForecast(lags=3, half_life=50, history=200, warmup=60),
}
each = pytest.mark.parametrize("scorer", SMALL.values(), ids=list(SMALL))


@dataclass
class Sum:
    total: float = 0.0


class Adding:
    """Scores the sum of what it learned; a missing value scores NaN and is learned as 100."""

    def start(self, spec: Spec) -> Sum:
        assert spec.item == (1,)
        return Sum()

    def score(self, state: Sum, batch: Batch) -> Scores:
        return Scores(np.where(np.isnan(batch.values[:, 0, 0]), np.nan, state.total))

    def learn(self, state: Sum, batch: Batch) -> None:
        state.total += float(np.nan_to_num(batch.values[0, 0, 0], nan=100.0))


def one_by_one(values: list[float]) -> Iterator[Batch]:
    for time, value in enumerate(values):
        yield Batch(np.zeros(1, dtype=np.int64), np.array([time]), np.full((1, 1, 1), value))


def totals(values: list[float], score: list[float], firing: str = "") -> list[float]:
    """What had been learned at each row with a score."""
    scorer, state = Adding(), Sum()
    fires: BoolArray = np.array([mark == "!" for mark in firing.ljust(len(values))])
    marks = Marks(np.array(score), fires)
    return [state.total for _ in followed(scorer, state, one_by_one(values), marks)]


def test_scores_tell_which_rows_were_learned() -> None:
    assert totals([1, 2, 4, 8], [0, 1, 3, 7]) == [0, 1, 3, 7]
    assert totals([1, 2, 4, 8], [0, 1, 1, 5]) == [0, 1, 1, 5]


@pytest.mark.parametrize("after", [1, 101, 201])
def test_rows_without_a_score_wait_for_the_next_score(after: float) -> None:
    assert totals([1, np.nan, np.nan, 2], [0, np.nan, np.nan, after]) == [0, after]


def test_a_score_that_nothing_explains_is_the_end() -> None:
    assert totals([1, 2, 4, 8], [0, 1, 2, 7]) == [0, 1]


def test_a_calm_row_that_makes_no_difference_is_learned_and_a_firing_one_is_not() -> None:
    class Counting(Adding):
        def learn(self, state: Sum, batch: Batch) -> None:
            super().learn(state, batch)
            learned.append(int(batch.time[0]))

    learned: list[int] = []
    marks = Marks(np.zeros(3), np.array([False, True, False]))
    assert len(list(followed(Counting(), Sum(), one_by_one([0, 0, 0]), marks))) == 3
    assert set(learned) == {0}


def test_clean_history_is_learned_row_by_row_where_there_is_no_fit() -> None:
    assert begun(Adding(), Spec((1,)), one_by_one([1, 2, 4])).total == 7


def plant() -> pd.DataFrame:
    """A daily wave and its follower; a fault, missing values before, in and after it."""
    rng = np.random.default_rng(4)
    flow = np.sin(np.arange(ROWS) * np.pi / 12) + 0.1 * rng.normal(size=ROWS)
    frame = pd.DataFrame({"flow": flow, "power": 0.5 * flow + 0.1 * rng.normal(size=ROWS)})
    frame.loc[FAULT, "flow"] += 4.0
    frame.loc[[450, 505, 530, 531]] = np.nan
    frame.loc[[460, 470], "flow"] = np.nan
    return frame


def found(scorer: Any, train: object = 300) -> Detection:
    return detect(plant(), scorer, train)  # type: ignore[arg-type]  # as the caller gives it


def told(detection: Detection, rows: slice = slice(0, ROWS)) -> FloatArray | None:
    expected = expected_of(detection.panels[0], detection.origin, np.arange(ROWS)[rows])
    return None if expected is None else expected.middle


@each
@pytest.mark.parametrize("train", [300, None, plant()[:300]], ids=["rows", "none", "frame"])
def test_all_rows_with_a_score_have_a_band_through_faults_and_gaps(
    scorer: Any, train: object
) -> None:
    detection = found(scorer, train)
    assert len(detection.incidents) >= 1
    middle = told(detection)
    assert middle is not None
    score = detection.panels[0].score
    assert np.array_equal(np.isfinite(middle).all(axis=1), np.isfinite(score))
    assert np.isfinite(score).sum() > 300


def test_the_band_is_that_of_the_state_that_learned_no_fault() -> None:
    middle = told(found(SMALL["smoothing"]))
    assert middle is not None
    clean = plant().flow.to_numpy()[FAULT] - 4.0
    assert np.nanmean(np.abs(middle[FAULT, 0] - clean)) < 0.5


@each
def test_what_is_told_of_a_row_is_the_same_whatever_is_asked_beside_it(scorer: Any) -> None:
    detection = found(scorer)
    whole, part = told(detection), told(detection, FAULT)
    assert whole is not None
    assert part is not None
    assert part[FAULT].tobytes() == whole[FAULT].tobytes()
    assert np.isnan(np.delete(part, np.arange(ROWS)[FAULT], axis=0)).all()


def test_a_series_is_gone_through_once_however_many_incidents_are_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detection = found(SMALL["smoothing"])
    first = told(detection)
    monkeypatch.setattr(explaining, "followed", None)
    again = told(detection)
    assert first is not None
    assert again is not None
    assert again.tobytes() == first.tobytes()


def test_after_a_score_that_is_not_the_models_nothing_is_told() -> None:
    detection = found(SMALL["smoothing"])
    panel = detection.panels[0]
    score = panel.score.copy()
    score[400] = np.nextafter(score[400], np.inf)
    other = replace(panel, score=score)
    expected = expected_of(other, detection.origin, np.arange(ROWS))
    assert expected is not None
    known = np.flatnonzero(np.isfinite(expected.middle[:, 0]))
    assert known.tolist() == list(range(300, 400))
    assert expected_of(other, detection.origin, np.arange(ROWS)[FAULT]) is None


@each
def test_an_incident_is_explained_with_its_band(scorer: Any) -> None:
    detection = found(scorer)
    start = detection.panels[0].time[FAULT][0]
    name = next(one.id for one in detection.panels[0].incidents if one.started_at == start)
    course = detection.explained(name).expected
    assert course is not None
    assert course[0].channel == "flow"
    assert (course[0].value[:3] > course[0].expected[:3] + 3 * course[0].usual[:3]).all()

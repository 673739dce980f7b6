"""A scorer fed row by row, as River's are, scores as in the pipeline."""

import math

import numpy as np
import pytest
from oracles.streams import batch_of, rough

from tocsin.detectors.adapters.learn_one import as_river
from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.windows.window_std import WindowStd
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, FloatArray, Spec
from tocsin.pipeline.window import Window


def told(values: FloatArray, scorer: object) -> list[float]:
    model, score = as_river(scorer, ("c0", "c1")), []  # type: ignore[arg-type] # any scorer
    for row in values:
        x = {f"c{c}": float(value) for c, value in enumerate(row) if not math.isnan(value)}
        score.append(model.score_one(x))
        model.learn_one(x)
    return score


def test_rows_one_by_one_score_as_in_a_block() -> None:
    values = rough(150, 2, seed=1)
    scorer = Ewma(half_life=5)
    state = scorer.start(Spec((2,)))
    grow(state, 1)
    wanted = scorer.advance(state, batch_of(values)).value
    assert np.isfinite(wanted).sum() > 100
    np.testing.assert_array_equal(told(values, scorer), wanted)


def test_windows_are_those_of_the_window_stage() -> None:
    values = np.random.default_rng(2).normal(size=(90, 2))
    scorer = WindowStd(window=5, train=40, memory=60)
    stage = Window(5)
    windows = stage.start((2,))
    state = scorer.start(Spec((2,), window=5))
    for one in (windows, state):
        grow(one, 1)
    key = np.zeros(90, dtype=np.int64)
    batch = stage.advance(windows, key, np.arange(90), values)
    wanted = scorer.advance(state, Batch(key, batch.time, batch.values)).value
    assert np.isfinite(wanted).sum() == 50
    np.testing.assert_array_equal(told(values, scorer), wanted)


def test_scoring_learns_nothing() -> None:
    model = as_river(Ewma(half_life=3))
    for value in (1.0, 2.0, 1.0, 2.0):
        model.learn_one({"flow": value})
    first = model.score_one({"flow": 9.0})
    assert first > 0
    assert model.score_one({"flow": 9.0}) == first


def test_before_it_has_learned_there_is_no_opinion() -> None:
    assert math.isnan(as_river(Ewma()).score_one({"flow": 1.0}))


def test_the_first_row_names_the_channels() -> None:
    model = as_river(Ewma())
    model.learn_one({"flow": 1.0, "heat": 2.0})
    assert model.channels == ("flow", "heat")
    with pytest.raises(TocsinError, match="the row has 'rate'; the channels are flow, heat"):
        model.learn_one({"flow": 1.0, "rate": 2.0})


def test_a_first_row_of_nothing_is_refused() -> None:
    with pytest.raises(TocsinError, match="the first row names the channels"):
        as_river(Ewma()).score_one({})

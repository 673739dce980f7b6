"""A model of River scores as it does in River, and is restored to the bit."""

import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from oracles.streams import batch_of

from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import Header, pack, settings_of, unpack
from tocsin.pipeline.types import Batch, FloatArray, Spec

pytest.importorskip("river", reason="River is the extra `online`")

from river import anomaly, compose, drift, preprocessing

from tocsin.detectors.adapters.river import River

TREES = (("n_trees", 5), ("height", 4), ("window_size", 20))
FORECAST = (("warmup_period", 12),)
GAUSS = River("GaussianScorer", (("grace_period", 10),), "none", history=60, warmup=10)

# What River's models do, and the adapter passes on.
SATURATES = {
    "stranger_is_higher": "a value beyond all seen falls into a leaf at the edge, maybe a full one",
}
FLAT = {"stranger_is_higher": "a flat stream has the highest score, as it has no spread"}


def started(scorer: Any, width: int, keys: int = 1) -> Any:
    state = scorer.start(Spec((width,)))
    grow(state, keys)
    return state


def rows_of(count: int, width: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).random((count, width))


def features(row: FloatArray) -> dict[str, float]:
    return {f"c{c}": float(value) for c, value in enumerate(row)}


@pytest.mark.parametrize(
    ("name", "settings", "model"),
    [
        ("HalfSpaceTrees", (*TREES, ("seed", 3)),
         anomaly.HalfSpaceTrees(n_trees=5, height=4, window_size=20, seed=3)),
        ("anomaly.LODA", (("n_random_cuts", 8), ("seed", 1)),
         anomaly.LODA(n_random_cuts=8, seed=1)),
        ("OneClassSVM", (("nu", 0.2),), anomaly.OneClassSVM(nu=0.2)),
        ("LocalOutlierFactor", (("n_neighbors", 4),),
         anomaly.LocalOutlierFactor(n_neighbors=4)),
    ],
)  # fmt: skip
def test_a_model_scores_as_it_does_in_river(name: str, settings: Any, model: Any) -> None:
    values = rows_of(120, 2)
    wanted = []
    for row in values:
        wanted.append(float(model.score_one(features(row))))
        model.learn_one(features(row))
    scorer = River(name, settings, "none", warmup=0)
    seen = scorer.advance(started(scorer, 2), batch_of(values)).value
    assert np.unique(seen).size > 10
    np.testing.assert_array_equal(seen, wanted)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("GaussianScorer", ()),
        ("StandardAbsoluteDeviation", ()),
        ("PredictiveAnomalyDetection", FORECAST),
        ("PredictiveAnomalyDetection", ()),  # which divides by zero
    ],
)
def test_a_model_with_a_target_has_the_first_channel(name: str, settings: Any) -> None:
    values = rows_of(150, 3, seed=1)
    model, wanted = getattr(anomaly, name)(**dict(settings)), []
    for row in values:
        target, *rest = row.tolist()
        x = {f"c{c}": value for c, value in enumerate(rest, start=1)}
        try:
            wanted.append(float(model.score_one(x, target)))
        except ZeroDivisionError:  # which has no opinion
            wanted.append(np.nan)
        model.learn_one(x, target)
    scorer = River(name, settings, "none", warmup=0)
    seen = scorer.advance(started(scorer, 3), batch_of(values)).value
    assert np.unique(seen).size > 10 or np.isnan(wanted).all()
    np.testing.assert_array_equal(seen, wanted)


def test_scaled_rows_score_as_in_a_pipeline_of_river() -> None:
    values = 1000.0 * rows_of(120, 2, seed=2)
    trees = anomaly.HalfSpaceTrees(n_trees=5, height=4, window_size=20, seed=0)
    model = compose.Pipeline(preprocessing.MinMaxScaler(), trees)
    wanted = []
    for row in values:
        wanted.append(float(model.score_one(features(row))))
        model.learn_one(features(row))
    scorer = River("HalfSpaceTrees", TREES, warmup=0)
    seen = scorer.advance(started(scorer, 2), batch_of(values)).value
    np.testing.assert_array_equal(seen, wanted)


@pytest.mark.parametrize("name", ["drift.ADWIN", "KSWIN", "PageHinkley"])
def test_a_drift_detector_scores_the_row_that_sets_it_off(name: str) -> None:
    settings = {"PageHinkley": (("threshold", 2.0),), "KSWIN": (("seed", 0),)}.get(name, ())
    values = np.random.default_rng(3).normal(size=(300, 1))
    values[150:] += 3.0
    model, wanted = getattr(drift, name.rpartition(".")[2])(**dict(settings)), []
    for value in values[:, 0].tolist():
        model.update(value)
        wanted.append(float(model.drift_detected))
    scorer = River(name, settings, "none", warmup=0)
    scores = scorer.advance(started(scorer, 1), batch_of(values))
    assert sum(wanted[150:]) >= 1
    np.testing.assert_array_equal(scores.value, wanted)
    assert scores.blame is not None
    np.testing.assert_array_equal(scores.blame[:, 0, 0], wanted)


@pytest.mark.parametrize(
    "scorer",
    [
        River("HalfSpaceTrees", TREES, history=80, warmup=20),
        River("PredictiveAnomalyDetection", FORECAST, "standard", history=50, warmup=5),
        River("LocalOutlierFactor", (("n_neighbors", 3),), history=40, warmup=10),
        River("ADWIN", (), history=60, warmup=0),
    ],
    ids=lambda scorer: scorer.model,
)
@pytest.mark.parametrize("stop", [30, 95])  # before and after the rows were first dropped
def test_a_restored_model_goes_on_to_the_bit(scorer: Any, stop: int) -> None:
    values = rows_of(200, 2, seed=4)
    state = started(scorer, 2)
    scorer.advance(state, batch_of(values[:stop]))
    header = Header("River", 1, settings_of(scorer))
    again = unpack(pack(header, state), header, scorer.start(Spec((2,))))
    wanted = scorer.advance(state, batch_of(values[stop:])).value
    assert np.isfinite(wanted).any()
    np.testing.assert_array_equal(scorer.advance(again, batch_of(values[stop:])).value, wanted)
    np.testing.assert_array_equal(again.mark, state.mark)


def test_after_many_rows_a_model_is_one_of_the_newest_alone() -> None:
    values = rows_of(100, 1, seed=5)
    old, new = started(GAUSS, 1), started(GAUSS, 1)
    GAUSS.advance(old, batch_of(values))
    # 60 rows fill the history and 30 stay; 30 more fill it again, and the last 30 of 90 stay.
    GAUSS.advance(new, batch_of(values[60:]))
    probe = batch_of(rows_of(5, 1, seed=6))
    np.testing.assert_array_equal(GAUSS.score(old, probe).value, GAUSS.score(new, probe).value)


def test_states_of_one_scorer_do_not_share_their_models() -> None:
    values = rows_of(40, 1, seed=7)
    state = started(GAUSS, 1)
    GAUSS.advance(state, batch_of(values))
    other = deepcopy(state)
    probe = batch_of(np.array([[0.3]]))
    before = GAUSS.score(state, probe).value
    GAUSS.advance(other, batch_of(10.0 * values))
    np.testing.assert_array_equal(GAUSS.score(state, probe).value, before)


def test_a_missing_channel_holds_its_last_value() -> None:
    values = rows_of(30, 2, seed=8)
    holes, held = values.copy(), values.copy()
    holes[20, 1], held[20, 1] = np.nan, values[19, 1]
    scorer = River("HalfSpaceTrees", TREES, warmup=0)
    seen = scorer.advance(started(scorer, 2), batch_of(holes)).value
    wanted = scorer.advance(started(scorer, 2), batch_of(held)).value
    np.testing.assert_array_equal(seen, wanted)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "HalfSpaceTree"}, "wanted an anomaly model or drift detector"),
        ({"model": "nowhere.Model"}, "there is no module river.nowhere"),
        ({"model": "linear_model.LinearRegression"}, "wanted an anomaly model"),
        ({"settings": (("trees", 3),)}, "no setting 'trees'"),
        ({"model": "QuantileFilter"}, "wanted an anomaly model|refused"),
        ({"scale": "minmax"}, "scale must be"),
        ({"history": 100, "warmup": 60}, "twice warmup"),
    ],
)
def test_what_river_cannot_make_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        River(**settings)


def test_a_key_without_room_is_refused() -> None:
    state = started(GAUSS, 1)
    with pytest.raises(Exception, match="in a state with room for 8"):
        GAUSS.score(state, Batch(np.array([8]), np.array([0]), np.zeros((1, 1, 1))))


@pytest.mark.parametrize(
    "check",
    cases(
        [
            Subject(River("HalfSpaceTrees", TREES, history=60, warmup=20), Spec((2,)), SATURATES),
            Subject(GAUSS, Spec((1,)), FLAT),
        ]
    ),
)
def test_adapter_keeps_the_promise(check: Callable[[], None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check()

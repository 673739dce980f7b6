"""A detector at several scales is itself, on averages over blocks, each in its own unit."""

from typing import Any

import numpy as np
import pytest
from oracles import combined
from oracles.streams import rough

from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.half_space_trees import HalfSpaceTrees
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.combined.multi_scale import MultiScale
from tocsin.detectors.images.block_dct import BlockDct
from tocsin.detectors.windows.window_std import WindowStd
from tocsin.pipeline.errors import ConfigError, StateError, TocsinError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import Header, pack, settings_of, unpack
from tocsin.pipeline.types import Batch, BoolArray, FloatArray, Spec
from tocsin.pipeline.window import Window

EWMA = Ewma(half_life=10)


def windows(values: FloatArray, frames: int) -> Batch:
    stage = Window(frames)
    state = stage.start(values.shape[1:])
    grow(state, 1)
    return stage.advance(
        state, np.zeros(len(values), dtype=np.int64), np.arange(len(values)), values
    )


def begun(scorer: Any, width: int) -> Any:
    state = scorer.start(Spec((width,), window=scorer.frames))
    grow(state, 1)
    return state


def auc(score: FloatArray, wrong: BoolArray) -> float:
    bad, good = score[wrong], score[~wrong & ~np.isnan(score)]
    return float((bad[:, None] > good).mean())


def test_scores_are_those_of_the_slow_version() -> None:
    values = rough(400, 2, seed=1)
    scorer = MultiScale(EWMA, scales=(1, 2, 5), history=50)
    seen = scorer.advance(begun(scorer, 2), windows(values, 5)).value
    clean = np.where(np.isfinite(values), values, np.nan)
    wanted = combined.multi_scale(EWMA, (1, 2, 5), 50, clean)
    assert np.isfinite(wanted).sum() > 300
    np.testing.assert_allclose(seen, wanted, rtol=1e-6, atol=1e-6)


def test_a_shift_that_noise_hides_shows_at_a_larger_scale() -> None:
    values = np.random.default_rng(2).normal(size=(3000, 1))
    wrong = np.zeros(3000, dtype=bool)
    for start in range(1000, 3000, 400):
        values[start : start + 24] += 1.2
        wrong[start + 8 : start + 24] = True
    plain = MultiScale(Ewma(half_life=200), scales=(1,))
    wide = MultiScale(Ewma(half_life=200), scales=(1, 4, 8))
    found = [
        auc(scorer.advance(begun(scorer, 1), windows(values, 8)).value, wrong)
        for scorer in (plain, wide)
    ]
    assert found[1] > found[0] + 0.1


@pytest.mark.parametrize("of", [EWMA, Knn(train=40, memory=200)], ids=["played", "own"])
@pytest.mark.parametrize("past", [0, 300])
def test_offline_a_long_low_shift_stands_out(of: Any, past: int) -> None:
    values = np.random.default_rng(3).normal(size=(900, 2))
    values[600:640, 1] += 2.0
    scores = MultiScale(of, scales=(1, 4, 8)).offline(Spec((2,)), values[:past], values[past:])
    assert scores.value.shape == (900 - past,)
    inside = slice(600 - past, 640 - past)
    assert np.nanmean(scores.value[inside]) > np.nanquantile(scores.value, 0.9)
    assert scores.blame is not None
    assert scores.blame[inside].sum(axis=0).argmax() == 1


def test_offline_too_short_a_series_has_no_opinion() -> None:
    scores = MultiScale(Knn(train=40, memory=200)).offline(
        Spec((1,)), np.empty((0, 1)), np.empty((0, 1))
    )
    assert scores.value.shape == (0,)


def test_a_fitted_one_has_an_opinion_at_once_and_keeps_it() -> None:
    rng = np.random.default_rng(4)
    scorer = MultiScale(Knn(train=40, memory=400), scales=(1, 3), history=60)
    state = scorer.fit(Spec((1,), window=3), [windows(rng.normal(size=(300, 1)), 3)])
    stream = rng.normal(size=(400, 1)) + 6.0
    score = scorer.advance(state, windows(stream, 3)).value
    assert np.isfinite(score).all()
    assert score[-50:].min() > 5.0  # what lasts stays found


def test_windows_of_blocks_are_given_to_a_scorer_of_windows() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(600, 1))
    values[500:] *= 6.0
    scorer = MultiScale(WindowStd(window=4, train=50, memory=200), scales=(1, 2), history=60)
    assert scorer.frames == 8
    score = scorer.advance(begun(scorer, 1), windows(values, 8)).value
    assert np.median(score[520:]) > np.nanquantile(score[:500], 0.99)


def test_the_rows_of_the_blocks_are_blamed() -> None:
    values = np.random.default_rng(6).normal(size=(300, 2))
    values[296:, 1] += 9.0
    scorer = MultiScale(EWMA, scales=(4,), history=40)
    scores = scorer.advance(begun(scorer, 2), windows(values, 4))
    assert scores.blame is not None
    blame = scores.blame[-1]  # (4, 2)
    assert blame[:, 1].min() > 5 * blame[:, 0].max()
    assert np.ptp(blame[:, 1]) == 0
    assert blame.sum() == pytest.approx(scores.value[-1])


def test_only_what_can_be_fitted_is() -> None:
    assert not hasattr(MultiScale(EWMA), "fit")
    assert hasattr(MultiScale(Knn()), "fit")


def test_the_traits_are_those_of_the_scorer_inside() -> None:
    assert MultiScale(EWMA).traits.detects == EWMA.traits.detects
    assert MultiScale(HalfSpaceTrees()).traits.scale_free == HalfSpaceTrees.traits.scale_free
    assert not MultiScale(HalfSpaceTrees()).traits.stochastic  # it has no seed of its own


def test_state_of_another_inner_scorer_is_refused() -> None:
    one, other = MultiScale(EWMA), MultiScale(Ewma(half_life=11))
    saved = pack(Header("MultiScale", 1, settings_of(one)), begun(one, 1))
    with pytest.raises(StateError, match="learned with of"):
        unpack(saved, Header("MultiScale", 1, settings_of(other)), begun(other, 1))


@pytest.mark.parametrize("scales", [(), (0, 1), (2, 1), (1, 1)])
def test_scales_that_do_not_rise_are_refused(scales: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="scales must be rising"):
        MultiScale(EWMA, scales=scales)


def test_what_cannot_be_wrapped_is_refused() -> None:
    with pytest.raises(ConfigError, match="BlockDct is of frames"):
        MultiScale(BlockDct())
    with pytest.raises(ConfigError, match="needs scorers in `of`; found 'ewma'"):
        MultiScale("ewma")  # type: ignore[arg-type] # the mistake under test


def test_rows_that_do_not_fit_are_refused() -> None:
    scorer = MultiScale(EWMA, scales=(1, 2))
    with pytest.raises(ConfigError, match="windows of 2 rows"):
        scorer.start(Spec((1,)))
    state = begun(scorer, 1)
    none = np.zeros(1, dtype=np.int64)
    with pytest.raises(TocsinError, match="values must be"):
        scorer.score(state, Batch(none, none, np.zeros((1, 2, 3))))
    with pytest.raises(TocsinError, match="in a state with room for 8"):
        scorer.score(state, Batch(none + 8, none, np.zeros((1, 2, 1))))

"""The patch memory scores as its slow version, and bears what histories are like."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import patches

from tocsin.detectors.patches.patch_memory import PatchMemory, PatchState
from tocsin.detectors.scaling import robust_scale, scaled
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec

WIDTHS = (8, 16, 32)
SMALL = PatchMemory(train=100, memory=400, widths=WIDTHS, patches=300, trim=0.0)


def signal(rows: int, channels: int = 1, seed: int = 0) -> FloatArray:
    """Waves with noise (N, C), each channel in a unit of its own."""
    rng = np.random.default_rng(seed)
    phase = np.arange(rows)[:, None] / 5.0 + np.arange(channels)
    units = np.resize([1.0, 50.0, 0.01], channels)
    return 7.0 + units * (np.sin(phase) + 0.1 * rng.normal(size=(rows, channels)))


def windows(values: FloatArray, length: int) -> Batch:
    """One key's rows (N, C), each with the rows before it; NaN before the first."""
    before = np.full((length - 1, values.shape[1]), np.nan)
    line = np.concatenate([before, values])
    stacked = np.stack([line[t : t + length] for t in range(len(values))])
    return Batch(np.zeros(len(values), dtype=np.int64), np.arange(len(values)), stacked)


def causal(scorer: PatchMemory, train: FloatArray, series: FloatArray) -> Scores:
    """Scores of a series that follows on its training rows."""
    spec = Spec((train.shape[1],), window=scorer.frames)
    state = scorer.fit(spec, [windows(train, scorer.frames)])
    both = windows(np.concatenate([train, series]), scorer.frames)
    return scorer.advance(state, both.take(np.arange(len(train), len(both))))


def offline(scorer: PatchMemory, train: FloatArray, series: FloatArray) -> FloatArray:
    return scorer.offline(Spec((series.shape[1],)), train, series).value


@pytest.mark.parametrize("channels", [1, 3])
def test_offline_scores_are_those_of_the_slow_version(channels: int) -> None:
    train, series = signal(150, channels), signal(80, channels, seed=1)
    series[40:44, 0] += 5.0
    slow = patches.offline(train, series, WIDTHS)
    np.testing.assert_allclose(offline(SMALL, train, series), slow, rtol=1e-8)


@pytest.mark.parametrize("channels", [1, 3])
def test_causal_scores_are_those_of_the_slow_version(channels: int) -> None:
    train, series = signal(150, channels), signal(12, channels, seed=1)
    found = causal(SMALL, train, series).value
    memories = [patches.remembered(train, width) for width in WIDTHS]
    values = scaled(np.concatenate([train, series]), robust_scale(train))
    for t in range(len(series)):
        newest = [values[150 + t + 1 - width : 150 + t + 1] for width in WIDTHS]
        np.testing.assert_allclose(found[t], patches.score(memories, newest), rtol=1e-8)


@pytest.mark.parametrize("compare", ["apart", "joint"])
def test_the_two_ways_to_compare_channels_make_up_the_default(compare: str) -> None:
    train, series = signal(200, 3), signal(100, 3, seed=1)
    both = offline(SMALL, train, series)
    apart = offline(replace(SMALL, compare="apart"), train, series)
    joint = offline(replace(SMALL, compare="joint"), train, series)
    assert not np.allclose(apart if compare == "apart" else joint, both)
    np.testing.assert_allclose(0.5 * (apart + joint), both, rtol=1e-12)


def test_the_channel_at_fault_is_blamed_at_its_rows() -> None:
    train, series = signal(300, 4), signal(200, 4, seed=1)
    series[100:130, 2] = series[100, 2]
    scores = SMALL.offline(Spec((4,)), train, series)
    assert scores.blame is not None
    assert (scores.blame[105:125].argmax(axis=1) == 2).all()
    live = causal(SMALL, train, series)
    assert live.blame is not None
    assert (live.blame[115:130].sum(axis=1).argmax(axis=1) == 2).all()


def test_a_stretch_that_stands_still_is_found() -> None:
    train, series = signal(300), signal(200, seed=1)
    series[100:140] = series[100]
    found = offline(SMALL, train, series)
    assert found[110:130].min() > np.delete(found, np.arange(70, 170)).max()


def test_a_young_series_is_scored_by_the_widths_that_fit() -> None:
    state = SMALL.fit(Spec((1,), window=32), [windows(signal(200), 32)])
    found = SMALL.score(state, windows(signal(40, seed=1), 32)).value
    assert np.isnan(found[:5]).all()  # under three quarters of the narrowest patch
    assert np.isfinite(found[5:]).all()


def test_missing_values_are_borne_and_missing_rows_have_no_opinion() -> None:
    train, series = signal(300, 2), signal(100, 2, seed=1)
    rng = np.random.default_rng(2)
    train[rng.random(train.shape) < 0.05] = np.nan
    train[::20] = np.nan
    series[rng.random(series.shape) < 0.05] = np.nan
    series[50] = np.nan
    found = causal(SMALL, train, series).value
    assert np.isnan(found[50])
    assert np.isfinite(np.delete(found, 50)).all()
    assert np.isfinite(offline(SMALL, train, series)).all()


def test_a_channel_that_was_never_there_changes_nothing() -> None:
    train, series = signal(200, 2), signal(100, 2, seed=1)
    missing = np.full((300, 1), np.nan)
    with_it = offline(SMALL, np.hstack([train, missing[:200]]), np.hstack([series, missing[:100]]))
    np.testing.assert_allclose(with_it, offline(SMALL, train, series), rtol=1e-12)


def test_constant_channels_score_in_bounds_that_no_unit_moves() -> None:
    train, series = signal(200, 2), signal(100, 2, seed=1)
    train[:, 1] = series[:, 1] = 3.0
    series[60:, 1] = 3.5
    found = offline(SMALL, train, series)
    assert np.isfinite(found).all()
    assert found[65:].min() > found[:40].max()
    units = np.array([1e6, 1e-6])
    np.testing.assert_allclose(offline(SMALL, train * units, series * units), found, rtol=1e-6)


def test_a_channel_twice_scores_as_once() -> None:
    train, series = signal(200), signal(100, seed=1)
    twice = offline(SMALL, np.repeat(train, 2, axis=1), np.repeat(series, 2, axis=1))
    np.testing.assert_allclose(twice, offline(SMALL, train, series), rtol=1e-9)


@pytest.mark.parametrize("rows", [0, 7, 15, 40])
def test_a_short_series_scores_where_a_patch_fits_and_is_nan_elsewhere(rows: int) -> None:
    found = offline(SMALL, signal(200), signal(rows, seed=1))
    assert found.shape == (rows,)
    assert np.isfinite(found).all() if rows >= 8 else np.isnan(found).all()


def test_a_history_too_short_for_a_width_is_used_by_the_others() -> None:
    found = offline(SMALL, signal(25), signal(100, seed=1))
    assert np.isfinite(found).all()
    assert np.isnan(offline(SMALL, signal(12), signal(100, seed=1))).all()


def test_without_history_a_series_is_compared_with_the_rest_of_itself() -> None:
    series = signal(400)
    series[200:220] += 4.0
    found = offline(SMALL, series[:0], series)
    assert found[200:220].min() > np.delete(found, np.arange(160, 260)).max()


def test_fewer_patches_are_kept_of_many_channels() -> None:
    spec = Spec((38,))
    train, series = signal(600, 38), signal(100, 38, seed=1)
    series[50:80, 30] += 500.0
    scorer = replace(SMALL, patches=500)
    model = scorer.model(train)
    assert model is not None
    assert model.scales[0] is not None
    assert len(model.scales[0].memory.blocks) == 2  # 500 x 8 / 38 = 105 patches
    scores = scorer.offline(spec, train, series)
    assert scores.value[55:75].min() > scores.value[:30].max()


def test_trimming_makes_faults_in_the_history_strange_again() -> None:
    train, series = signal(600), signal(200, seed=1)
    train[300:320] = series[100:120] = 12.0
    plain, trimmed = (
        offline(replace(SMALL, trim=trim, patches=600), train, series) for trim in (0.0, 0.15)
    )
    rest = np.delete(np.arange(200), np.arange(60, 160))
    assert trimmed[105:115].min() > plain[105:115].max()
    assert trimmed[105:115].min() > trimmed[rest].max()


def test_an_adapting_memory_comes_to_know_a_new_regime_and_keeps_the_old() -> None:
    train, new = signal(300), 2.0 * signal(400, seed=1)
    back = signal(100, seed=2)
    series = np.concatenate([new, back])
    frozen = causal(SMALL, train, series).value
    adapting = causal(replace(SMALL, adapt=True, room=60), train, series).value
    assert np.median(adapting[300:400]) < 0.5 * np.median(frozen[300:400])
    assert np.median(adapting[440:]) < 1.1 * np.median(frozen[440:])


def test_what_is_admitted_is_bounded() -> None:
    scorer = replace(SMALL, adapt=True, room=7)
    spec = Spec((1,), window=32)
    state = scorer.fit(spec, [windows(signal(200), 32)])
    rng = np.random.default_rng(3)
    scorer.advance(state, windows(rng.normal(size=(500, 1)).cumsum(axis=0), 32))
    assert isinstance(state, PatchState)
    assert state.admitted[0].tolist() == [7, 7, 7]
    assert np.isfinite(state.novel[0]).all()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"widths": ()}, "widths"),
        ({"widths": (16, 8)}, "widths"),
        ({"widths": (3, 8)}, "widths"),
        ({"patches": 4}, "patches"),
        ({"compare": "nothing"}, "compare"),
        ({"trim": 0.7}, "trim"),
        ({"room": 0}, "room"),
        ({"train": 100, "widths": (8, 64)}, "train"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        PatchMemory(**settings)  # type: ignore[arg-type]  # wrong on purpose

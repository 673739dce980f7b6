"""Anomaly kinds: what is labelled is what was altered, and what nobody can see is not planted."""

from functools import cache

import numpy as np
import pytest
from scipy.stats import ks_2samp

from tocsin.evaluation.datasets.bases import coupled, drawn, dressed, families
from tocsin.evaluation.datasets.kinds import HELD_OUT, KINDS, Planted, named, plant
from tocsin.evaluation.datasets.kinds_normal import FEWEST, MOST, repeated
from tocsin.evaluation.datasets.kinds_scene import Scene, rhythms, scenes, visible
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray

LENGTH = 600
WANTED = 8  # anomalies of each kind that a test looks at
ALONE = [name for name, kind in KINDS.items() if not kind.needs_channels]
TOGETHER = [name for name, kind in KINDS.items() if kind.needs_channels]


@cache
def channels(count: int, seed: int) -> list[list[Scene]]:
    """Scenes of 60 clean series with so many channels."""
    rng = np.random.default_rng(seed)
    pool = families(held_out=False)
    family = rng.choice(pool, 60)
    if count == 1:
        clean = dressed(rng, drawn(rng, family, LENGTH))[:, :, None]
    else:
        clean = coupled(rng, family, LENGTH, count, pool)
    clean.flags.writeable = False  # it is shared between tests
    donors = np.roll(clean, 1, axis=0)
    return [
        scenes(np.ascontiguousarray(one.T), np.ascontiguousarray(other.T))
        for one, other in zip(clean, donors, strict=True)
    ]


@cache
def planted(name: str, *, seed: int = 0) -> list[tuple[list[Scene], Planted]]:
    """Some anomalies of the kind, with the scenes that they were planted into."""
    rng = np.random.default_rng(seed)
    found: list[tuple[list[Scene], Planted]] = []
    for own in channels(4 if KINDS[name].needs_channels else 1, seed) * 3:
        result = plant(rng, KINDS[name], own)
        if result is not None:
            result.values.flags.writeable = result.wrong.flags.writeable = False
            found.append((own, result))
        if len(found) == WANTED:
            break
    return found


def clean_of(own: list[Scene]) -> FloatArray:
    return np.stack([scene.clean for scene in own], axis=1)


def noise(sigma: float = 1.0) -> Scene:
    series = sigma * np.random.default_rng(3).standard_normal((1, LENGTH))
    return scenes(series, series)[0]


def test_there_are_at_least_eighteen_kinds_alone_and_five_between_channels() -> None:
    assert len(ALONE) >= 18
    assert len(TOGETHER) >= 5
    assert set(KINDS) > HELD_OUT


def test_every_kind_says_what_it_does() -> None:
    assert [name for name, kind in KINDS.items() if not kind.says.endswith(".")] == []


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_can_be_planted(name: str) -> None:
    assert len(planted(name)) == WANTED


@pytest.mark.parametrize("name", KINDS)
def test_only_labelled_rows_are_altered_unless_the_change_stays(name: str) -> None:
    for own, result in planted(name):
        altered = result.values != clean_of(own)
        if result.stays:
            for channel in range(altered.shape[1]):
                rows = np.flatnonzero(result.wrong[:, channel])
                altered[rows[0] if rows.size else LENGTH :, channel] = False
            assert not altered.any()
        else:
            assert not (altered & ~result.wrong).any()


@pytest.mark.parametrize("name", KINDS)
def test_a_labelled_stretch_begins_and_ends_with_altered_rows(name: str) -> None:
    for own, result in planted(name):
        altered = result.values != clean_of(own)
        for channel in np.flatnonzero(result.wrong.any(axis=0)):
            rows = np.flatnonzero(result.wrong[:, channel])
            assert altered[rows[0], channel]
            assert result.stays or altered[rows[-1], channel]


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_gives_numbers_of_the_series_own_order(name: str) -> None:
    for own, result in planted(name):
        assert np.isfinite(result.values).all()
        largest = np.abs(clean_of(own)).max() + 50.0 * max(scene.spread for scene in own)
        assert np.abs(result.values).max() < 10.0 * largest


@pytest.mark.parametrize("name", [name for name in ALONE if KINDS[name].persists])
def test_of_a_change_that_stays_only_the_transition_is_labelled(name: str) -> None:
    stays = [one for seed in range(4) for one in planted(name, seed=seed) if one[1].stays]
    assert stays
    for own, result in stays:
        assert result.wrong.sum() <= 64
        altered = (result.values != clean_of(own)).any(axis=1)
        assert (
            altered[np.flatnonzero(result.wrong.any(axis=1))[-1] + 1 :].any() or altered[-64:].any()
        )


@pytest.mark.parametrize("name", KINDS)
def test_within_bounds_nothing_outside_them_is_altered(name: str) -> None:
    rng = np.random.default_rng(2)
    found = 0
    for own in channels(3 if KINDS[name].needs_channels else 1, 5):
        result = plant(rng, KINDS[name], own, within=(150, 449))
        if result is not None:
            altered = (result.values != clean_of(own)).any(axis=1)
            assert not altered[:150].any()
            assert not altered[450:].any()
            assert not result.stays
            found += 1
    assert found


@pytest.mark.parametrize("name", [name for name in ALONE if KINDS[name].cyclic])
def test_a_cyclic_kind_is_not_planted_without_a_rhythm(name: str) -> None:
    rng = np.random.default_rng(0)
    assert noise().period == 0
    assert [plant(rng, KINDS[name], [noise()]) for _ in range(10)] == [None] * 10


@pytest.mark.parametrize("name", ["reversed", "negated", "stuck"])
def test_an_anomaly_without_effect_is_not_planted(name: str) -> None:
    still = np.full((1, LENGTH), 7.0)
    own = scenes(still, still)
    rng = np.random.default_rng(0)
    assert [plant(rng, KINDS[name], own) for _ in range(10)] == [None] * 10


def test_unrelated_channels_have_no_correlation_to_break() -> None:
    series = np.random.default_rng(1).standard_normal((3, LENGTH))
    own, rng = scenes(series, series), np.random.default_rng(0)
    assert [plant(rng, KINDS["correlation_break"], own) for _ in range(10)] == [None] * 10


def test_a_shift_within_the_noise_is_not_visible_and_one_beyond_it_is() -> None:
    scene = noise()
    slight, plain = scene.clean.copy(), scene.clean.copy()
    slight[200:240] += 0.1
    plain[200:240] += 2.0
    assert not visible(scene, slight, 200, 239)
    assert visible(scene, plain, 200, 239)


def test_noise_played_backwards_is_still_noise() -> None:
    scene = noise()
    seen = 0
    for first in range(50, 500, 10):
        altered = scene.clean.copy()
        altered[first : first + 40] = altered[first : first + 40][::-1]
        seen += visible(scene, altered, first, first + 39)
    assert seen <= 2  # a jump at an end may stand out


def test_a_rhythm_is_found_and_noise_and_walks_have_none() -> None:
    rng = np.random.default_rng(0)
    when = np.arange(LENGTH)
    sine = np.sin(2 * np.pi * when / 37.0) + 0.2 * rng.standard_normal(LENGTH)
    white = rng.standard_normal(LENGTH)
    walk = np.cumsum(rng.standard_normal(LENGTH))
    assert rhythms(np.stack([sine, white, walk])).tolist()[:2] == [37, 0]
    assert rhythms(np.stack([np.full(LENGTH, 2.0)])).tolist() == [0]


def test_a_correlation_break_keeps_each_channels_values_and_breaks_the_correlation() -> None:
    drops = []
    for own, result in planted("correlation_break"):
        rows = np.flatnonzero(result.wrong.any(axis=1))
        (channel,) = np.flatnonzero(result.wrong.any(axis=0))
        stretch = slice(rows[0], rows[-1] + 1)
        clean = clean_of(own)
        both = clean[stretch, channel], result.values[stretch, channel]
        assert np.asarray(ks_2samp(*both, method="asymp"))[0] < 0.1
        others = [i for i in range(len(own)) if i != channel and clean[stretch, i].std() > 0.0]
        before = [
            abs(np.corrcoef(clean[stretch, channel], clean[stretch, i])[0, 1]) for i in others
        ]
        best = others[int(np.argmax(before))]
        after = abs(np.corrcoef(result.values[stretch, channel], clean[stretch, best])[0, 1])
        drops.append(max(before) - after)
    assert np.mean(drops) > 0.4


def test_a_frozen_channel_stands_still_while_the_others_go_on() -> None:
    for own, result in planted("channel_frozen"):
        (channel,) = np.flatnonzero(result.wrong.any(axis=0))
        assert np.ptp(result.values[result.wrong[:, channel], channel]) < 1e-9 * own[channel].spread
        others = np.arange(len(own)) != channel
        assert (result.values[:, others] == clean_of(own)[:, others]).all()


def test_a_repeated_event_comes_six_to_thirteen_times() -> None:
    rng = np.random.default_rng(0)
    scene = noise(0.01)
    for _ in range(20):
        altered = repeated(rng, scene) != scene.clean
        starts = np.flatnonzero(np.diff(altered.astype(int), prepend=0) == 1)
        assert FEWEST <= len(starts) <= MOST


def test_an_unknown_kind_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(TocsinError, match=r"'wobble'; there are spike, spikes"):
        named(("wobble",))

"""Generated data: exact labels, the stated shares, the same from the same seed, quick enough."""

import time
from collections.abc import Callable
from dataclasses import astuple

import numpy as np
import pytest

from tocsin.evaluation.datasets.bases import BASES, HELD_OUT, coupled, drawn, dressed, families
from tocsin.evaluation.datasets.generator import CLEAN, Windows, corpus, generate
from tocsin.evaluation.datasets.kinds import HELD_OUT as HELD_OUT_KINDS
from tocsin.evaluation.datasets.kinds import KINDS
from tocsin.pipeline.errors import TocsinError


def windows(
    count: int = 300, length: int = 512, channels: int = 1, *, held_out: bool = False
) -> Windows:
    return corpus(np.random.default_rng(7), count, length, channels, held_out=held_out)


@pytest.mark.parametrize("name", BASES)
def test_a_base_is_finite_and_moves(name: str) -> None:
    series = BASES[name](np.random.default_rng(0), 20, 400)
    assert series.shape == (20, 400)
    assert np.isfinite(series).all()
    assert (series.std(axis=1) > 0.0).mean() >= 0.9


@pytest.mark.parametrize("length", [1, 2, 33, 700])
def test_bases_can_be_of_any_length(length: int) -> None:
    rng = np.random.default_rng(0)
    bare = drawn(rng, np.arange(len(BASES)), length)
    assert bare.shape == (len(BASES), length)
    assert np.isfinite(dressed(rng, bare)).all()


def test_held_out_families_are_the_others() -> None:
    train, rest = families(held_out=False).tolist(), families(held_out=True).tolist()
    assert sorted(train + rest) == list(range(len(BASES)))
    assert {list(BASES)[i] for i in rest} == HELD_OUT


def test_coupled_channels_go_together() -> None:
    rng = np.random.default_rng(0)
    pool = families(held_out=False)
    series = coupled(rng, rng.choice(pool, 40), 500, 4, pool)
    first = [abs(np.corrcoef(one[:, 0], one[:, 1])[0, 1]) for one in series if one[:, 1].std() > 0]
    assert np.median(first) > 0.6


@pytest.mark.parametrize("channels", [1, 3])
def test_a_window_differs_from_its_clean_series_only_where_something_was_planted(
    channels: int,
) -> None:
    got = windows(channels=channels, count=150)
    altered = (got.values != got.clean) & ~np.isnan(got.values)
    assert not altered[got.kind == CLEAN].any()
    assert got.label[got.kind != CLEAN].any(axis=1).all()
    assert not got.label[got.kind == CLEAN].any()
    assert (got.label == got.by_channel.any(axis=2)).all()
    for one in np.flatnonzero(got.kind != CLEAN):
        before = int(got.label[one].argmax())
        assert not altered[one, :before].any()
        if not list(KINDS.values())[got.kind[one]].persists:
            assert not (altered[one] & ~got.by_channel[one]).any()


@pytest.mark.parametrize("channels", [1, 4])
def test_about_one_row_in_twenty_is_labelled(channels: int) -> None:
    got = corpus(np.random.default_rng(0), 1000 // channels, 1024, channels)
    assert 0.038 < got.label.mean() < 0.065


def test_a_fifth_to_two_fifths_of_the_windows_are_clean() -> None:
    assert 0.2 < (windows(400).kind == CLEAN).mean() < 0.4


def test_some_windows_miss_values_and_none_holds_an_infinity() -> None:
    got = windows(400)
    gappy = np.isnan(got.values).any(axis=(1, 2)).mean()
    assert 0.08 < gappy < 0.22
    assert not np.isinf(got.values).any()
    assert np.isfinite(got.clean).all()


def test_an_anomaly_is_never_lost_among_missing_values() -> None:
    got = windows(400)
    lost = (np.isnan(got.values) & got.by_channel).sum(axis=1)
    assert (lost <= got.by_channel.sum(axis=1) / 2).all()


def test_held_out_windows_are_of_families_and_kinds_not_trained_on() -> None:
    train, rest = windows(), windows(held_out=True)
    assert set(train.family.tolist()) & set(rest.family.tolist()) == set()
    held = {number for number, name in enumerate(KINDS) if name in HELD_OUT_KINDS}
    assert set(train.kind.tolist()) & held == set()
    assert set(rest.kind.tolist()) & held == held


def test_the_same_seed_gives_the_same_windows_whatever_the_global_generator_does() -> None:
    one = astuple(windows(50, channels=2))
    np.random.seed(0)  # noqa: NPY002 - the global generator is what must not matter
    other = astuple(windows(50, channels=2))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def test_another_seed_gives_other_windows() -> None:
    other = corpus(np.random.default_rng(8), 300, 512)
    assert not np.array_equal(windows().clean, other.clean)


def test_a_window_costs_less_than_drawing_its_rows_one_by_one_six_times() -> None:
    rng = np.random.default_rng(0)
    rows = min(seconds(lambda: [rng.standard_normal() for _ in range(16 * 1024)]) for _ in range(5))
    whole = min(seconds(lambda: corpus(rng, 128, 1024)) for _ in range(3))
    assert whole / 128 < 6 * rows / 16


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.parametrize(("count", "length", "channels"), [(0, 512, 1), (1, 10, 1), (1, 512, 0)])
def test_an_impossible_corpus_is_refused(count: int, length: int, channels: int) -> None:
    with pytest.raises(TocsinError, match=r"64 rows; found count="):
        corpus(np.random.default_rng(0), count, length, channels)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_generated_series_is_clean_first_and_then_has_events_of_named_kinds(
    channels: int,
) -> None:
    for series in generate(1, channels=channels, length=4000, series=2):
        assert series.train == 1000
        assert not series.truth.label[:1000].any()
        assert len(series.truth.events) >= 6
        assert {event.kind for event in series.truth.events} <= set(KINDS)
        assert all(event.channels for event in series.truth.events)
        assert 0.01 < series.truth.label.mean() < 0.2


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_asked_for_is_the_only_one_that_comes(name: str) -> None:
    channels = 3 if KINDS[name].needs_channels else 1
    (series,) = generate(0, kinds=(name,), channels=channels, length=3000, series=1)
    assert {event.kind for event in series.truth.events} == {name}


def test_generated_series_are_the_same_from_the_same_seed() -> None:
    one, other = (list(generate(4, channels=2, length=2000, series=2)) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.stream.values, b.stream.values, equal_nan=True)
        assert a.truth.events == b.truth.events
    (longer, *_) = generate(5, channels=2, length=2000, series=1)
    assert not np.array_equal(longer.stream.values, one[0].stream.values, equal_nan=True)


def test_a_series_does_not_depend_on_how_many_are_asked_for() -> None:
    few, many = list(generate(4, length=1500, series=1)), list(generate(4, length=1500, series=3))
    assert np.array_equal(few[0].stream.values, many[0].stream.values, equal_nan=True)


def test_every_kind_comes_several_times_in_enough_series() -> None:
    seen = [e.kind for one in generate(2, channels=3, series=6) for e in one.truth.events]
    assert min(seen.count(name) for name in KINDS) >= 2


def test_a_kind_between_channels_needs_two() -> None:
    with pytest.raises(TocsinError, match=r"lag_change needs two channels; found channels=1"):
        next(generate(0, kinds=("lag_change",)))


def test_a_series_without_room_for_an_event_is_refused() -> None:
    with pytest.raises(TocsinError, match=r"960 rows; found channels=1, length=500"):
        next(generate(0, length=500))

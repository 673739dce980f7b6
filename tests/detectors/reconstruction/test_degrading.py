"""What is drawn: kinds by their chances, spans by their lengths, labels where a row was spoiled."""

from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from oracles.degradation import ramp_window

from tocsin.detectors.reconstruction.degrading import KINDS, Degraded, Degrading, degraded
from tocsin.pipeline.types import FloatArray

ROWS, WIDTH = 100, 3
NONE_HARD = np.zeros(WIDTH, dtype=np.bool_)


@lru_cache(maxsize=1)
def windows() -> FloatArray:
    return np.stack([ramp_window(ROWS, WIDTH, seed) for seed in range(8)])


@lru_cache(maxsize=8)
def drawn(how: Degrading, count: int = 600) -> tuple[Degraded, ...]:
    rng = np.random.default_rng(0)
    return tuple(degraded(windows(), n % 8, NONE_HARD, how, rng) for n in range(count))


def only(kind: str, **more: float) -> Degrading:
    none = dict.fromkeys(KINDS[:4], 0.0)
    return Degrading(**{**none, **({} if kind == "clean" else {kind: 1.0}), **more})  # type: ignore[arg-type]  # `around` is not among them


def test_each_kind_comes_as_often_as_its_chance() -> None:
    counts = Counter(one.kind for one in drawn(Degrading()))
    chances = (0.5, 0.15, 0.15, 0.1, 0.1)
    for kind, chance in zip(KINDS, chances, strict=True):
        assert counts[kind] / 600 == pytest.approx(chance, abs=0.05)


@pytest.mark.parametrize("kind", KINDS[:4])
def test_what_is_changed_is_labelled_and_in_the_columns_named(kind: str) -> None:
    for n, one in enumerate(drawn(only(kind))):
        changed = one.window != windows()[n % 8]  # (W, C)
        assert not changed[~one.label].any()
        assert not np.delete(changed, one.columns, axis=1).any()
        assert changed.any()
        assert one.kind == kind


def test_a_clean_window_is_a_copy_without_labels() -> None:
    for n, one in enumerate(drawn(only("clean"))):
        assert np.array_equal(one.window, windows()[n % 8])
        assert not np.shares_memory(one.window, windows())
        assert not one.label.any()
        assert not one.columns.size


@pytest.mark.parametrize("kind", ["soft", "uniform", "length"])
def test_a_label_is_one_stretch_of_two_to_twenty_percent(kind: str) -> None:
    lengths = []
    for one in drawn(only(kind, late=0.0)):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], one.label, [0]))))
        assert len(edges) == 2
        lengths.append(edges[1] - edges[0])
    assert (min(lengths), max(lengths)) == (2, 20)
    assert np.mean(lengths) == pytest.approx(11.0, abs=0.7)


def test_late_stretches_reach_the_newest_row_and_began_at_any_age() -> None:
    late = drawn(only("uniform", late=1.0))
    assert all(one.label[-1] for one in late)
    ages = Counter(int(one.label.sum()) for one in late)
    assert min(ages) == 1
    assert max(ages) > 15
    early = drawn(only("uniform", late=0.0))
    assert sum(bool(one.label[-1]) for one in early) < 0.05 * len(early)


def test_a_peak_is_labelled_with_the_rows_around_it() -> None:
    for n, one in enumerate(drawn(only("peak", late=0.0))):
        (row,) = np.unique(np.nonzero(one.window != windows()[n % 8])[0])
        near = np.abs(np.arange(ROWS) - row) <= 4
        assert np.array_equal(one.label, near)


def test_each_channel_is_spoiled_by_its_chance_and_one_at_least() -> None:
    sizes = Counter(len(one.columns) for one in drawn(only("uniform")))
    assert set(sizes) == {1, 2, 3}
    # Of three channels at 0.3, none is drawn in 0.343 of cases, and then one is taken.
    assert sizes[1] / 600 == pytest.approx(0.441 + 0.343, abs=0.05)


def test_channels_of_categories_are_replaced_whole_and_by_values_of_their_own() -> None:
    hard = np.array([True, False, False])
    states = windows().copy()
    states[:, :, 0] = states[:, :, 0] > 0.5
    rng = np.random.default_rng(1)
    kinds = set()
    for n in range(200):
        one = degraded(states, n % 8, hard, Degrading(column=0.9), rng)
        assert set(np.unique(one.window[:, 0])) <= {0.0, 1.0}
        if one.kind in {"uniform", "peak"}:
            assert 0 not in one.columns
        kinds.add(one.kind)
    assert kinds == set(KINDS)


def test_windows_of_categories_alone_are_spoiled_too() -> None:
    rng = np.random.default_rng(2)
    for n in range(50):
        one = degraded(windows(), n % 8, np.ones(WIDTH, dtype=np.bool_), Degrading(), rng)
        assert one.columns.size or one.kind == "clean"


def test_the_same_generator_gives_the_same_windows_and_another_gives_others() -> None:
    one, two, other = (
        degraded(windows(), 0, NONE_HARD, only("soft"), np.random.default_rng(seed))
        for seed in (5, 5, 6)
    )
    assert np.array_equal(one.window, two.window)
    assert not np.array_equal(one.window, other.window)


@pytest.mark.parametrize("kind", KINDS)
def test_the_shortest_windows_can_be_spoiled(kind: str) -> None:
    rng = np.random.default_rng(3)
    short = windows()[:, :2]
    for n in range(50):
        one = degraded(short, n % 8, NONE_HARD, replace(only(kind), longest=1.0), rng)
        assert one.window.shape == (2, WIDTH)

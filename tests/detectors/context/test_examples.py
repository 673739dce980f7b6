"""Batches come from the seed alone, and weigh what is short and new."""

from dataclasses import dataclass

import numpy as np
import pytest

from tocsin.detectors.context.examples import (
    Drawn,
    Examples,
    Recipe,
    as_live,
    chunk,
    examples,
    weights,
)

RECIPE = Recipe(length=256, points=1024, hard=("b",))
WHOLE = np.full(4, 256)  # the context of whole windows


@dataclass(frozen=True)
class Steps:
    """Noise around 10 with a step of 20 rows, its kind by turns a and b."""

    kinds: tuple[str, ...] = ("a", "b")

    def __call__(
        self, rng: np.random.Generator, count: int, length: int, *, held_out: bool
    ) -> Drawn:
        clean = 10.0 + rng.standard_normal((count, length))
        label = np.zeros((count, length), dtype=bool)
        first = int(rng.integers(length - 20))
        label[:, first : first + 20] = True
        return Drawn(clean + 5.0 * label, clean, label, np.arange(count) % 2)


def one(kind: int = 0, newest: tuple[float, float] = (1.0, 1.0)) -> Examples:
    drawn = Steps()(np.random.default_rng(0), 4, 256, held_out=False)
    hard = np.ones(4) * (1 + kind)
    return examples(drawn, hard, WHOLE[:4], np.random.default_rng(1), newest=newest)


def test_a_chunk_is_the_same_whenever_it_is_drawn() -> None:
    first, second = chunk(Steps(), RECIPE, 3, 5), chunk(Steps(), RECIPE, 3, 5)
    for a, b in zip(first, second, strict=True):
        for left, right in zip(a, b, strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("other", [(4, 5), (3, 6)])
def test_another_seed_or_number_is_another_chunk(other: tuple[int, int]) -> None:
    first, second = chunk(Steps(), RECIPE, 3, 5), chunk(Steps(), RECIPE, *other)
    assert (first[0].views != second[0].views).any()


def test_batches_have_one_number_of_points() -> None:
    shapes = sorted(batch.views.shape for batch in chunk(Steps(), RECIPE, 0, 0))
    assert shapes == [*3 * [(4, 4, 256)], *2 * [(8, 4, 128)], *3 * [(16, 4, 64)]]


def test_batches_for_the_offline_form_have_the_lengths_of_coarse_scales() -> None:
    made = chunk(Steps(), Recipe(length=256, points=1024, form="offline"), 0, 0)
    shapes = sorted(batch.views.shape for batch in made)
    assert shapes == [(4 << i, 4, 256 >> i) for i in range(4) for _ in range(2)]
    for batch in made:  # no end weighs more: a point weighs by its label alone
        calm = batch.weight[batch.label == 0]
        assert (calm == calm[0]).all()


def test_short_anomalies_weigh_more_than_long_ones() -> None:
    label = np.zeros((2, 400), dtype=bool)
    label[0, [0, 399]] = True
    label[0, 50:82] = True
    label[1, 100:300] = True
    found = weights(label)
    assert found[0, [0, 399]].tolist() == pytest.approx([32**0.5, 32**0.5])
    np.testing.assert_allclose(found[0, 50:82], 1.0)
    np.testing.assert_allclose(found[1, 100:300], 0.7)
    np.testing.assert_allclose(found[~label], 1.0)


def test_live_windows_end_soon_after_an_anomaly_began() -> None:
    drawn = Steps()(np.random.default_rng(0), 200, 1024, held_out=False)
    live = as_live(drawn, np.random.default_rng(1))
    assert live.values.shape == (800, 256)
    np.testing.assert_allclose(live.values, live.clean + 5.0 * live.label)
    newest = live.label[:, -1].mean()
    assert newest > 10 * drawn.label[:, -1].mean() + 0.3
    begun = live.label[:, -1] & ~live.label[:, -2]  # an anomaly of one point so far
    assert begun.mean() > 0.05


def test_hard_kinds_and_the_newest_points_weigh_more() -> None:
    easy, hard = one(0, newest=(3.0, 4.0)).weight, one(1, newest=(3.0, 4.0)).weight
    np.testing.assert_allclose(hard, 2.0 * easy)
    assert one(0).weight[0, -1] == one(0).weight[0, 0]
    assert easy[0, -2] == 3.0 * easy[0, 0]
    assert easy[0, -1] == 12.0 * easy[0, 0]


def test_missing_points_and_windows_without_context_weigh_nothing() -> None:
    drawn = Steps()(np.random.default_rng(0), 2, 256, held_out=False)
    drawn.values[0, 7] = np.nan
    drawn.label[1, :200] = True
    weight = examples(drawn, np.ones(2), WHOLE[:2], np.random.default_rng(1)).weight
    assert weight[0, 7] == 0.0
    assert weight[0, 8] > 0.0
    assert not weight[1].any()


def test_the_clean_series_is_on_the_scale_of_the_seen_one() -> None:
    batch = one()
    quiet = batch.label == 0
    np.testing.assert_allclose(batch.clean[quiet], batch.views[:, 0][quiet], atol=1e-6)
    assert (abs(batch.clean - batch.views[:, 0])[~quiet] > 0.1).all()

"""What the encoder sees does not depend on units, gaps, or on other windows."""

import numpy as np
import pytest

from tocsin.detectors.context.views import FAR, filled, scale_of, views_of
from tocsin.pipeline.types import FloatArray, IntArray


def windows(rows: int, length: int, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((rows, length)).cumsum(axis=1)
    values[rng.random(values.shape) < 0.1] = np.nan
    return values


def all_of(values: FloatArray) -> IntArray:
    return np.full(len(values), values.shape[1])


def test_quantiles_are_those_of_the_observed_points() -> None:
    values = windows(5, 200)
    scale = scale_of(values, all_of(values))
    low, quarter, middle, three, high = np.nanquantile(
        values, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1
    )
    spread = np.maximum((three - quarter) / 1.34898, 0.25 * (high - low) / 3.28971)
    np.testing.assert_allclose(scale.middle, middle)
    np.testing.assert_allclose(scale.spread, spread, rtol=1e-5)


def test_points_after_the_context_have_no_part_in_the_scale() -> None:
    values = windows(5, 200)
    changed = values.copy()
    changed[:, 150:] = 1e9
    context = np.full(5, 150)
    for before, after in zip(scale_of(values, context), scale_of(changed, context), strict=True):
        np.testing.assert_array_equal(before, after)


def test_windows_are_viewed_alone() -> None:
    values = windows(9, 96)
    values[3] = np.nan
    values[4] = 1.0
    values[5, 5:] = np.nan
    together = views_of(values, scale_of(values, all_of(values)))
    for row in range(9):
        one = values[row : row + 1]
        alone = views_of(one, scale_of(one, all_of(one)))
        np.testing.assert_array_equal(alone[0], together[row])


def test_a_change_of_unit_changes_no_view() -> None:
    values = windows(4, 128)
    other = -7.0 + 1e-6 * values
    np.testing.assert_allclose(
        views_of(values, scale_of(values, all_of(values))),
        views_of(other, scale_of(other, all_of(other))),
        atol=1e-4,
    )


@pytest.mark.parametrize("level", [0.0, 5.0, -1e140, 1e-200])
def test_any_move_out_of_a_flat_context_is_far(level: float) -> None:
    values = np.full((1, 64), level)
    values[0, -1] = level * 1.1 + 1e-100
    views = views_of(values, scale_of(values, np.array([63])))
    assert np.isfinite(views).all()
    assert (views[0, 0, :-1] == 0).all()
    assert abs(views[0, 0, -1]) == pytest.approx(np.arcsinh(FAR) / 2, rel=1e-6)


def test_a_small_step_shows_beside_a_wide_swing() -> None:
    values = 100.0 * np.sin(np.arange(400) / 30.0)[None]
    values[0, 200] += 20.0
    views = views_of(values, scale_of(values, all_of(values)))
    assert abs(views[0, 2, 200]) > 2.0 * np.delete(abs(views[0, 2]), [200, 201]).max()


def test_rare_ones_among_zeros_keep_their_shape() -> None:
    values = np.zeros((1, 400))
    values[0, [10, 200]] = 1.0
    values[0, 300] = 0.5
    view = views_of(values, scale_of(values, all_of(values)))[0, 0]
    assert view[10] == view[200] > view[300] > view[0] == 0.0


def test_missing_points_are_marked_and_bridged() -> None:
    values = np.arange(32.0)[None].copy()
    values[0, [0, 7, 8, 31]] = np.nan
    values[0, 20] = np.inf
    views = views_of(values, scale_of(values, all_of(values)))
    assert views[0, 3].nonzero()[0].tolist() == [0, 7, 8, 20, 31]
    want = np.arange(32.0)
    want[[0, 31]] = [1.0, 30.0]
    known = np.where(np.isfinite(values), values, np.nan)
    np.testing.assert_allclose(filled(known)[0], want)


def test_gaps_are_bridged_as_by_plain_interpolation() -> None:
    values = windows(6, 80)
    at = np.arange(80)
    for row in values:
        known = np.isfinite(row)
        want = np.interp(at, at[known], row[known])
        np.testing.assert_allclose(filled(row[None])[0], want)


def test_huge_values_give_finite_views() -> None:
    values = np.random.default_rng(0).standard_normal((3, 64))
    values[0] *= 1e307
    values[1] *= 1e-308
    values[2, 5] = 1e308
    assert np.isfinite(views_of(values, scale_of(values, all_of(values)))).all()

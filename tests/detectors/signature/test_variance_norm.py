"""The variance norm is the published one in its strict form, and free of units in both."""

from pathlib import Path

import numpy as np
import pytest

from tocsin.detectors.signature.corpus import k_centre, leave_one_out, reservoir
from tocsin.detectors.signature.moments import merged, moments
from tocsin.detectors.signature.variance_norm import strict_conformance, variance_norm
from tocsin.pipeline.types import FloatArray

GOLDEN = Path(__file__).parents[2] / "golden" / "signature" / "signature_mahalanobis_knn.npz"
SCALES = 10.0 ** np.array([-6, 6, 3, -3, 0, 5, -5, 1, 2, -1, 4, -4])


def corpus() -> tuple[FloatArray, FloatArray]:
    golden = np.load(GOLDEN)
    return golden["corpus"], golden["rows"]


def test_strict_conformance_is_that_of_the_package() -> None:
    rows, judged = corpus()
    found = strict_conformance(variance_norm(moments(rows)), rows, judged, count=len(rows))
    np.testing.assert_allclose(found, np.load(GOLDEN)["conformance"], rtol=0, atol=1e-8)


def test_units_change_neither_form() -> None:
    rows, judged = corpus()
    plain, other = variance_norm(moments(rows)), variance_norm(moments(rows * SCALES))
    delta = judged - rows[:5]
    assert other.axes.shape == plain.axes.shape == (12, 11)
    np.testing.assert_allclose(other.strict(delta * SCALES), plain.strict(delta), rtol=1e-8)
    np.testing.assert_allclose(
        other.ridge(delta * SCALES, 0.01), plain.ridge(delta, 0.01), rtol=1e-8
    )


def test_what_is_in_the_support_and_what_is_off_it_stand_apart() -> None:
    rows, judged = corpus()
    norm = variance_norm(moments(rows))
    inside, outside = norm.split(judged - rows.mean(axis=0))
    pinv = np.linalg.pinv(np.cov(rows.T), rcond=1e-10)
    off = judged[:4] - rows.mean(axis=0)
    wanted = np.sqrt(np.einsum("ni,ij,nj->n", off, pinv, off))
    np.testing.assert_allclose(inside[:4], wanted, rtol=1e-9)
    assert (outside[:4] < 1e-9).all()
    assert outside[4] > 0.1


def test_the_ridge_form_is_that_of_the_shrunk_correlation() -> None:
    rows, judged = corpus()
    delta = judged - rows.mean(axis=0)
    shrunk = 0.9 * np.corrcoef(rows.T) + 0.1 * np.eye(12)
    z = delta / rows.std(axis=0, ddof=1)
    wanted = np.sqrt(np.einsum("ni,ni->n", z @ np.linalg.inv(shrunk), z))
    np.testing.assert_allclose(variance_norm(moments(rows)).ridge(delta, 0.1), wanted, rtol=1e-9)


def test_fewer_rows_than_coordinates_are_finite_by_ridge() -> None:
    rows = np.random.default_rng(1).standard_normal((5, 40))
    norm = variance_norm(moments(rows))
    assert norm.axes.shape == (40, 4)
    delta = np.random.default_rng(2).standard_normal((3, 40))
    assert np.isinf(norm.strict(delta)).all()
    assert np.isfinite(norm.ridge(delta, 0.1)).all()


def test_rows_that_are_all_one_have_no_support_and_no_nan() -> None:
    norm = variance_norm(moments(np.full((10, 3), 0.1)))
    assert norm.axes.shape == (3, 0)
    np.testing.assert_array_equal(norm.ridge(np.zeros((1, 3)), 0.01), [0.0])
    assert np.isfinite(norm.ridge(np.ones((1, 3)), 0.01)).all()


@pytest.mark.parametrize("cut", [0, 1, 137, 300])
def test_merged_moments_are_those_of_all_rows(cut: int) -> None:
    rows = 1e4 + corpus()[0]
    both = merged(moments(rows[:cut]), moments(rows[cut:]))
    assert both.count == 300
    np.testing.assert_allclose(both.mean, rows.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(both.covariance(), np.cov(rows.T), rtol=1e-8, atol=1e-9)


def test_k_centres_cover_as_plain_farthest_first_does() -> None:
    rows = np.random.default_rng(3).standard_normal((200, 4))
    chosen = [int((rows**2).sum(axis=1).argmin())]
    for _ in range(19):
        far = ((rows[:, None] - rows[chosen]) ** 2).sum(axis=2).min(axis=1)
        chosen.append(int(far.argmax()))
    assert k_centre(rows, 20).tolist() == sorted(chosen)


def test_k_centres_hold_no_row_twice() -> None:
    rows = np.repeat(np.arange(3.0), 5)[:, None]
    assert k_centre(rows, 10).tolist() == [0, 5, 10]
    assert not k_centre(rows[:0], 10).size


def test_the_reservoir_is_even_and_repeatable() -> None:
    assert reservoir(5, 9, seed=0).tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(reservoir(1000, 50, seed=1), reservoir(1000, 50, seed=1))
    drawn = np.concatenate([reservoir(200, 20, seed) for seed in range(200)])
    halves = np.array([(drawn < 100).sum(), (drawn >= 100).sum()])
    assert abs(halves[0] - halves[1]) < 0.1 * halves.sum()


@pytest.mark.parametrize("neighbours", [1, 3])
def test_leave_one_out_sees_neither_itself_nor_what_overlaps(neighbours: int) -> None:
    rows = np.random.default_rng(4).standard_normal((60, 3))
    when, chosen = np.arange(60), np.arange(0, 60, 2)
    far, which = leave_one_out(rows, when, chosen, 5, neighbours)
    for i in range(60):
        others = [k for k in chosen.tolist() if abs(k - i) >= 5]
        lengths = sorted((float(np.linalg.norm(rows[i] - rows[k])), k) for k in others)
        assert far[i] == pytest.approx(lengths[neighbours - 1][0], rel=1e-12)
        assert which[i] == lengths[neighbours - 1][1]


def test_leave_one_out_has_no_opinion_where_nothing_is_left() -> None:
    far, which = leave_one_out(np.eye(3), np.arange(3), np.arange(3), 3, 1)
    assert np.isnan(far).all()
    assert (which == -1).all()

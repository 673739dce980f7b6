"""Each detector of windows gives the numbers of a slow version or of another library."""

from typing import Any

import numpy as np
import pytest
from oracles import windows as slow
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import Ridge
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from tocsin.detectors.windows.autoregression import AutoregressionResidual
from tocsin.detectors.windows.isolation_forest import IsolationForestWindows, expected_cuts
from tocsin.detectors.windows.kmeans import KMeansWindows
from tocsin.detectors.windows.kshape import KShapeWindows
from tocsin.detectors.windows.lof import LofWindows
from tocsin.detectors.windows.one_class_svm import OneClassSvm
from tocsin.detectors.windows.polynomial import PolynomialResidual
from tocsin.detectors.windows.prepared import Directions, directions, embedded, embedding, leading
from tocsin.detectors.windows.residuals import both_ways
from tocsin.detectors.windows.spectral_residual import SpectralResidual
from tocsin.detectors.windows.sub_pca import SubPca
from tocsin.pipeline.types import Batch, FloatArray, Scores, Spec

FRAMES = 8


def _flat(width: int, seed: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Training rows, odd windows, and both as points (N, D) in spreads."""
    rows = slow.signal(300, width, seed)
    odd = slow.windows_of(slow.signal(40, width, seed + 1), FRAMES)
    odd[::3, -1] *= 1.5
    past = slow.spreads(slow.windows_of(rows, FRAMES), rows)
    points = slow.spreads(odd, rows)
    return rows, odd, past.reshape(len(past), -1), points.reshape(len(points), -1)


@pytest.mark.parametrize("width", [1, 3])
def test_sub_pca_is_the_mahalanobis_distance_of_its_covariance(width: int) -> None:
    rows, odd, past, points = _flat(width, seed=width)
    scorer = SubPca(window=FRAMES)
    value, blame = scorer.measure(scorer.model(rows), odd)
    wanted, apart = slow.probabilistic_pca(past, points, scorer.variance)
    np.testing.assert_allclose(value, wanted, rtol=1e-8)
    np.testing.assert_allclose(blame.reshape(apart.shape), apart, rtol=1e-6, atol=1e-8)


def test_sub_pca_without_weights_is_the_distance_from_the_subspace() -> None:
    rows, odd, past, points = _flat(2, seed=5)
    scorer = SubPca(window=FRAMES, weighted=False)
    value, blame = scorer.measure(scorer.model(rows), odd)
    mean = past.mean(axis=0)
    wanted, apart = slow.outside(past - mean, points - mean, scorer.variance)
    np.testing.assert_allclose(value, wanted, rtol=1e-8)
    np.testing.assert_allclose(
        blame.reshape(apart.shape) / np.linalg.norm(blame, axis=(1, 2))[:, None],
        apart / wanted[:, None],
        rtol=1e-7,
        atol=1e-9,
    )


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_polynomial_residual_is_that_of_a_least_squares_fit(degree: int) -> None:
    rows, odd, past, points = _flat(2, seed=6)
    scorer = PolynomialResidual(window=FRAMES, degree=degree)
    value, blame = scorer.measure(scorer.model(rows), odd)
    usual = slow.polynomial_residuals(past.reshape(-1, FRAMES, 2), degree)
    left = slow.polynomial_residuals(points.reshape(-1, FRAMES, 2), degree)
    wanted = np.abs(left) / np.sqrt((usual**2).mean(axis=0))
    np.testing.assert_allclose(blame[:, -1], wanted, rtol=1e-8)
    np.testing.assert_allclose(value, np.sqrt((wanted**2).mean(axis=1)), rtol=1e-8)


@pytest.mark.parametrize("joint", [False, True])
def test_autoregression_is_ridge_regression(joint: bool) -> None:
    rows, odd, past, points = _flat(2, seed=7)
    scorer = AutoregressionResidual(lags=FRAMES - 1, joint=joint, ridge=0.01)
    _, blame = scorer.measure(scorer.model(rows), odd)
    for c in range(2):
        lags = slice(0, 2 * FRAMES - 2) if joint else slice(c, 2 * FRAMES - 2, 2)
        fit = Ridge(alpha=0.01 * len(past), fit_intercept=False)
        fit.fit(past[:, lags], past[:, -2 + c])
        usual = np.sqrt(((past[:, -2 + c] - fit.predict(past[:, lags])) ** 2).mean())
        wanted = np.abs(points[:, -2 + c] - fit.predict(points[:, lags])) / usual
        np.testing.assert_allclose(blame[:, -1, c], wanted, rtol=1e-7)


def test_both_ways_is_the_mean_of_what_there_is() -> None:
    forward = Scores(np.array([np.nan, 2.0, np.nan]), np.zeros((3, 1)))
    backward = Scores(np.array([np.nan, 4.0, 1.0]), np.array([[0.0], [4.0], [1.0]]))
    found = both_ways(forward, backward)
    assert np.array_equal(found.value, [1.0, 3.0, np.nan], equal_nan=True)
    assert found.blame is not None
    assert found.blame.ravel().tolist() == [1.0, 2.0, 0.0]


def test_offline_residuals_read_the_same_from_either_end() -> None:
    rows = slow.signal(400, 1, seed=8)
    for scorer in (PolynomialResidual(window=FRAMES), AutoregressionResidual(lags=4)):
        one = scorer.offline(Spec((1,)), rows[:200], rows[200:]).value
        other = scorer.offline(Spec((1,)), rows[:200][::-1], rows[200:][::-1]).value
        np.testing.assert_allclose(other[::-1], one, rtol=1e-9)


def test_kmeans_scores_by_the_nearest_centre_and_clusters_as_well_as_another() -> None:
    rows, odd, past, points = _flat(2, seed=9)
    scorer = KMeansWindows(window=FRAMES, clusters=8)
    model = scorer.model(rows)
    assert model is not None
    apart = np.linalg.norm(points[:, None] - model.centres, axis=2).min(axis=1)
    within = np.linalg.norm(past[:, None] - model.centres, axis=2).min(axis=1)
    np.testing.assert_allclose(scorer.measure(model, odd)[0], apart / np.median(within), rtol=1e-9)
    theirs: Any = KMeans(8, n_init="auto", random_state=0).fit(past)
    assert (within**2).sum() < 1.15 * theirs.inertia_


def test_kshape_leaves_what_no_shape_explains_at_any_shift() -> None:
    rows, odd, _, points = _flat(1, seed=10)
    scorer = KShapeWindows(window=FRAMES, clusters=3)
    model = scorer.model(rows)
    assert model is not None
    np.testing.assert_allclose(np.linalg.norm(model.shapes, axis=2), 1.0, rtol=1e-12)
    left = [slow.shape_remainder(point, model.shapes[0]) for point in points]
    value, blame = scorer.measure(model, odd)
    np.testing.assert_allclose(value * model.usual[0], left, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(blame[:, :, 0], axis=1), value, rtol=1e-9)


def test_kshape_finds_a_shape_whatever_its_phase() -> None:
    saw = np.resize(np.arange(10.0), 500)[:, None]
    scorer = KShapeWindows(window=20)
    model = scorer.model(saw)
    windows = np.stack([*(saw[n : n + 20] for n in range(10)), saw[7:27][::-1]])
    *any_phase, turned = scorer.measure(model, windows)[0]
    assert turned > 5.0 * max(any_phase)


def test_lof_is_that_of_scikit_learn() -> None:
    rows, odd, past, points = _flat(2, seed=11)
    scorer = LofWindows(window=FRAMES)
    other = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(past)
    np.testing.assert_allclose(
        scorer.measure(scorer.model(rows), odd)[0], -other.score_samples(points), rtol=1e-6
    )


def test_lof_of_many_equal_windows_is_finite() -> None:
    rows = np.resize([0.0, 1.0, 2.0, 3.0], 200)[:, None]
    scorer = LofWindows(window=4, neighbours=3)
    value, _ = scorer.measure(scorer.model(rows), slow.windows_of(rows[:10], 4))
    np.testing.assert_allclose(value, 1.0)


def test_isolation_trees_set_apart_as_in_the_slow_version() -> None:
    rows, odd, past, points = _flat(1, seed=12)
    scorer = IsolationForestWindows(window=FRAMES, trees=1, sample=16, planes=5, seed=3)
    model = scorer.model(rows)
    assert model is not None
    centred, mean = past - past.mean(axis=0), past.mean(axis=0)
    along = (centred / past.std(axis=0)) @ model.planes
    rng = np.random.default_rng(3)
    rng.standard_normal((FRAMES, 5))
    sample = along[rng.choice(len(along), 16, replace=False)]
    cuts = [(int(plane * 5), share) for plane, share in rng.random((31, 2))]
    queries = ((points - mean) / past.std(axis=0)) @ model.planes
    depth = [slow.isolated(point, sample, cuts, 4) for point in queries]
    wanted = 2.0 ** (-np.array(depth) / slow.expected(16))
    np.testing.assert_allclose(scorer.measure(model, odd)[0], wanted, rtol=1e-9)
    assert expected_cuts(np.array([5])).tolist() == pytest.approx([slow.expected(5)])


def test_isolation_forest_ranks_as_that_of_scikit_learn() -> None:
    rows, odd, past, points = _flat(2, seed=13)
    value = IsolationForestWindows(window=FRAMES).measure(
        IsolationForestWindows(window=FRAMES).model(rows), odd
    )[0]
    theirs = -IsolationForest(n_estimators=300, random_state=0).fit(past).score_samples(points)
    ranks = [np.argsort(np.argsort(one)) for one in (value, theirs)]
    assert np.asarray(np.corrcoef(ranks))[0, 1] > 0.6


def test_one_class_svm_decides_as_that_of_scikit_learn() -> None:
    rows, odd, past, points = _flat(2, seed=14)
    off = past - past.mean(axis=0)
    scorer = OneClassSvm(window=FRAMES, gamma=0.05, nu=0.1)
    gamma: Any = 0.05  # scikit-learn's stubs take it for text alone
    other = OneClassSVM(gamma=gamma, nu=0.1).fit(off)
    value, _ = scorer.measure(scorer.model(rows), odd)
    edge = other.offset_[0]
    wanted = other.decision_function(points - past.mean(axis=0))
    np.testing.assert_allclose(edge * np.expm1(-value), wanted, rtol=1e-5, atol=1e-7)
    inside, _ = scorer.measure(scorer.model(rows), slow.windows_of(rows, FRAMES))
    assert (inside > 1e-6).mean() <= 0.1


def test_spectral_residual_is_that_of_a_fast_fourier_transform() -> None:
    windows = slow.windows_of(slow.signal(60, 1, seed=15), 16)
    windows[::4, -1] += 5.0
    batch = Batch(np.zeros(len(windows), dtype=int), np.arange(len(windows)), windows)
    scorer = SpectralResidual(window=16)
    found = scorer.score(scorer.start(Spec((1,), 16)), batch).value
    wanted = [min(slow.spectral_saliency(window[:, 0], 5), 3.2) for window in windows]
    np.testing.assert_allclose(found, wanted, rtol=1e-7)


@pytest.mark.parametrize("count", [10, 200])
def test_directions_are_those_of_the_covariance(count: int) -> None:
    points = np.random.default_rng(16).normal(size=(count, 30)) * np.arange(1, 31)
    found = directions(points)
    rebuilt = (found.axes * found.variance) @ found.axes.T
    np.testing.assert_allclose(rebuilt, points.T @ points / count, atol=1e-8)
    assert found.total == pytest.approx(found.variance.sum())
    assert (np.diff(found.variance) <= 0).all()
    assert leading(found, 1.0) == min(count, 30)
    assert leading(Directions(np.empty(0), np.empty((30, 0)), 0.0), 0.9) == 0


def test_an_embedding_keeps_what_its_directions_leave_over() -> None:
    rows = slow.signal(300, 3, seed=17)
    into, points = embedding(rows, FRAMES, 4)
    assert points.shape == (293, 5)
    past = slow.spreads(slow.windows_of(rows, FRAMES), rows).reshape(293, -1)
    length = np.linalg.norm(past - past.mean(axis=0), axis=1)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), length, rtol=1e-9)
    np.testing.assert_allclose(embedded(slow.windows_of(rows, FRAMES), into), points, rtol=1e-9)

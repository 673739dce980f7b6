"""Every detector of windows keeps every promise of a scorer, at small settings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracles.windows import signal, windows_of

from tocsin.detectors.classical.pca_residual import PcaResidual
from tocsin.detectors.classical.projection_outlyingness import ProjectionOutlyingness
from tocsin.detectors.windows.autoregression import AutoregressionResidual
from tocsin.detectors.windows.isolation_forest import IsolationForestWindows
from tocsin.detectors.windows.kmeans import KMeansWindows
from tocsin.detectors.windows.kshape import KShapeWindows
from tocsin.detectors.windows.lof import LofWindows
from tocsin.detectors.windows.one_class_svm import OneClassSvm
from tocsin.detectors.windows.polynomial import PolynomialResidual
from tocsin.detectors.windows.spectral_residual import SpectralResidual
from tocsin.detectors.windows.sub_pca import SubPca
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import Spec

FOREST = IsolationForestWindows(train=60, memory=200, window=8, trees=20, sample=32, planes=16)
TRAINED = [
    SubPca(train=60, memory=200, window=8),
    PolynomialResidual(train=60, memory=200, window=8),
    AutoregressionResidual(train=60, memory=200, lags=5),
    AutoregressionResidual(train=60, memory=200, lags=5, joint=True),
    KMeansWindows(train=60, memory=200, window=8, clusters=6),
    KShapeWindows(train=60, memory=200, window=8, clusters=3),
    LofWindows(train=60, memory=200, window=8),
    FOREST,
    OneClassSvm(train=60, memory=200, window=8),
    PcaResidual(train=60, memory=200),
    ProjectionOutlyingness(train=60, memory=200, projections=100),
]
ALL: list[Any] = [*TRAINED, SpectralResidual()]
NAMES = [type(scorer).__name__ for scorer in ALL]


@pytest.mark.parametrize("scorer", TRAINED, ids=NAMES[: len(TRAINED)])
def test_offline_a_fault_stands_out_in_its_rows_and_channel(scorer: Any) -> None:
    rows = signal(900, 3, seed=0)
    series = rows[500:].copy()
    series[200:208, 1] += 400.0 * np.resize([1.0, -1.0, 0.5, -0.7], 8)
    found = scorer.offline(Spec((3,)), rows[:500], series)
    assert found.value.shape == (400,)
    assert found.blame.shape == (400, 3)
    assert 150 < found.value.argmax() < 260
    assert found.blame[found.value.argmax()].argmax() == 1


@pytest.mark.parametrize("scorer", ALL, ids=NAMES)
def test_offline_without_history_judges_a_series_by_itself(scorer: Any) -> None:
    series = signal(400, 1, seed=1)
    series[300:302] += 40.0
    found = scorer.offline(Spec((1,)), np.empty((0, 1)), series)
    assert 250 < found.value.argmax() < 350


@pytest.mark.parametrize("scorer", ALL, ids=NAMES)
def test_a_series_shorter_than_a_window_has_no_opinion(scorer: Any) -> None:
    if scorer.frames > 1:
        few = signal(scorer.frames - 1, 2, seed=2)
        assert np.isnan(scorer.offline(Spec((2,)), np.empty((0, 2)), few).value).all()


@pytest.mark.parametrize("scorer", TRAINED, ids=NAMES[: len(TRAINED)])
def test_nothing_to_learn_from_gives_no_opinion(scorer: Any) -> None:
    model = scorer.model(np.full((50, 2), np.nan))
    value, blame = scorer.measure(model, windows_of(signal(30, 2, seed=3), scorer.frames))
    assert np.isnan(value).all()
    assert np.isfinite(blame).all()


@pytest.mark.parametrize("scorer", TRAINED, ids=NAMES[: len(TRAINED)])
def test_a_series_that_never_moved_is_strange_once_it_moves(scorer: Any) -> None:
    model = scorer.model(np.full((80, 1), 7.0))
    flat = np.full((1, scorer.frames, 1), 7.0)
    moved = flat.copy()
    moved[0, -1] = 7.5
    (still,), _ = scorer.measure(model, flat)
    (jumped,), _ = scorer.measure(model, moved)
    assert np.isfinite([still, jumped]).all()
    assert jumped > still


@pytest.mark.parametrize("scorer", TRAINED, ids=NAMES[: len(TRAINED)])
def test_a_third_of_values_missing_leaves_the_scores_ordinary(scorer: Any) -> None:
    rows = signal(400, 3, seed=4)
    model = scorer.model(rows)
    windows = windows_of(rows, scorer.frames)
    holes = windows.copy()
    holes[np.random.default_rng(4).random(holes.shape) < 0.3] = np.nan
    holes[:, -1, 0] = windows[:, -1, 0]
    found, _ = scorer.measure(model, holes)
    assert np.isfinite(found).mean() > 0.9
    spike = windows[:1].copy()
    spike[0, -1] += [20.0, 1000.0, 0.2]
    assert np.nanmedian(found) < scorer.measure(model, spike)[0][0]


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: SubPca(window=1), "window"),
        (lambda: SubPca(variance=1.0), "variance"),
        (lambda: PcaResidual(variance=0.0), "variance"),
        (lambda: PolynomialResidual(degree=6), "degree"),
        (lambda: PolynomialResidual(window=4), "window"),
        (lambda: AutoregressionResidual(lags=0), "lags"),
        (lambda: AutoregressionResidual(ridge=0.0), "ridge"),
        (lambda: KMeansWindows(clusters=0), "clusters"),
        (lambda: KShapeWindows(window=3), "window"),
        (lambda: LofWindows(neighbours=0), "neighbours"),
        (lambda: IsolationForestWindows(sample=1), "sample"),
        (lambda: OneClassSvm(nu=0.0), "nu"),
        (lambda: ProjectionOutlyingness(share=1.1), "share"),
        (lambda: SpectralResidual(window=11), "window"),
        (lambda: SpectralResidual().start(Spec((1,), window=20)), "windows of 64 rows"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(make: Callable[[], object], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        make()

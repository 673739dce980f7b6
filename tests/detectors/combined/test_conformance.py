"""Every wrapper keeps every promise, around a streaming, a trained and a windowed scorer."""

from collections.abc import Callable, Iterator

import pytest

from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.classical.mahalanobis import Mahalanobis
from tocsin.detectors.combined.ensemble import Ensemble
from tocsin.detectors.combined.multi_scale import MultiScale
from tocsin.detectors.combined.per_channel import PerChannel
from tocsin.detectors.windows.window_std import WindowStd
from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.types import Spec, frames_of

EWMA = Ewma(half_life=10)
KNN = Knn(train=30, memory=100)
SPREAD = WindowStd(window=3, train=30, memory=100)

WRAPPERS = [
    MultiScale(EWMA, scales=(1, 3), history=40),
    MultiScale(KNN, scales=(1, 2), history=40),
    PerChannel(EWMA, "top3", history=40),
    PerChannel(KNN, history=40),
    Ensemble((EWMA, Mahalanobis(half_life=20)), "harmonic", history=60),
    Ensemble((EWMA, SPREAD), history=60),
]


def subjects() -> Iterator[Subject]:
    for scorer in WRAPPERS:
        yield Subject(scorer, Spec((2,), window=frames_of(scorer)))


@pytest.mark.parametrize("check", cases(subjects()))
def test_wrapper_keeps_the_promise(check: Callable[[], None]) -> None:
    check()

"""The signature detectors keep every promise of a scorer."""

from collections.abc import Callable

import pytest

from tocsin.detectors.signature.signature_knn import SignatureKnn
from tocsin.detectors.signature.signature_mahalanobis import SignatureMahalanobis
from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.types import Spec

SMALL_KNN = SignatureKnn(frames=8, train=96, corpus=32)
SMALL_MAHALANOBIS = SignatureMahalanobis(frames=8, train=96)
SUBJECTS = [
    Subject(SMALL_KNN, Spec((1,), window=8)),
    Subject(SMALL_KNN, Spec((3,), window=10)),
    Subject(SMALL_MAHALANOBIS, Spec((2,), window=8)),
]


@pytest.mark.parametrize("case", cases(SUBJECTS))
def test_detector_keeps_the_promise(case: Callable[[], None]) -> None:
    case()

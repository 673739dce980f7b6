"""Every detector of the catalogue keeps every promise, and reads the state it once wrote."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tocsin.detectors.catalogue import CATALOGUE, load
from tocsin.detectors.classical.mahalanobis import Mahalanobis
from tocsin.detectors.images.block_dct import BlockDct
from tocsin.evaluation.checks.golden import check_old_states_load
from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.types import Spec

GOLDEN = Path(__file__).parents[1] / "golden" / "state"

SPECS = {
    "channels": (Spec((1,)), Spec((2,)), Spec((3,), window=4)),
    "frame": (Spec((24, 32)), Spec((21, 18), window=2)),
}

# Promises that a detector does not keep yet, each with its reason.
EXCEPTED: dict[str, dict[str, str]] = {}

# The settings and the spec that golden states were written under: small, so that the files are.
WRITTEN: dict[str, tuple[dict[str, Any], Spec]] = {
    "moving_z": ({"window": 12}, Spec((2,))),
    "ewma": ({"half_life": 8.0}, Spec((2,))),
    "moving_std": ({"window": 12, "half_life": 40.0}, Spec((2,))),
    "mahalanobis": ({"half_life": 20.0}, Spec((3,))),
    "half_space_trees": ({"trees": 3, "depth": 3, "window": 20}, Spec((2,))),
    "block_dct": ({"block": 8, "coefficients": 3, "half_life": 20.0}, Spec((16, 16))),
}


def subjects() -> Iterator[Subject]:
    for name in CATALOGUE:
        scorer = load(name)()
        for spec in SPECS[scorer.traits.item]:
            yield Subject(scorer, spec, EXCEPTED.get(name, {}))
    yield Subject(Mahalanobis(), Spec((10,), window=4))
    yield Subject(BlockDct(half_life=20), Spec((20, 30), window=2))


@pytest.mark.parametrize("check", cases(subjects()))
def test_detector_keeps_the_promise(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("name", CATALOGUE)
def test_old_states_load_and_mean_the_same(name: str) -> None:
    settings, spec = WRITTEN[name]
    check_old_states_load(load(name)(**settings), spec, GOLDEN / name)


def test_exceptions_are_of_known_detectors() -> None:
    assert EXCEPTED.keys() <= CATALOGUE.keys()


def test_golden_states_are_of_known_detectors() -> None:
    assert {path.parent.name for path in GOLDEN.glob("*/v1.zip")} == set(WRITTEN)

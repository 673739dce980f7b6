"""Every detector of the catalogue keeps every promise, and reads the state it once wrote."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oracles.small_detectors import SMALL

from tocsin.detectors.catalogue import CATALOGUE, load
from tocsin.detectors.classical.mahalanobis import Mahalanobis
from tocsin.detectors.context.rcd import RelativeContext
from tocsin.detectors.context.rcd_tuned import RcdTuned
from tocsin.detectors.events.compatibility import Compatibility
from tocsin.detectors.images.block_dct import BlockDct
from tocsin.evaluation.checks.golden import check_old_states_load
from tocsin.evaluation.conformance import Subject, cases
from tocsin.pipeline.types import Scorer, Spec, frames_of

GOLDEN = Path(__file__).parents[1] / "golden" / "state"

# Detectors that are quick enough for the suite as they are.
AS_THEY_ARE = (
    *("moving_z", "ewma", "moving_std", "mahalanobis"),
    *("half_space_trees", "random_cut_forest", "block_dct"),
)

# Promises that a detector does not keep, each with its reason.
CONTROL = {"stranger_is_higher": "a control: its score has nothing to do with the row"}
EXCEPTED: dict[str, dict[str, str]] = {
    **dict.fromkeys(("random", "constant", "position"), CONTROL),
    "batch_test": {"stranger_is_higher": "one wild row is little among the rows of a window"},
    "compatibility": {"stranger_is_higher": "its rows are codes of categories, without distances"},
    "path_scores": {"stranger_is_higher": "its rows are codes of states, without distances"},
    "river": {"stranger_is_higher": "River's trees score all rows beyond their range alike"},
}

# The spec that golden states were written under, where it is another than two channels.
WRITTEN: dict[str, Spec] = {
    "mahalanobis": Spec((3,)),
    "compatibility": Spec((3,)),
    "block_dct": Spec((16, 16)),
}


def written_under(name: str, scorer: Scorer[Any]) -> Spec:
    return WRITTEN.get(name, Spec((2,), window=frames_of(scorer)))


def small(name: str) -> Any:
    return load(name)(**SMALL.get(name, {}))


def specs(scorer: Scorer[Any]) -> tuple[Spec, ...]:
    """What a detector is tried on: one channel, several, and a window that is longer than asked."""
    if scorer.traits.item == "frame":
        return Spec((24, 32)), Spec((21, 18), window=2)
    frames = frames_of(scorer)
    if isinstance(scorer, Compatibility):  # of one channel there are no pairs
        return Spec((2,)), Spec((3,), window=4)
    if isinstance(scorer, RelativeContext | RcdTuned):  # slow, and channels are scored alone
        return (Spec((1,), window=frames),)
    return Spec((1,), window=frames), Spec((3,), window=frames + 3)


def subjects() -> Iterator[Subject]:
    for name in CATALOGUE:
        scorer = load(name)() if name in AS_THEY_ARE else small(name)
        for spec in specs(scorer):
            yield Subject(scorer, spec, EXCEPTED.get(name, {}))
    yield Subject(Mahalanobis(), Spec((10,), window=4))
    yield Subject(BlockDct(half_life=20), Spec((20, 30), window=2))


@pytest.mark.parametrize("check", cases(subjects()))
def test_detector_keeps_the_promise(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("name", CATALOGUE)
def test_old_states_load_and_mean_the_same(name: str) -> None:
    scorer = small(name)
    check_old_states_load(scorer, written_under(name, scorer), GOLDEN / name)


def test_exceptions_are_of_known_detectors() -> None:
    assert EXCEPTED.keys() | SMALL.keys() <= CATALOGUE.keys()


def test_golden_states_are_of_known_detectors() -> None:
    assert {path.parent.name for path in GOLDEN.glob("*/v1.zip")} == CATALOGUE.keys()

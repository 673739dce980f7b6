"""The suite itself: results for people, cases for pytest, and exceptions that cannot go stale."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from tocsin.evaluation.checks.verdict import (
    ConformanceError,
    expect_equal,
    expect_same_scores,
    expect_same_state,
)
from tocsin.evaluation.conformance import CHECKS, Result, Subject, cases, conformance
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import Batch, Scores, Spec, Traits


@dataclass
class Empty:
    rows: int = 0


@dataclass(frozen=True)
class AlwaysOne:
    """It claims nothing and keeps few promises; enough to have checks that pass and that fail."""

    traits: ClassVar[Traits] = Traits()
    version: ClassVar[int] = 1

    @property
    def warmup(self) -> int:
        return 5

    def start(self, spec: Spec) -> Empty:
        return Empty()

    def score(self, state: Empty, batch: Batch) -> Scores:
        return Scores(np.ones(len(batch)))

    def learn(self, state: Empty, batch: Batch) -> None:
        """Nothing is learned."""


@dataclass(frozen=True)
class OneForAll(AlwaysOne):
    traits: ClassVar[Traits] = Traits(shared=True)


SPEC = Spec((2,))


def result_of(check: str, excepted: dict[str, str]) -> Result:
    results = conformance(AlwaysOne(), SPEC, excepted)
    return next(result for result in results if result.check == check)


def test_results_come_in_the_order_of_the_checks() -> None:
    known = [check.name for check in CHECKS]
    found = [result.check for result in conformance(AlwaysOne(), SPEC)]
    assert found == [name for name in known if name != "fit_survives_saving"]


def test_a_broken_promise_is_a_failure_that_says_what_was_seen() -> None:
    result = result_of("warm_up", {})
    assert result.outcome == "failed"
    assert "promised: scores are NaN before any data; seen: [1. 1. 1.]" in result.message


def test_an_excepted_failure_gives_its_reason() -> None:
    assert result_of("warm_up", {"warm_up": "a rule, it knows from the start"}) == Result(
        "warm_up", "excepted", "a rule, it knows from the start"
    )


def test_an_exception_that_is_not_needed_is_told() -> None:
    assert result_of("units", {"units": "no longer true"}).outcome == "not excepted any more"


def test_an_exception_to_an_unknown_check_is_refused() -> None:
    with pytest.raises(TocsinError, match="no check is called 'warmup'; there are"):
        conformance(AlwaysOne(), SPEC, {"warmup": "misspelt"})
    with pytest.raises(TocsinError, match="no check is called 'warmup'; there are"):
        cases([Subject(AlwaysOne(), SPEC, {"warmup": "misspelt"})])


def test_cases_are_named_by_scorer_item_and_check() -> None:
    names = [case.id for case in cases([Subject(AlwaysOne(), Spec((24, 32)))])]
    assert names[0] == "AlwaysOne-24x32-settings"
    assert len(set(names)) == len(names)


def test_an_exception_is_a_strict_expected_failure_of_that_check_alone() -> None:
    found = cases([Subject(AlwaysOne(), SPEC, {"warm_up": "a rule"})])
    marked = {case.id: case.marks for case in found if case.marks}
    assert list(marked) == ["AlwaysOne-2-warm_up"]
    (mark,) = marked["AlwaysOne-2-warm_up"]
    assert mark.name == "xfail"
    assert mark.kwargs == {"reason": "a rule", "raises": ConformanceError, "strict": True}


def test_a_shared_model_is_not_asked_to_keep_keys_apart() -> None:
    found = [result.check for result in conformance(OneForAll(), SPEC)]
    assert "keys_are_separate" not in found


def test_an_unlike_number_is_told_with_its_row_key_and_time() -> None:
    batch = Batch(np.array([4, 7]), np.array([10, 11]), np.zeros((2, 1, 1)))
    with pytest.raises(ConformanceError, match="row 1 of 2, key 7, time 11"):
        expect_equal(np.array([1.0, 2.0]), np.array([1.0, 3.0]), "they are equal", batch)


def test_nan_equals_nan_and_nothing_else() -> None:
    expect_equal(np.array([np.nan]), np.array([np.nan]), "they are equal")
    with pytest.raises(ConformanceError):
        expect_equal(np.array([np.nan]), np.array([0.0]), "they are equal")


def test_blame_in_one_of_two_scores_is_a_difference() -> None:
    one, other = Scores(np.zeros(1)), Scores(np.zeros(1), np.zeros((1, 1, 1)))
    expect_same_scores(one, one, "they are equal")
    with pytest.raises(ConformanceError, match="blame in one and none in the other"):
        expect_same_scores(one, other, "they are equal")


def test_an_unlike_state_is_told_with_its_field() -> None:
    expect_same_state(Empty(3), Empty(3), "they are equal")
    with pytest.raises(ConformanceError, match=r"state\.rows"):
        expect_same_state(Empty(3), Empty(4), "they are equal")


def test_conformance_errors_are_assertions_and_our_own() -> None:
    error: Any = ConformanceError("promised")
    assert isinstance(error, AssertionError)
    assert isinstance(error, TocsinError)

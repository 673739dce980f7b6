"""A labelled series holds together, and a part of it still does."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evaluation.datasets.labelled import Event, Labelled, Stream, Truth, runs_of
from tocsin.pipeline.errors import TocsinError


def pump(label: list[bool], train: int = 0) -> Labelled:
    rows = len(label)
    stream = Stream("pump", ("flow", "heat"), np.arange(rows), np.ones((rows, 2)))
    blame = np.array(label)[:, None] & np.array([[True, False]])
    truth = Truth.of(np.array(label), blame, ("flow", "heat"), kind="leak")
    return Labelled("plant", stream, truth, train, "here", "Apache-2.0")


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_events_are_the_runs_of_the_label(label: list[bool]) -> None:
    runs = runs_of(np.array(label))
    inside = {row for first, last in runs for row in range(first, last + 1)}
    assert inside == {row for row, flag in enumerate(label) if flag}
    assert all(b[0] - a[1] > 1 for a, b in pairwise(runs))


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.data())
def test_a_part_is_labelled_as_its_rows_were(label: list[bool], data: st.DataObject) -> None:
    train = label.index(True) if True in label else len(label)
    whole = pump(label, train)
    first = data.draw(st.integers(0, len(label) - 1))
    last = data.draw(st.integers(first, len(label) - 1))
    part = whole.part(first, last)
    assert part.truth.label.tolist() == label[first : last + 1]
    assert part.stream.time.tolist() == list(range(first, last + 1))
    assert (
        part.truth.events
        == Truth.of(part.truth.label, part.truth.by_channel, ("flow", "heat"), kind="leak").events
    )
    assert part.train == len(set(range(train)) & set(range(first, last + 1)))


def test_an_event_names_the_channels_at_fault() -> None:
    assert pump([False, True]).truth.events == (Event(1, 1, "leak", ("flow",)),)


def test_a_part_keeps_what_is_left_of_the_window_and_status() -> None:
    stream = Stream("7", ("wind",), np.arange(6), np.zeros((6, 1)))
    normal = np.array([True, True, False, True, True, True])
    truth = Truth(np.zeros(6, dtype=np.bool_), normal=normal, window=(3, 4))
    whole = Labelled("CARE", stream, truth, 2, "here", "none")
    assert whole.part(2, 3).truth.window == (1, 1)
    assert whole.part(0, 2).truth.window is None
    kept = whole.part(2, 3).truth.normal
    assert kept is not None
    assert kept.tolist() == [False, True]


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (2, 1), (0, 5)])
def test_a_part_outside_the_series_is_refused(first: int, last: int) -> None:
    with pytest.raises(TocsinError, match="has rows 0 to 4"):
        pump([False] * 5).part(first, last)


def stream(**changes: object) -> Stream:
    fields = {
        "series": "pump",
        "channels": ("flow",),
        "time": np.arange(3),
        "values": np.zeros((3, 1)),
    }
    return Stream(**(fields | changes))  # type: ignore[arg-type] - wrong on purpose


NO_LABEL = np.zeros(3, dtype=np.bool_)
BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: stream(time=np.array([0, 2, 2])), "row 2 is not later"),
    (lambda: stream(time=np.arange(3.0)), "time must be"),
    (lambda: stream(time=np.arange(2)), "values must be"),
    (lambda: stream(values=np.zeros(3)), "values must be"),
    (lambda: stream(values=np.array([[0.0], [np.inf], [0.0]])), "row 1 holds an infinity"),
    (lambda: stream(series=""), "needs a name"),
    (lambda: stream(channels=("a", "a"), values=np.zeros((3, 2))), "names repeat"),
    (lambda: stream(time=np.arange(0), values=np.zeros((0, 1))), "needs a name, a row"),
    (lambda: Event(3, 2), "first <= last"),
    (lambda: Truth(np.zeros(3)), "label must be"),  # type: ignore[arg-type] - wrong on purpose
    (lambda: Truth(np.array([True])), "do not cover"),
    (lambda: Truth(NO_LABEL, events=(Event(1, 1),)), "do not cover"),
    (lambda: Truth(NO_LABEL, events=(Event(1, 3),)), "ends past the last row 2"),
    (lambda: Truth(NO_LABEL, np.ones((3, 1), dtype=np.bool_)), "row 0, not labelled"),
    (lambda: Truth(NO_LABEL, np.ones((2, 1), dtype=np.bool_)), "by_channel must be"),
    (lambda: Truth(NO_LABEL, window=(1, 3)), "window"),
    (lambda: Truth(NO_LABEL, normal=np.ones(2, dtype=np.bool_)), "normal must be"),
    (lambda: Truth(~NO_LABEL, events=(Event(1, 2), Event(0, 0))), "in order"),
    (lambda: pump([False, True], train=2), "row 1 is labelled"),
    (lambda: pump([False], train=2), "prefix of 2 rows"),
    (lambda: Labelled("d", stream(), Truth(NO_LABEL[:2]), 0, "", ""), "3 rows, but 2 labels"),
    (
        lambda: Labelled("d", stream(), Truth(NO_LABEL, np.zeros((3, 2), np.bool_)), 0, "", ""),
        "by_channel has 2 columns",
    ),
]


@pytest.mark.parametrize(("make", "says"), BAD, ids=[f"{i}-{b[1]}" for i, b in enumerate(BAD)])
def test_what_does_not_hold_together_is_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(TocsinError, match=says):
        make()

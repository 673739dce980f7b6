"""A detector that goes on learning, led through a series once more by the scores that it gave."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import Batch, BoolArray, FloatArray, Spec


class Marks(NamedTuple):
    """What is known of a series' rows: their scores, and which alarmed or stood in an incident.

    Which rows were learned hung on alarms and incidents, and the scores tell it: that of a row
    comes from a state that has learned the rows since the last score, or none of them, or the
    first of them only.
    """

    score: FloatArray  # (N,), NaN where there is none
    firing: BoolArray  # (N,)


def begun(scorer: Any, spec: Spec, past: Iterable[Batch]) -> Any:
    """The state after clean history of one series, as it was before the first row was judged."""
    if hasattr(scorer, "fit"):
        state = scorer.fit(spec, past)
        grow(state, 1)
        return state
    state = scorer.start(spec)
    grow(state, 1)
    for batch in past:
        _learn(scorer, state, _each(batch))
    return state


def followed(
    scorer: Any, state: Any, batches: Iterable[Batch], marks: Marks
) -> Iterator[tuple[int, Batch]]:
    """The rows that have a score, by number, each while the state is as it was at the time.

    The state goes on with the rows. A score that it cannot come to is the end.
    """
    waiting: list[tuple[Batch, bool]] = []  # rows since the last score, and whether they fired
    for row, one in enumerate(one for batch in batches for one in _each(batch)):
        if not np.isnan(marks.score[row]):
            if not _caught_up(scorer, state, waiting, (one, float(marks.score[row]))):
                return
            waiting = []
            yield row, one
        waiting.append((one, bool(marks.firing[row])))


def _caught_up(
    scorer: Any, state: Any, past: list[tuple[Batch, bool]], now: tuple[Batch, float]
) -> bool:
    """Let a state learn of past rows, which may have been firing, what its next score asks for.

    Of several answers, the most rows are taken: what is calm is learned.
    """
    rows, fits = [one for one, _ in past], _fits(scorer, state, now)
    if fits and (not rows or past[-1][1]):
        return True
    if not fits and len(rows) == 1:  # most rows; no copy is needed
        scorer.learn(state, rows[0])
        return _fits(scorer, state, now)
    other, most = deepcopy(state), 0 if fits else -1
    for count, one in enumerate(rows, 1):
        scorer.learn(other, one)
        most = count if _fits(scorer, other, now) else most
    _learn(scorer, state, rows[: max(most, 0)])
    return most >= 0


def _each(batch: Batch) -> Iterator[Batch]:
    return (batch.take(np.array([row])) for row in range(len(batch)))


def _learn(scorer: Any, state: Any, rows: Iterable[Batch]) -> None:
    for one in rows:
        scorer.learn(state, one)


def _fits(scorer: Any, state: Any, now: tuple[Batch, float]) -> bool:
    """Whether the state gives a row the score it had."""
    one, score = now
    return float(scorer.score(state, one).value[0]) == score

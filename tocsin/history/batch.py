"""Rows that are all there, judged in one of two modes, after training on clean history or not."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tocsin.history.choosing import Choice
from tocsin.history.judging import Judged, Progress, Rows, judge
from tocsin.history.learning import learn
from tocsin.history.offline import judge_offline
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import BoolArray, IntArray

Mode = Literal["causal", "offline"]
Train = int | float | Rows | None

_MODES = ("causal", "offline")


@dataclass(frozen=True, slots=True)
class Found:
    """Judged rows, in the order they came in, and the clean history that was trained on."""

    judged: Judged
    history: Rows | None = None

    @property
    def trained_on(self) -> int:
        """How many rows were trained on."""
        return 0 if self.history is None else len(self.history)


def judge_rows(
    rows: Rows,
    choice: Choice,
    mode: Mode = "causal",
    train: Train = None,
    progress: Progress | None = None,
) -> Found:
    """Judge rows that are all there; `train` is clean history, as in `detect`."""
    if mode not in _MODES:
        raise ConfigError(f"mode is {mode!r}, wanted 'causal' or 'offline'")

    def play(later: Rows, history: Rows | None, *, follows: bool) -> Judged:
        if mode == "offline":
            return judge_offline(choice.stages, later, history, follows=follows, progress=progress)
        trained = None if history is None else learn(choice.stages, history, follows=follows)
        return judge(choice.stages, later, trained, progress)

    if train is None or isinstance(train, Rows):
        return Found(play(rows, train, follows=False), train)
    history = in_history(rows, train)
    first, rest = np.flatnonzero(history), np.flatnonzero(~history)
    past = rows.take(first)
    judged = play(rows.take(rest), past, follows=True)
    return Found(spread(judged, rest, len(rows)), past)


def history_rows(rows: Rows, train: Train) -> int:
    """How many rows of clean history a series has, for `train` as in `detect`."""
    if train is None:
        return 0
    if isinstance(train, Rows):
        return len(train) // max(1, len(set(train.series)))
    return int(np.count_nonzero(in_history(rows, train))) // max(1, len(set(rows.series)))


def in_history(rows: Rows, train: object) -> BoolArray:
    """Which rows (N,) are trained on; `train` is a count of times or a share of them."""
    if isinstance(train, bool) or not isinstance(train, int | float | np.integer | np.floating):
        raise ConfigError(f"train is {train!r}, wanted a count, a share under 1 or a frame")
    times = np.unique(rows.time)
    within = 0 < train < len(times)
    count = 0 if not within else int(train) if train >= 1 else round(float(train) * len(times))
    if count < 1:
        raise ConfigError(
            f"train is {train}, wanted a share under 1 or a count under the {len(times)} "
            "times there are"
        )
    return np.asarray(rows.time <= times[count - 1])


def spread(judged: Judged, places: IntArray, rows: int) -> Judged:
    """The verdicts at their places among more rows, which have none."""

    def wide(column: Any, fill: Any) -> Any:
        filled = np.full(rows, fill)
        filled[places] = column
        return filled

    return Judged(
        wide(judged.score, np.nan),
        wide(judged.tail, np.nan),
        wide(judged.alpha, np.nan),
        wide(judged.alarm, fill=False),
        judged.incidents,
        wide(judged.refused, fill=False),
    )

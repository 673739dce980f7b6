"""`tocsin evaluate`: scores in a file against labels in another, by every named metric."""

from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from tocsin.commands.screen import print_json, stdout
from tocsin.evaluation.measures import measure
from tocsin.evaluation.table import Table
from tocsin.evaluation.wording import number, plural
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import FloatArray

Times: TypeAlias = "pd.Series[pd.Timestamp] | None"

_SCORE = ("score",)
_LABEL = ("label", "is_anomaly", "anomaly", "event")
_ORACLE = "The three F1s are oracle values: their threshold is the best for these very labels."
_TIME = ("time", "timestamp", "datetime", "date")


def evaluate(scores: Path, labels: Path, window: int, *, as_json: bool) -> None:
    """Print the metrics of a column of scores against a column of labels of 0 and 1.

    The rows stand in the same order in both files, and in the same number; where both files have
    times, these must agree. Rows without a score are left out and counted. `window` is the width
    in rows around an event that VUS and PATE allow for.
    """
    score, score_times = _column(scores, _SCORE)
    label, label_times = _column(labels, _LABEL)
    if len(score) != len(label):
        raise SourceError(f"{scores} has {len(score)} rows and {labels} has {len(label)}")
    if score_times is not None and label_times is not None:
        apart = np.flatnonzero(score_times != label_times)
        if len(apart):
            raise SourceError(
                f"row {apart[0] + 1}: the time is {score_times.iloc[apart[0]]} in {scores} and "
                f"{label_times.iloc[apart[0]]} in {labels}"
            )
    known = ~np.isnan(score)
    found = measure(label[known], score[known], window)
    counts = {"rows": len(score), "unscored": int((~known).sum()), "window": window}
    if as_json:
        print_json(found | counts)
        return
    lines = tuple((name, number(value)) for name, value in found.items())
    left_out = f"{plural(counts['unscored'], 'row')} without a score left out"
    note = f"{plural(len(score), 'row')}, {left_out}; window {window}. {_ORACLE}"
    table = Table("Metrics", ("metric", "value"), lines, numbers=(1,), note=note)
    stdout().print("\n".join(table.lines()), highlight=False)


def _column(path: Path, names: tuple[str, ...]) -> tuple[FloatArray, Times]:
    """The column of one of the names, or the only one there is; and the times, if there are any."""
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read as CSV: {error}") from error
    by_name = {str(column).lower(): column for column in frame.columns}
    wanted = next((by_name[name] for name in names if name in by_name), None)
    if wanted is None and len(frame.columns) == 1:
        wanted = frame.columns[0]
    if wanted is None:
        have = ", ".join(map(str, frame.columns))
        raise SourceError(f"{path} has columns {have}; wanted one of {', '.join(names)}")
    try:
        values = frame[wanted].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise SourceError(f"{path}: column {wanted!r} is not all numbers: {error}") from error
    time = next((by_name[name] for name in _TIME if name in by_name), None)
    if time is None:
        return values, None
    try:
        return values, pd.to_datetime(frame[time], utc=True, format="ISO8601")
    except ValueError as error:
        raise SourceError(f"{path}: column {time!r} holds no ISO 8601 times: {error}") from error

"""`tocsin evaluate`: scores in a file against labels in another, by every named metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tocsin.commands.scored_rows import ScoredRows, mark_events, read_labels, read_scores
from tocsin.commands.screen import print_json, stderr, stdout
from tocsin.evaluation.measures import measure
from tocsin.evaluation.table import Table
from tocsin.evaluation.wording import number, plain, plural
from tocsin.pipeline.errors import SourceError
from tocsin.pipeline.types import BoolArray

_ORACLE = "The three F1s are oracle values: their threshold is the best for these very labels."


@dataclass(frozen=True, slots=True)
class Measured:
    """The metrics of one series; none where no scored row, or every one, is of an event."""

    series: str
    rows: int
    unscored: int
    metrics: Mapping[str, float] | None


def evaluate(scores: Path, labels: Path, window: int, *, as_json: bool) -> None:
    """Print the metrics of a column of scores against labels, the mean over series.

    The labels are a column of 0 and 1, whose rows stand in the order of the scores and in the same
    number; where both files have times or series, these must agree. Or they are intervals: columns
    `start` and `end`, both inside, and perhaps `series`. Rows without a score are left out and
    counted, and so are series that have no metrics. `window` is the width in rows around an event
    that VUS and PATE allow for.
    """
    rows = read_scores(scores)
    events = mark_events(rows, labels)
    if events is None:
        rows, truth = read_labels(rows, labels)
    else:
        truth = events.label
        for line in events.left_out:
            stderr().print(plain(line, 1000))
    found = [_measured(name, rows, truth, window) for name in rows.names()]
    if all(each.metrics is None for each in found):
        marked, count = int(truth[~np.isnan(rows.score)].sum()), int((~np.isnan(rows.score)).sum())
        raise SourceError(
            f"{labels}: {marked} of the {plural(count, 'row')} that {scores} has a score of are "
            "labelled; in a series at least one that is and one that is not are wanted"
        )
    if as_json:
        print_json(_document(rows, found, window))
    else:
        _tell(found, window)


def _measured(name: str, rows: ScoredRows, truth: BoolArray, window: int) -> Measured:
    mine = rows.of(name)
    score, label = rows.score[mine], truth[mine]
    known = ~np.isnan(score)
    unscored = int((~known).sum())
    score, label = score[known], label[known]
    if not label.any() or label.all():
        return Measured(name, len(known), unscored, None)
    return Measured(name, len(known), unscored, measure(label.astype(float), score, window))


def _means(found: Sequence[Measured]) -> dict[str, float]:
    """The mean of each metric over the series that have a value of it; NaN where none has."""
    every = [each.metrics for each in found if each.metrics is not None]
    means = {}
    for name in every[0]:
        values = [one[name] for one in every if not np.isnan(one[name])]
        means[name] = float(np.mean(values)) if values else np.nan
    return means


def _counts(found: Sequence[Measured]) -> dict[str, int]:
    return {
        "rows": sum(each.rows for each in found),
        "unscored": sum(each.unscored for each in found),
        "series_measured": sum(each.metrics is not None for each in found),
    }


def _document(rows: ScoredRows, found: Sequence[Measured], window: int) -> dict[str, Any]:
    document: dict[str, Any] = _means(found) | _counts(found) | {"window": window}
    if rows.series is not None:
        document["series"] = [
            {"series": each.series, "rows": each.rows, "unscored": each.unscored}
            | dict(each.metrics or {})
            for each in found
        ]
    return document


def _tell(found: Sequence[Measured], window: int) -> None:
    counts = _counts(found)
    lines = tuple((name, number(value)) for name, value in _means(found).items())
    head = ("metric", "value")
    left_out = f"{plural(counts['unscored'], 'row')} without a score left out"
    notes = [f"{plural(counts['rows'], 'row')}, {left_out}; window {window}. {_ORACLE}"]
    if len(found) > 1:
        head = ("metric", "mean")
        notes.append(_over_series(found))
    table = Table("Metrics", head, lines, numbers=(1,), note="\n".join(notes))
    stdout().print("\n".join(table.lines()), highlight=False)


def _over_series(found: Sequence[Measured]) -> str:
    """Which series the means are over, and which of them have no metrics."""
    without = [plain(each.series, 30) for each in found if each.metrics is None]
    told = f"Each is the mean over {len(found) - len(without)} of {plural(len(found), 'series')}"
    if not without:
        return f"{told}."
    more = f" and {len(without) - 3} more" if len(without) > 3 else ""
    return f"{told}; without an event to find: {', '.join(without[:3])}{more}."

"""The tables of a backtest: leaderboard, by data set, and against a baseline.

A table is of one mode, says so in its title, and holds the controls. Its note says how many series
were left out, and on whose account.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tocsin.evaluation.comparing.averages import Average, averages
from tocsin.evaluation.comparing.bootstrap import STANDARD, Bootstrap, macro_means
from tocsin.evaluation.comparing.comparison import (
    CONTROLS,
    Comparison,
    Mode,
    checked,
    compare,
    failures,
    require_controls,
)
from tocsin.evaluation.comparing.paired import Duel, against
from tocsin.evaluation.table import Table
from tocsin.pipeline.errors import TocsinError

# Metrics whose threshold was chosen with the help of the labels.
ORACLES = frozenset(
    {
        "best_f1",
        "best_gmean",
        "event_f1",
        "range_f1",
        "affiliation_f1",
        "pa_f1",
        "pa_k_f1",
        "nab_score",
        "at_budget",
    }
)
DAGGER = "†"
_ORACLE_NOTE = f"{DAGGER} oracle: its threshold is the best for these very labels."


def leaderboard(
    results: pd.DataFrame, metrics: Sequence[str], mode: Mode, how: Bootstrap = STANDARD
) -> Table:
    """Detectors by the first metric, the best first: macro means with intervals.

    Columns: detector, for each metric the mean of data-set means with its bootstrap interval, the
    plain mean of the first metric, how the detector was fitted, and its failed jobs. Each metric
    is over the series on which every detector has it.
    """
    if not metrics:
        raise TocsinError("a leaderboard needs at least one metric")
    require_controls(checked(results, metrics), mode)
    comparisons = [compare(results, metric, mode) for metric in metrics]
    boards = [{each.detector: each for each in averages(c, how)} for c in comparisons]
    fitted, failed = _fitted(results, mode), failures(results, mode)
    names = sorted(failed, key=lambda name: (_falling(boards[0].get(name)), name))
    rows = tuple(
        (
            name,
            *(_with_interval(board.get(name)) for board in boards),
            _three(boards[0][name].mean if name in boards[0] else math.nan),
            fitted[name],
            str(failed[name]),
        )
        for name in names
    )
    columns = [marked(metric) for metric in metrics]
    head = ("detector", *columns, f"{columns[0]}, mean over series", "fitted", "failed jobs")
    last = len(head) - 1
    return Table(
        f"Leaderboard, {mode}",
        head,
        rows,
        numbers=(*range(1, last - 1), last),
        note=" ".join((_averaged(how), *_gaps(comparisons), _controls(), *_oracles(metrics))),
    )


def by_dataset(results: pd.DataFrame, metric: str, mode: Mode) -> Table:
    """Detectors by data sets, and the macro mean last, by which the rows are sorted."""
    require_controls(checked(results, (metric,)), mode)
    comparison = compare(results, metric, mode)
    datasets, group, values = comparison.datasets, comparison.group, comparison.values
    macro = dict(zip(comparison.detectors, macro_means(values, group).tolist(), strict=True))
    cells: dict[str, list[float]] = {name: [] for name in comparison.detectors}
    for place in range(len(datasets)):
        means = values[group == place].mean(axis=0)
        for name, mean in zip(comparison.detectors, means.tolist(), strict=True):
            cells[name].append(mean)
    names = [*comparison.detectors, *comparison.absent]
    names.sort(key=lambda name: (_down(macro.get(name, math.nan)), name))
    empty = [math.nan] * len(datasets)
    rows = tuple(
        (name, *map(_three, cells.get(name, empty)), _three(macro.get(name, math.nan)))
        for name in names
    )
    sizes = np.bincount(group, minlength=len(datasets)).tolist()
    columns = [f"{name} ({size})" for name, size in zip(datasets, sizes, strict=True)]
    note = ("In brackets, the number of series.", *_gaps([comparison]), *_oracles([metric]))
    return Table(
        f"{marked(metric)} by data set, {mode}",
        ("detector", *columns, "macro mean"),
        rows,
        numbers=tuple(range(1, len(columns) + 2)),
        note=" ".join(note),
    )


def versus(
    results: pd.DataFrame, metric: str, mode: Mode, baseline: str, how: Bootstrap = STANDARD
) -> Table:
    """Each detector against the baseline: difference, interval, corrected p, wins and losses."""
    require_controls(checked(results, (metric,)), mode)
    comparison = compare(results, metric, mode)
    duels = sorted(against(comparison, baseline, how), key=_by_difference)
    rows = tuple(
        (
            duel.detector,
            f"{duel.difference:+.3f} [{duel.low:+.3f}, {duel.high:+.3f}]",
            "< 0.001" if duel.p_holm < 0.001 else f"{duel.p_holm:.3f}",
            f"{duel.wins} / {duel.ties} / {duel.losses}",
        )
        for duel in duels
    )
    note = (
        f"Difference of macro means with its {how.level:.0%} bootstrap interval. The p value is of "
        "Wilcoxon's signed-rank test over series, with Holm's correction."
    )
    return Table(
        f"{marked(metric)} against {baseline}, {mode}",
        ("detector", "difference", "p", "wins / ties / losses"),
        rows,
        numbers=(1, 2, 3),
        note=" ".join((note, *_gaps([comparison]), *_oracles([metric]))),
    )


def marked(metric: str) -> str:
    """The metric's name, with a dagger where it is an oracle.

    >>> marked("vus_pr"), marked("best_f1")
    ('vus_pr', 'best_f1†')
    """
    return f"{metric}{DAGGER}" if metric in ORACLES else metric


def _fitted(results: pd.DataFrame, mode: Mode) -> Mapping[str, str]:
    """How each detector was fitted, all ways if there were several; failed jobs tell of none."""
    rows = results[results["mode"] == mode]
    ways = rows["fitted"].fillna("").groupby(rows["detector"]).unique()
    return {
        str(name): ", ".join(sorted(str(way) for way in found if way))
        for name, found in ways.items()
    }


def _averaged(how: Bootstrap) -> str:
    return (
        f"Mean of the data sets' means, with its {how.level:.0%} bootstrap interval over series "
        f"({how.draws} draws); a data set of one series adds nothing to the interval."
    )


def _gaps(comparisons: Sequence[Comparison]) -> list[str]:
    return [f"{comparison.gaps()}." for comparison in comparisons]


def _controls() -> str:
    return f"Controls: {', '.join(CONTROLS)}. What is no better than these has found nothing."


def _oracles(metrics: Sequence[str]) -> list[str]:
    return [_ORACLE_NOTE] if any(metric in ORACLES for metric in metrics) else []


def _by_difference(duel: Duel) -> tuple[float, str]:
    return -duel.difference, duel.detector


def _with_interval(average: Average | None) -> str:
    if average is None or math.isnan(average.macro):
        return "-"
    return f"{average.macro:.3f} [{average.low:.3f}, {average.high:.3f}]"


def _three(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _falling(average: Average | None) -> float:
    return _down(math.nan if average is None else average.macro)


def _down(value: float) -> float:
    """A sort key: the largest first, NaN last."""
    return math.inf if math.isnan(value) else -value

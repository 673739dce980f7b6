"""Which kinds of events each detector catches, and how soon."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import TypeAlias

import pandas as pd

from tocsin.evaluation.comparing.comparison import (
    Mode,
    require_columns,
    require_controls,
    require_modes,
)
from tocsin.evaluation.table import Table
from tocsin.evaluation.wording import plural
from tocsin.pipeline.errors import TocsinError

COLUMNS = ("dataset", "series", "detector", "mode", "kind", "caught", "delay_rows")

Cell: TypeAlias = tuple[str, str, str]  # dataset, series and kind of some events


@dataclass(slots=True)
class _Tally:
    """The events of one cell, under one detector."""

    events: int = 0
    caught: int = 0
    delays: list[float] = field(default_factory=list)


Tallies: TypeAlias = Mapping[str, Mapping[Cell, _Tally]]  # by detector


def by_kind(events: pd.DataFrame, mode: Mode) -> Table:
    """Detectors by kinds of events: the share caught, and the median delay of those caught.

    `events` has a row for each labelled event and detector, of every seed if there are several,
    and the columns of `COLUMNS`; `caught` is a truth value, `delay_rows` NaN where nothing was
    caught. Events count alike, whatever their data set; only series that all detectors have are
    used. Rows are sorted by the share of all events. A TocsinError where two detectors have other
    events of one series.
    """
    require_columns(events, COLUMNS)
    require_modes(events)
    require_controls(events, mode)
    rows = events.loc[events["mode"] == mode, list(COLUMNS)]
    if rows.isna()[["dataset", "series", "detector", "kind", "caught"]].to_numpy().any():
        raise TocsinError("an event has no data set, series, detector, kind or answer to `caught`")
    rows, left_out = _common(rows)
    tallies = _tallies(rows)
    sizes = _sizes(tallies)
    kinds = sorted({kind for _, _, kind in sizes})
    groups = [(kind, [cell for cell in sizes if cell[2] == kind]) for kind in kinds]
    groups.append(("all", list(sizes)))
    names = sorted(tallies, key=lambda name: (-_share(tallies[name], sizes, sizes), name))
    return Table(
        f"Events caught by kind, {mode}",
        ("detector", *(f"{kind} ({sum(sizes[cell] for cell in of)})" for kind, of in groups)),
        tuple((name, *(_shown(tallies[name], sizes, of) for _, of in groups)) for name in names),
        numbers=tuple(range(1, len(groups) + 1)),
        note="Share of events caught, and in brackets the median delay in rows of those caught. "
        "In the head, the number of events." + left_out,
    )


def _common(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows of series that all detectors have, and a sentence about the others."""
    having = rows.groupby(["dataset", "series"])["detector"].nunique()
    whole = having.index[having == rows["detector"].nunique()]
    if not len(whole):
        raise TocsinError("no series has events judged for all detectors")
    lost = len(having) - len(whole)
    told = f" {plural(lost, 'series')} left out, as a detector has nothing there." if lost else ""
    return rows[pd.MultiIndex.from_frame(rows[["dataset", "series"]]).isin(whole)], told


def _tallies(rows: pd.DataFrame) -> Tallies:
    found: defaultdict[str, defaultdict[Cell, _Tally]] = defaultdict(lambda: defaultdict(_Tally))
    columns = (rows[name].tolist() for name in COLUMNS if name != "mode")
    for dataset, series, detector, kind, caught, delay in zip(*columns, strict=True):
        tally = found[str(detector)][str(dataset), str(series), str(kind)]
        tally.events += 1
        tally.caught += bool(caught)
        if caught and not pd.isna(delay):
            tally.delays.append(float(delay))
    return found


def _sizes(tallies: Tallies) -> dict[Cell, int]:
    """How many events each cell has.

    The seeds of a detector repeat the events of a series, each as often as any other.
    """
    sizes: dict[Cell, int] = {}
    for cell in sorted({cell for cells in tallies.values() for cell in cells}):
        counts = [cells[cell].events if cell in cells else 0 for cells in tallies.values()]
        sizes[cell] = min(counts)
        if not sizes[cell] or any(count % sizes[cell] for count in counts):
            raise TocsinError(
                f"detectors do not have the same {cell[2]!r} events of {cell[0]}, {cell[1]}: "
                f"between {min(counts)} and {max(counts)} of them"
            )
    for name, cells in tallies.items():
        repeats: dict[tuple[str, str], int] = {}
        for cell, size in sizes.items():
            times = cells[cell].events // size
            if repeats.setdefault(cell[:2], times) != times:
                raise TocsinError(
                    f"{name} does not have the same events of {cell[0]}, {cell[1]} as others: its "
                    f"kinds stand there {repeats[cell[:2]]} times and {times} times"
                )
    return sizes


def _share(
    tallies: Mapping[Cell, _Tally], sizes: Mapping[Cell, int], cells: Collection[Cell]
) -> float:
    """The share caught of the events of some cells, an event counting once, whatever the seeds."""
    shares = [(sizes[cell], tallies[cell].caught / tallies[cell].events) for cell in cells]
    return sum(size * share for size, share in shares) / sum(size for size, _ in shares)


def _shown(
    tallies: Mapping[Cell, _Tally], sizes: Mapping[Cell, int], cells: Collection[Cell]
) -> str:
    share = f"{_share(tallies, sizes, cells):.2f}"
    delays = [delay for cell in cells for delay in tallies[cell].delays]
    return f"{share} ({median(delays):g})" if delays else share

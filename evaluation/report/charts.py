"""The report's plots over all series: metric against metric, quality against cost, the budget."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pandas import DataFrame, MultiIndex

from tocsin.evaluation.comparing.comparison import MODES, compare
from tocsin.evaluation.pages.curves import Json, escaped
from tocsin.evaluation.report.verdict import as_results, metrics_of
from tocsin.evaluation.report.words import metric_name, titled

MOST_DOTS = 20_000
SPEED = "rows_per_second"
# Roles of the style sheet. Not "c3", which is grey, as the controls are.
ROLES = ("c0", "c1", "c2", "c4", "c5", "c6", "c7")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "star", "hexagon")
WHO = ["detector", "mode"]

# A dot of each view stands for one such group of results; the first is shown first.
VIEWS = {
    "detector": ("a detector (macro mean)", WHO),
    "dataset": ("a data set (mean of its series)", [*WHO, "dataset"]),
    "series": ("a series", [*WHO, "dataset", "series"]),
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a detector is drawn in one mode, the same in every plot."""

    name: str
    mode: str
    role: str
    symbol: str
    dash: str

    def json(self) -> Json:
        """Plain values for the page's script."""
        return {"name": self.name, "mode": self.mode, "role": self.role, "symbol": self.symbol}


def looks(
    frames: Sequence[DataFrame], best_first: Sequence[str], controls: Collection[str]
) -> dict[tuple[str, str], Look]:
    """A look for every (detector, mode) of the frames: causal before offline, best first.

    A detector keeps its colour in both modes; offline ones are hollow and dashed. Controls are
    grey. Past seven detectors colours come again, with another symbol.
    """
    pairs = {(str(d), str(m)) for frame in frames if len(frame) for d, m in _pairs(frame)}
    order = {name: place for place, name in enumerate(best_first)}
    names = sorted({d for d, _ in pairs}, key=lambda d: (order.get(d, len(order)), d))
    place = {name: i for i, name in enumerate(n for n in names if n not in controls)}
    grey = {name: i for i, name in enumerate(n for n in names if n in controls)}
    found: dict[tuple[str, str], Look] = {}
    for mode in sorted({mode for _, mode in pairs}, key=lambda m: (m != "causal", m)):
        for name in (*place, *grey):
            if (name, mode) in pairs:
                number = grey[name] if name in grey else place[name] // len(ROLES)
                symbol = SYMBOLS[number % len(SYMBOLS)]
                found[name, mode] = Look(
                    name=escaped(titled(name, mode)),
                    mode=escaped(mode),
                    role="control" if name in grey else ROLES[place[name] % len(ROLES)],
                    symbol=symbol if mode == "causal" else f"{symbol}-open",
                    dash=_dash(mode, name in grey),
                )
    return found


def dots(scores: DataFrame, cost: DataFrame, styles: dict[tuple[str, str], Look]) -> Json:
    """What the script draws as dots: metric columns by view, and speed beside the macro means.

    A view's columns are lists of one length, NaN left to become null; `who` is the place of the
    detector in `looks`. `left_out` says how many dots a view has too many. A `name` is escaped for
    plotly, `told` is plain.
    """
    metrics = metrics_of(scores)
    places = {pair: place for place, pair in enumerate(styles)}
    frames = _grouped(scores, metrics) if metrics and len(scores) else {}
    views = {name: _columns(frame, metrics, places) for name, frame in frames.items()}
    if "detector" in views:
        views["detector"] |= _speeds(frames["detector"], cost)
    return {
        "looks": [look.json() for look in styles.values()],
        "metrics": [
            {"key": m, "name": escaped(metric_name(m)), "told": metric_name(m)} for m in metrics
        ],
        "views": [
            {"key": name, "name": VIEWS[name][0], **columns} for name, columns in views.items()
        ],
        "speed": SPEED,
    }


def budget_figure(budget: DataFrame, styles: dict[tuple[str, str], Look]) -> Json | None:
    """The share of events caught against the false incidents allowed; None without rows."""
    rows = budget.dropna(subset=["per_week", "caught_share"]) if len(budget) else budget
    if rows.empty:
        return None
    traces = [
        _budget_line(part.sort_values("per_week", kind="stable"), look)
        for (detector, mode), look in styles.items()
        if len(part := rows[(rows["detector"] == detector) & (rows["mode"] == mode)])
    ]
    logarithmic = bool((rows["per_week"] > 0).all())
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "title": {"text": "false incidents allowed, a week a series"},
                "type": "log" if logarithmic else "linear",
                "dtick": 1 if logarithmic else None,
                "automargin": True,
            },
            "yaxis": {
                "title": {"text": "labelled events caught"},
                "tickformat": ".0%",
                "range": [-0.02, 1.02],
                "automargin": True,
            },
        },
    }


def _pairs(frame: DataFrame) -> Any:
    return zip(frame["detector"], frame["mode"], strict=True)


def _dash(mode: str, control: bool) -> str:  # noqa: FBT001 (two of a kind, in reading order)
    if mode == "causal":
        return "dot" if control else "solid"
    return "dash"


def _grouped(scores: DataFrame, metrics: list[str]) -> dict[str, DataFrame]:
    """The mean of each group, the coarser ones over the means of the finer: a macro mean.

    Means are over the series that all detectors of a mode have, as in the leaderboard; a dot of
    its own has every series.
    """
    series = scores.groupby(VIEWS["series"][1], as_index=False, sort=True)[metrics].mean()
    datasets = _compared(series, metrics)
    datasets = datasets.groupby(VIEWS["dataset"][1], as_index=False, sort=True)[metrics].mean()
    detectors = datasets.groupby(WHO, as_index=False, sort=True)[metrics].mean()
    return {"detector": detectors, "dataset": datasets, "series": series}


def _compared(series: DataFrame, metrics: list[str]) -> DataFrame:
    """`series` with NaN wherever a detector of the same mode has no value of that metric."""
    rows = series.copy()
    full = as_results(series)
    where = MultiIndex.from_frame(rows[["dataset", "series"]])
    for mode in MODES:
        chosen = rows["mode"] == mode
        for metric in metrics if chosen.any() else ():
            common = where.isin(compare(full, metric, mode).series)
            rows.loc[chosen & ~common, metric] = np.nan
    return rows


def _columns(frame: DataFrame, metrics: list[str], places: dict[tuple[str, str], int]) -> Json:
    shown = frame.iloc[:MOST_DOTS]
    where = [name for name in ("dataset", "series") if name in shown]
    labels = [
        escaped(" / ".join(map(str, row)))
        for row in shown[where].itertuples(index=False, name=None)
    ]
    values: Json = {metric: shown[metric].to_numpy(float).tolist() for metric in metrics}
    return {
        "who": [places[str(detector), str(mode)] for detector, mode in _pairs(shown)],
        "label": labels,
        "left_out": len(frame) - len(shown),
        "values": values,
    }


def _speeds(frame: DataFrame, cost: DataFrame) -> Json:
    """Rows a second and the most megabytes of each row of the detectors' view, NaN if unknown."""
    if cost.empty:
        return {SPEED: [], "megabytes": []}
    total = cost.groupby(WHO).agg(seconds=("seconds", "sum"), rows=("rows", "sum"))
    total["megabytes"] = cost.groupby(WHO)["megabytes"].max()
    total = total.reindex(list(_pairs(frame)))
    seconds = total["seconds"].to_numpy(float)
    usable = np.where(seconds > 0, seconds, np.nan)
    speed = total["rows"].to_numpy(float) / usable
    return {SPEED: speed.tolist(), "megabytes": total["megabytes"].to_numpy(float).tolist()}


def _budget_line(rows: DataFrame, look: Look) -> Json:
    return {
        "type": "scatter",
        "name": look.name,
        "x": rows["per_week"].to_numpy(float).tolist(),
        "y": rows["caught_share"].to_numpy(float).tolist(),
        "customdata": rows["false_per_week"].to_numpy(float).tolist(),
        "mode": "lines+markers",
        "line": {"width": 1.5 if look.role == "control" else 2.5, "dash": look.dash},
        "marker": {"symbol": look.symbol, "size": 8},
        "meta": look.role,
        "legendgroup": look.mode,
        "legendgrouptitle": {"text": look.mode},
        "hovertemplate": "%{fullData.name}<br>%{y:.0%} caught at %{x:.3~g} a week allowed"
        "<br>%{customdata:.3~g} false a week came<extra></extra>",
    }

"""The parts that every plot of a series is put together from: curves, bars, bands and axes."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tocsin.evaluation.downsample import breaks, lone, thin, within_reach
from tocsin.evaluation.palette import GREY
from tocsin.evaluation.panel import (
    Panel,
    blamed_first,
    painted,
    standardise,
    standardised_like,
    surprise,
    training,
    warmup,
)
from tocsin.evaluation.wording import plain
from tocsin.pipeline.types import FloatArray, IntArray

CHANNELS = 8
BANDS = 2  # more of them would cover each other
MOST_SHADES = 300  # shaded spans of a kind in one plot
HEIGHT = 640  # pixels

Json = dict[str, Any]
Span = tuple[int, int]


def layout(panel: Panel, ends: Span, lane: str) -> Json:
    """Four plots over one time axis: lanes, signals, raw score, tail; `ends` in nanoseconds.

    `lane` names the lower of the two lanes, which is shown where something is known to have gone
    wrong; the upper one holds the incidents.
    """
    signal = "signal" if len(panel.channels) == 1 else "signals (standardised)"
    margin = (ends[1] - ends[0]) // 200  # so that the first and last row are seen
    plain_axis = {"zeroline": False, "automargin": True, "nticks": 5}
    lanes = [lane, "incidents"]
    return {
        "height": HEIGHT,
        "margin": {"l": 76, "r": 8, "t": 8, "b": 70},
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "dragmode": "zoom",
        "legend": {"orientation": "h", "y": -0.1, "yanchor": "top"},
        "template": None,
        "xaxis": {
            "type": "date",
            "range": [milliseconds(ends[0] - margin), milliseconds(ends[1] + margin)],
            "anchor": "y4",
            "hoverformat": "%Y-%m-%d %H:%M:%S",
        },
        "yaxis": {
            "domain": [0.92, 1.0],
            "range": [-0.5, 1.5],
            "fixedrange": True,
            "showgrid": False,
            "tickvals": [0, 1] if panel.truth else [1],
            "ticktext": lanes if panel.truth else lanes[1:],
            "zeroline": False,
            "automargin": True,
        },
        "yaxis2": {"domain": [0.54, 0.9], "title": {"text": signal}, **plain_axis},
        "yaxis3": {"domain": [0.3, 0.49], "title": {"text": "raw score"}, **plain_axis},
        "yaxis4": {
            "domain": [0.0, 0.25],
            "title": {"text": "-log10 p"},
            "rangemode": "tozero",
            **plain_axis,
        },
    }


def bars(
    spans: Sequence[Span], stories: Sequence[str], *, row: int, name: str, colour: str
) -> Json:
    """Bars in a lane, with their story on hover at both ends."""
    times = [[milliseconds(start), milliseconds(end), None] for start, end in spans]
    return {
        "type": "scatter",
        "name": name,
        "x": [time for bar in times for time in bar],
        "y": [row, row, None] * len(spans),
        "text": [story for story in stories for _ in range(3)],
        "mode": "lines+markers",
        "line": {"color": colour, "width": 13},
        "marker": {"symbol": "line-ns", "size": 7, "line": {"color": colour, "width": 3}},
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
        "yaxis": "y",
    }


def signals(panel: Panel, points: int) -> Iterable[Json]:
    """The most blamed channels, over what was expected of the first of them.

    Hovering tells the value in its own unit, drawn or not.
    """
    chosen = blamed_first(panel, CHANNELS)
    values = panel.values[:, chosen]  # (N, at most 8)
    drawn = values if len(panel.channels) == 1 else standardise(values)
    colours = painted([panel], CHANNELS, CHANNELS)
    for place, channel in enumerate(chosen):
        trace = _curve(panel.time, drawn[:, place], points, own=values[:, place])
        colour = f"c{colours[panel.channels[channel]]}"
        name = escaped(panel.channels[channel])
        # The most blamed channel is drawn over the others.
        order = {"zorder": CHANNELS - place, "showlegend": True}
        yield {**trace, "name": name, "meta": colour, "yaxis": "y2", **order}
    yield from _bands(panel, chosen, points)


def scores(panel: Panel, points: int) -> Iterable[Json]:
    """The raw score, and the tail with the alarm level and the rows in alarm."""
    level, limit = surprise(panel.tail), surprise(panel.alpha)
    score = _curve(panel.time, panel.score, points)
    yield {**score, "name": "raw score", "meta": "ink", "yaxis": "y3", "showlegend": False}
    tail = _curve(panel.time, level, points, own=panel.tail)
    yield {**tail, "name": "tail p", "meta": "ink", "yaxis": "y4", "showlegend": False}
    threshold = _curve(panel.time, limit, points, own=panel.alpha)
    dashed = {"width": 1.5, "dash": "dash"}
    yield {**threshold, "name": "alarm level", "meta": "ink", "line": dashed, "yaxis": "y4"}
    alarms = np.flatnonzero(panel.alarm & np.isfinite(level))
    if alarms.size:
        kept = alarms[thin(level[alarms], points)]
        yield {
            "type": "scatter",
            "name": "row in alarm",
            "x": milliseconds(panel.time[kept]),
            "y": level[kept],
            "mode": "markers",
            "marker": {"size": 4},
            "meta": "ink",
            "hoverinfo": "skip",
            "yaxis": "y4",
        }


def shade(span: Span, colour: str, opacity: float, edge: int = 0) -> Json:
    """A band of time over all plots but the lanes; `edge` is the width of its border in pixels."""
    return {
        "type": "rect",
        "yref": "paper",
        "x0": milliseconds(span[0]),
        "x1": milliseconds(span[1]),
        "y0": 0,
        "y1": 0.9,
        "layer": "below",
        "fillcolor": colour,
        "opacity": opacity,
        "line": {"width": edge, "color": colour},
    }


def cold(panel: Panel) -> list[Json]:
    """Grey over the rows that were trained on, and over the warm-up."""
    return [shade(ends, GREY, 0.2) for ends in (training(panel), warmup(panel)) if ends is not None]


def milliseconds(nanoseconds: Any) -> Any:
    """Plotly's unit of time: milliseconds since 1970, of a number or of an array (N,).

    Plotly takes whole numbers of four digits for years, so a microsecond is added to these, which
    stand for row numbers where data have no times.
    """
    found = nanoseconds / 1_000_000
    return found + (abs(found) < 10_000) / 1024


def escaped(text: str) -> str:
    """A name for plotly, which reads a part of HTML in names."""
    return html.escape(plain(text), quote=False)


def _bands(panel: Panel, chosen: Sequence[int], points: int) -> Iterable[Json]:
    """What was expected of the first channels of which it is known, and the band around it."""
    if panel.expected is None:
        return
    middle, (low, high) = panel.expected.middle, panel.expected.band()  # (N, C)
    known = [place for place, c in enumerate(chosen) if not np.isnan(middle[:, c]).all()]
    colours = painted([panel], CHANNELS, CHANNELS)
    for place in known[:BANDS]:
        one = chosen[place : place + 1]
        edges = [low[:, one], middle[:, one], high[:, one]]
        if len(panel.channels) > 1:
            edges = [standardised_like(edge, panel.values[:, one]) for edge in edges]
        lower, told, upper = (within_reach(edge[:, 0]) for edge in edges)
        name = f"{escaped(panel.channels[one[0]])}, expected"
        colour = f"c{colours[panel.channels[one[0]]]}"
        common = {"meta": colour, "yaxis": "y2", "legendgroup": name, "zorder": 0}
        yield {
            **_outline(panel.time, lower, upper, points),
            **common,
            "name": f"{name} band",
            "hoverinfo": "skip",
            "showlegend": False,
        }
        dotted = {"width": 1, "dash": "dot"}
        trace = _curve(panel.time, told, points, own=middle[:, one[0]])
        yield {**trace, **common, "name": name, "line": dotted, "showlegend": True}


def _outline(time: IntArray, lower: FloatArray, upper: FloatArray, points: int) -> Json:
    """The area between two edges (N,), as one closed line for each stretch without a gap."""
    kept = np.union1d(thin(lower, points), thin(upper, points))
    cuts = breaks(time, kept)
    there = np.insert(~np.isnan(lower[kept]) & ~np.isnan(upper[kept]), cuts, values=False)
    kept = np.insert(kept, cuts, kept[cuts - 1])
    turns = np.flatnonzero(np.diff(np.concatenate(([False], there, [False]))))
    x: list[float | None] = []
    y: list[float | None] = []
    for first, stop in turns.reshape(-1, 2).tolist():
        rows = kept[first:stop]
        when = milliseconds(time[rows]).tolist()
        x += [*when, *when[::-1], None]
        y += [*lower[rows].tolist(), *upper[rows[::-1]].tolist(), None]
    return {"type": "scatter", "x": x, "y": y, "mode": "none", "fill": "toself"}


def _curve(time: IntArray, drawn: FloatArray, points: int, own: FloatArray | None = None) -> Json:
    """A line; `own` are the values to tell on hover, where they are not the drawn ones."""
    reached = within_reach(drawn)
    kept = thin(reached, points)
    cuts = breaks(time, kept)
    values = np.insert(reached[kept], cuts, np.nan)
    kept = np.insert(kept, cuts, kept[cuts - 1])
    trace: Json = {
        "type": "scatter",
        "x": milliseconds(time[kept]),
        "y": values,
        "customdata": (drawn if own is None else own)[kept],
        "mode": "lines",
        "line": {"width": 1},
        "hovertemplate": "%{customdata:.4~g}",
    }
    alone = lone(values)
    if alone.any():
        trace |= {"mode": "lines+markers", "marker": {"size": np.where(alone, 4.0, 0.0)}}
    return trace

"""The plotly figure of one series: incidents and faults, signals, raw score and tail."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tocsin.evaluation.downsample import lone, thin, within_reach
from tocsin.evaluation.palette import GREY, LEVEL_COLOURS
from tocsin.evaluation.panel import (
    Panel,
    blamed_first,
    extent,
    mildest_first,
    standardise,
    subject,
    surprise,
    warmup,
)
from tocsin.evaluation.wording import duration, moment, number, plain
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.types import FloatArray, IntArray

CHANNELS = 8
MOST_SHADES = 300  # shaded spans of incidents in one plot, the worst
HEIGHT = 640  # pixels

Json = dict[str, Any]


def figure(panel: Panel, ends: tuple[int, int], points: int) -> Json:
    """A plotly figure as plain JSON values, with at most `points` points a curve.

    `ends` is the time span of the page in nanoseconds, the same for all its figures. Traces name
    their colour's role in `meta`, for the page to fill in: "c0" to "c7" and "ink". All names are
    escaped, because plotly reads a part of HTML in them.
    """
    traces = [*_lanes(panel, ends[1]), *_signals(panel, points), *_scores(panel, points)]
    drawing = go.Figure(data=traces, layout=_layout(panel, ends))
    result: Json = drawing.to_plotly_json()
    return result


def _layout(panel: Panel, ends: tuple[int, int]) -> Json:
    signals = "signal" if len(panel.channels) == 1 else "signals (standardised)"
    margin = (ends[1] - ends[0]) // 200  # so that the first and last row are seen
    plain_axis = {"zeroline": False, "automargin": True, "nticks": 5}
    rows = ["faults", "incidents"]
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
            "range": [_milliseconds(ends[0] - margin), _milliseconds(ends[1] + margin)],
            "anchor": "y4",
            "hoverformat": "%Y-%m-%d %H:%M:%S",
        },
        "yaxis": {
            "domain": [0.92, 1.0],
            "range": [-0.5, 1.5],
            "fixedrange": True,
            "tickvals": [0, 1] if panel.truth else [1],
            "ticktext": rows if panel.truth else rows[1:],
            "zeroline": False,
            "automargin": True,
        },
        "yaxis2": {"domain": [0.54, 0.9], "title": {"text": signals}, **plain_axis},
        "yaxis3": {"domain": [0.3, 0.49], "title": {"text": "raw score"}, **plain_axis},
        "yaxis4": {
            "domain": [0.0, 0.25],
            "title": {"text": "-log10 p"},
            "rangemode": "tozero",
            **plain_axis,
        },
        "shapes": [*_cold(panel), *_shades(panel, ends[1]), *_edges(panel)],
    }


def _lanes(panel: Panel, last: int) -> list[Json]:
    """Bars of incidents by level and of faults, with their story on hover at both ends."""
    incidents = mildest_first(panel)
    bars = [
        _bars(
            [extent(incident, last) for incident in chosen],
            [_story(incident) for incident in chosen],
            row=1,
            name=level,
            colour=colour,
        )
        for level, colour in LEVEL_COLOURS.items()
        if (chosen := [incident for incident in incidents if incident.level == level])
    ]
    if panel.truth:
        faults = [(interval.start, interval.end) for interval in panel.truth]
        labels = [f"known fault: {_safe(interval.label)}" for interval in panel.truth]
        bars.append(_bars(faults, labels, row=0, name="known fault", colour=GREY))
    return bars


def _bars(
    ends: Sequence[tuple[int, int]], stories: Sequence[str], *, row: int, name: str, colour: str
) -> Json:
    times = [[_milliseconds(start), _milliseconds(end), None] for start, end in ends]
    return {
        "type": "scatter",
        "name": name,
        "x": [time for bar in times for time in bar],
        "y": [row, row, None] * len(ends),
        "text": [story for story in stories for _ in range(3)],
        "mode": "lines+markers",
        "line": {"color": colour, "width": 13},
        "marker": {"symbol": "line-ns", "size": 7, "line": {"color": colour, "width": 3}},
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
        "yaxis": "y",
    }


def _story(incident: Incident) -> str:
    severity = "" if np.isnan(incident.severity) else f" {number(incident.severity)}"
    lasted = "still open"
    if incident.ended_at is not None:
        lasted = f"for {duration(incident.ended_at - incident.started_at)}"
    head = f"{incident.level}{severity}: {_safe(subject(incident))}, {lasted}"
    return f"{head}<br>opened {moment(incident.opened_at)}<br>{_safe(incident.reason)}"


def _signals(panel: Panel, points: int) -> Iterable[Json]:
    """The most blamed channels; hovering tells the value in its own unit, drawn or not."""
    chosen = blamed_first(panel, CHANNELS)
    values = panel.values[:, chosen]  # (N, at most 8)
    drawn = values if len(panel.channels) == 1 else standardise(values)
    for place, channel in enumerate(chosen):
        trace = _curve(panel.time, drawn[:, place], points, own=values[:, place])
        name = _safe(panel.channels[channel])
        # The most blamed channel is drawn over the others.
        order = {"zorder": CHANNELS - place, "showlegend": True}
        yield {**trace, "name": name, "meta": f"c{place}", "yaxis": "y2", **order}


def _scores(panel: Panel, points: int) -> Iterable[Json]:
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
        alarms = alarms[thin(level[alarms], points)]
        yield {
            "type": "scatter",
            "name": "row in alarm",
            "x": _milliseconds(panel.time[alarms]),
            "y": level[alarms],
            "mode": "markers",
            "marker": {"size": 4},
            "meta": "ink",
            "hoverinfo": "skip",
            "yaxis": "y4",
        }


def _curve(time: IntArray, drawn: FloatArray, points: int, own: FloatArray | None = None) -> Json:
    """A line; `own` are the values to tell on hover, where they are not the drawn ones."""
    reached = within_reach(drawn)
    kept = thin(reached, points)
    values = reached[kept]
    trace: Json = {
        "type": "scatter",
        "x": _milliseconds(time[kept]),
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


def _shades(panel: Panel, last: int) -> list[Json]:
    return [
        {
            "type": "rect",
            "yref": "paper",
            "x0": _milliseconds(start),
            "x1": _milliseconds(end),
            "y0": 0,
            "y1": 0.9,
            "layer": "below",
            "fillcolor": LEVEL_COLOURS[incident.level],
            "opacity": 0.3,
            "line": {"width": 1, "color": LEVEL_COLOURS[incident.level]},
        }
        for incident in mildest_first(panel)[-MOST_SHADES:]
        for start, end in [extent(incident, last)]
    ]


def _cold(panel: Panel) -> list[Json]:
    """Grey over the warm-up."""
    ends = warmup(panel)
    if ends is None:
        return []
    start, end = map(_milliseconds, ends)
    place = {"yref": "paper", "x0": start, "x1": end, "y0": 0, "y1": 0.9, "layer": "below"}
    return [{"type": "rect", "fillcolor": GREY, "opacity": 0.2, "line": {"width": 0}, **place}]


def _edges(panel: Panel) -> list[Json]:
    return [
        {
            "type": "line",
            "yref": "paper",
            "x0": _milliseconds(end),
            "x1": _milliseconds(end),
            "y0": 0,
            "y1": 0.9,
            "layer": "below",
            "line": {"width": 1, "dash": "dot", "color": GREY},
        }
        for interval in panel.truth[:MOST_SHADES]
        for end in (interval.start, interval.end)
    ]


def _milliseconds(nanoseconds: Any) -> Any:
    """Plotly's unit of time: milliseconds since 1970, of a number or of an array (N,)."""
    return nanoseconds / 1_000_000


def _safe(text: str) -> str:
    return html.escape(plain(text), quote=False)

"""The plotly figure of one series: incidents and faults, signals, raw score and tail."""

import numpy as np
import plotly.graph_objects as go

from tocsin.evaluation.pages.curves import (
    MOST_SHADES,
    Json,
    bars,
    cold,
    escaped,
    layout,
    milliseconds,
    scores,
    shade,
    signals,
)
from tocsin.evaluation.palette import GREY, LEVEL_COLOURS
from tocsin.evaluation.panel import Panel, extent, mildest_first, subject
from tocsin.evaluation.wording import duration, moment, number
from tocsin.pipeline.incidents import Incident


def figure(panel: Panel, ends: tuple[int, int], points: int) -> Json:
    """A plotly figure as plain JSON values, with at most `points` points a curve.

    `ends` is the time span of the page in nanoseconds, the same for all its figures. Traces name
    their colour's role in `meta`, for the page to fill in: "c0" to "c7" and "ink". All names are
    escaped, because plotly reads a part of HTML in them.
    """
    traces = [*_lanes(panel, ends[1]), *signals(panel, points), *scores(panel, points)]
    shapes = [*cold(panel), *_shades(panel, ends[1]), *_edges(panel)]
    drawing = go.Figure(data=traces, layout={**layout(panel, ends, "faults"), "shapes": shapes})
    result: Json = drawing.to_plotly_json()
    return result


def story(incident: Incident) -> str:
    """What is told of an incident on hover, escaped, with line breaks for plotly."""
    severity = "" if np.isnan(incident.severity) else f" {number(incident.severity)}"
    lasted = "still open"
    if incident.ended_at is not None:
        lasted = f"for {duration(incident.ended_at - incident.started_at)}"
    head = f"{incident.level}{severity}: {escaped(subject(incident))}, {lasted}"
    return f"{head}<br>opened {moment(incident.opened_at)}<br>{escaped(incident.reason)}"


def _lanes(panel: Panel, last: int) -> list[Json]:
    """Bars of incidents by level and of faults, with their story on hover at both ends."""
    incidents = mildest_first(panel)
    drawn = [
        bars(
            [extent(incident, last) for incident in chosen],
            [story(incident) for incident in chosen],
            row=1,
            name=level,
            colour=colour,
        )
        for level, colour in LEVEL_COLOURS.items()
        if (chosen := [incident for incident in incidents if incident.level == level])
    ]
    if panel.truth:
        faults = [(interval.start, interval.end) for interval in panel.truth]
        labels = [f"known fault: {escaped(interval.label)}" for interval in panel.truth]
        drawn.append(bars(faults, labels, row=0, name="known fault", colour=GREY))
    return drawn


def _shades(panel: Panel, last: int) -> list[Json]:
    return [
        shade(extent(incident, last), LEVEL_COLOURS[incident.level], 0.3, edge=1)
        for incident in mildest_first(panel)[-MOST_SHADES:]
    ]


def _edges(panel: Panel) -> list[Json]:
    return [
        {
            "type": "line",
            "yref": "paper",
            "x0": milliseconds(end),
            "x1": milliseconds(end),
            "y0": 0,
            "y1": 0.9,
            "layer": "below",
            "line": {"width": 1, "dash": "dot", "color": GREY},
        }
        for interval in panel.truth[:MOST_SHADES]
        for end in (interval.start, interval.end)
    ]

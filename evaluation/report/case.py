"""One series as one detector judged it: what was hit, missed and false, and the plot of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tocsin.evaluation.matching import Planted, anomalies, match
from tocsin.evaluation.pages.curves import (
    MOST_SHADES,
    Json,
    Span,
    bars,
    cold,
    escaped,
    layout,
    milliseconds,
    scores,
    shade,
    signals,
)
from tocsin.evaluation.pages.figure import story
from tocsin.evaluation.palette import BLUE, GREY, PURPLE, VERMILLION
from tocsin.evaluation.panel import Interval, Panel, extent, span
from tocsin.pipeline.incidents import Incident

COLOURS = {"hit": BLUE, "missed": VERMILLION, "false": PURPLE, "health": GREY}
# A sign beside each colour, as a letter and as plotly names it, so that nothing hangs on colour.
SIGNS = {
    "hit": ("●", "circle"),
    "missed": ("✗", "x"),
    "false": ("▲", "triangle-up"),
    "health": ("■", "square"),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One series judged by one detector, for a section of its own.

    `mode` is "causal" or "offline"; `panel.truth` are the labelled events, `metrics` the numbers
    of this series by the metric's name, NaN where there is none.
    """

    dataset: str
    series: str
    detector: str
    mode: str
    panel: Panel
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A panel's labelled events and incidents, by what became of them.

    `health` are the incidents that no detector raised, as stuck and stale; they do not count.
    """

    hit: tuple[Interval, ...]
    missed: tuple[Interval, ...]
    right: tuple[Incident, ...]
    false: tuple[Incident, ...]
    health: tuple[Incident, ...]


def judgement(panel: Panel) -> Judgement:
    """An event is hit if an anomaly overlaps it; an anomaly over no event is false."""
    truth = [Planted(panel.series, i.label, i.start, i.end) for i in panel.truth]
    raised = anomalies(panel.incidents)
    found = match(truth, raised, 0)
    told = list(zip(panel.truth, found.outcomes, strict=True))
    false = {incident.id for incident in found.false_alarms}
    last = {i.id: i for i in sorted(panel.incidents, key=lambda i: i.revision)}
    counted = {incident.id for incident in raised}
    return Judgement(
        hit=tuple(interval for interval, outcome in told if outcome.found),
        missed=tuple(interval for interval, outcome in told if not outcome.found),
        right=tuple(one for one in last.values() if one.id in counted - false),
        false=found.false_alarms,
        health=tuple(one for one in last.values() if one.id not in counted),
    )


def case_figure(panel: Panel, points: int) -> Json:
    """A plotly figure of a judged series, with at most `points` points a curve, as arrays.

    Labelled events and false incidents are bands and bars; bars carry a sign as well as a colour.
    Traces name their colour's role in `meta`, for the page to fill in.
    """
    ends, found = span([panel]), judgement(panel)
    lanes = _lanes(found, ends[1])
    traces = [*lanes, *signals(panel, points), *scores(panel, points)]
    shapes = [*cold(panel), *_bands(found, ends[1])]
    return {"data": traces, "layout": {**layout(panel, ends, "labels"), "shapes": shapes}}


def _lanes(found: Judgement, last: int) -> list[Json]:
    """A lane of labelled events under one of incidents."""
    groups = (
        (0, "hit", *_labels(found.hit, "hit")),
        (0, "missed", *_labels(found.missed, "missed")),
        (1, "hit", *_stories(found.right, last, "on a labelled event")),
        (1, "false", *_stories(found.false, last, "false, on no labelled event")),
        (1, "health", *_stories(found.health, last, "of health, not counted")),
    )
    drawn = []
    for row, name, spans, stories in groups:
        if spans:
            drawn += [bars(spans, stories, row=row, name=name, colour=COLOURS[name])]
            drawn += [_signs(spans, row, name)]
    return drawn


def _labels(events: Sequence[Interval], outcome: str) -> tuple[list[Span], list[str]]:
    spans = [(event.start, event.end) for event in events]
    return spans, [f"labelled event, {outcome}: {escaped(event.label)}" for event in events]


def _stories(
    incidents: Sequence[Incident], last: int, outcome: str
) -> tuple[list[Span], list[str]]:
    spans = [extent(incident, last) for incident in incidents]
    return spans, [f"incident {outcome}<br>{story(incident)}" for incident in incidents]


def _signs(spans: Sequence[Span], row: int, name: str) -> Json:
    return {
        "type": "scatter",
        "x": [milliseconds((start + end) // 2) for start, end in spans],
        "y": [row] * len(spans),
        "mode": "markers",
        "marker": {
            "symbol": SIGNS[name][1],
            "color": COLOURS[name],
            "size": 10,
            "line": {"width": 1, "color": "#ffffff"},
        },
        "hoverinfo": "skip",
        "showlegend": False,
        "yaxis": "y",
    }


def _bands(found: Judgement, last: int) -> list[Json]:
    groups = (
        ("hit", 0.18, [(event.start, event.end) for event in found.hit]),
        ("missed", 0.22, [(event.start, event.end) for event in found.missed]),
        ("false", 0.25, [extent(incident, last) for incident in found.false]),
    )
    return [
        shade(span, COLOURS[name], opacity, edge=1)
        for name, opacity, spans in groups
        for span in spans[:MOST_SHADES]
    ]

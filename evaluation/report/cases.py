"""The judged series of a report: a list to choose from, and the figures drawn on demand."""

from collections.abc import Sequence

from tocsin.evaluation.pages.curves import CHANNELS, Json
from tocsin.evaluation.pages.table import Marks, table_card
from tocsin.evaluation.report.case import COLOURS, SIGNS, Judged, case_figure, judgement
from tocsin.evaluation.report.pool import pooled
from tocsin.evaluation.report.words import metric_name, titled
from tocsin.evaluation.table import Table
from tocsin.evaluation.wording import number, plain, plural

MOST_CASES = 400
ALL_POINTS = 1_000_000  # in all figures, about 30 bytes each
FEWEST_POINTS, MOST_POINTS = 400, 4000  # a curve
MOST_METRICS = 6  # columns of the list

_KEY = {
    "hit": "event hit",
    "missed": "event missed",
    "false": "false incident",
    "health": "health incident, not counted",
}


def cases_section(judged: Sequence[Judged]) -> str:
    """The choosers, the plot to fill, and the list; "" without judged series."""
    if not judged:
        return ""
    shown = judged[:MOST_CASES]
    left_out = len(judged) - len(shown)
    more = (
        f" The first {len(shown)} of {len(judged)} are here; {left_out} more are left out."
        if left_out
        else ""
    )
    key = "".join(
        f'<span class="outcome" style="--level: {COLOURS[name]}" data-sign="{SIGNS[name][0]}">'
        f"{told}</span>"
        for name, told in _KEY.items()
    )
    choosers = "".join(
        f'<label>{name} <select id="case-{level}"></select></label>'
        for level, name in (("dataset", "data set"), ("series", "series"), ("detector", "detector"))
    )
    listed = table_card(_listed(shown), Marks(sortable=True))
    return (
        '<section id="cases"><h2>Series by series</h2>'
        "<p>What one detector made of one series. -log10 p is how unusual a row is: 3 means one "
        "in a thousand; the dashed line is the level for an alarm. Grey is the warm-up. Drag to "
        f"zoom, double-click to reset. Times are in UTC. Long curves keep their highest and lowest "
        f"points.{more}</p>"
        f'<div class="controls">{choosers}<button id="case-before" type="button">Previous</button>'
        '<button id="case-after" type="button">Next</button></div>'
        f'<article class="card"><p id="case-told"></p><div class="controls">{key}</div>'
        '<div class="plot" id="case"></div></article>'
        f'<div class="cases stack">{listed}</div></section>'
    )


def cases_json(judged: Sequence[Judged]) -> Json:
    """The figures of the judged series, equal arrays kept once, and what to choose them by.

    The names in `index` are plain text, those within the figures are escaped for plotly.
    """
    shown = judged[:MOST_CASES]
    points = _points(shown)
    packed = pooled([case_figure(case.panel, points) for case in shown])
    return {"index": [_entry(case) for case in shown], **packed}


def _points(shown: Sequence[Judged]) -> int:
    """Points a curve, so that all of them stay within the bound; signals are kept once a series."""
    signals = {(c.dataset, c.series): min(len(c.panel.channels), CHANNELS) for c in shown}
    curves = sum(signals.values()) + 3 * len(shown)
    return max(FEWEST_POINTS, min(MOST_POINTS, ALL_POINTS // max(curves, 1)))


def _entry(case: Judged) -> dict[str, str]:
    found = judgement(case.panel)
    events = len(found.hit) + len(found.missed)
    told = [
        f"{plural(len(case.panel.time), 'row')}.",
        f"{len(found.hit)} of {plural(events, 'labelled event')} hit,",
        f"{plural(len(found.false), 'false incident')}.",
        *(
            [f"{plural(len(found.health), 'health incident')}, not counted."]
            if found.health
            else []
        ),
        *(f"{metric_name(name)} {number(value)}." for name, value in case.metrics.items()),
    ]
    return {
        "dataset": plain(case.dataset),
        "series": plain(case.series),
        "detector": titled(case.detector, case.mode),
        "told": " ".join(told),
    }


def _listed(shown: Sequence[Judged]) -> Table:
    """A row a judged series, in the order of the figures."""
    metrics = list(dict.fromkeys(name for case in shown for name in case.metrics))[:MOST_METRICS]
    head = ("data set", "series", "detector", "events", "hit", "missed", "false")
    rows = tuple(_line(case, metrics) for case in shown)
    return Table(
        f"All {plural(len(shown), 'judged series')}",
        (*head, *map(metric_name, metrics)),
        rows,
        numbers=tuple(range(3, len(head) + len(metrics))),
        note="Click a row to draw it.",
    )


def _line(case: Judged, metrics: Sequence[str]) -> tuple[str, ...]:
    found = judgement(case.panel)
    counts = (len(found.hit) + len(found.missed), *map(len, (found.hit, found.missed, found.false)))
    return (
        case.dataset,
        case.series,
        titled(case.detector, case.mode),
        *map(str, counts),
        *(number(case.metrics.get(name, float("nan"))) for name in metrics),
    )

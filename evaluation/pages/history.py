"""One HTML file of what happened, to open anywhere without a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tocsin.evaluation.pages.causes import causes
from tocsin.evaluation.pages.curves import CHANNELS
from tocsin.evaluation.pages.figure import figure
from tocsin.evaluation.pages.frame import NO_SCRIPT, THEME_BUTTON, document, embedded, safe
from tocsin.evaluation.pages.script import SCRIPT
from tocsin.evaluation.pages.style import STYLE
from tocsin.evaluation.pages.table import table_card
from tocsin.evaluation.palette import GREY, LEVEL_COLOURS
from tocsin.evaluation.panel import Panel, extent, most_interesting, span
from tocsin.evaluation.saving import save
from tocsin.evaluation.table import Table
from tocsin.evaluation.wording import duration, moment, number, plural
from tocsin.pipeline.incidents import Incident

MOST_SERIES = 60
MOST_INCIDENTS = 1000
ALL_POINTS = 1_000_000  # on the whole page, about 30 bytes each
FEWEST_POINTS, MOST_POINTS = 400, 4000  # a curve


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands at the top of a page: a sentence or two, and tables."""

    text: str = ""
    tables: tuple[Table, ...] = ()


def render(panels: Sequence[Panel], path: Path, title: str, summary: Summary) -> None:
    """Write one HTML file with the summary, all incidents, and a plot of each series.

    It holds all it needs, plotly's script among it (about 5 MB), follows the reader's light or
    dark scheme, and shares one zoom. Long curves are thinned by smallest and largest, so spikes
    stay; at most 60 series are drawn, the worst incidents first, and 1000 incidents listed, the
    latest. Names and reasons come from outside and are escaped. Writes over `path`; a SinkError
    where that is not possible.
    """
    shown = most_interesting(panels, MOST_SERIES)
    save(path, _document(panels, shown, title, summary).encode())


def _document(panels: Sequence[Panel], shown: Sequence[Panel], title: str, summary: Summary) -> str:
    body = "\n".join(
        (
            _header(panels, title, summary),
            '<section><h2 id="incidents">Incidents</h2>',
            _incidents(panels, shown),
            "</section>",
            "<section><h2>Series</h2>",
            _series(panels, shown),
            "</section>",
        )
    )
    data = {"figures": _figures(shown)}
    return document(title, body, data, style=STYLE, script=SCRIPT)


def _header(panels: Sequence[Panel], title: str, summary: Summary) -> str:
    first, last = span(panels)
    incidents = sum(len(panel.incidents) for panel in panels)
    told = f"{plural(len(panels), 'series')}, {plural(incidents, 'incident')}."
    if panels:
        told += f" {moment(first)} to {moment(last)} UTC, {duration(last - first)}."
    tables = "".join(table_card(table) for table in summary.tables)
    return (
        f"<header><div><h1>{safe(title)}</h1><p>{told}</p>"
        f"<p>{safe(summary.text, 2000)}</p></div>"
        f"{THEME_BUTTON}</header>\n{NO_SCRIPT}\n"
        f'<div class="tables">{tables}</div>'
    )


def _incidents(panels: Sequence[Panel], shown: Sequence[Panel]) -> str:
    """The latest incidents; those of a series that is drawn link to it and zoom to their time."""
    last = span(panels)[1]
    places = {panel.series: place for place, panel in enumerate(shown)}
    found = [incident for panel in panels for incident in panel.incidents]
    found.sort(key=lambda incident: (incident.opened_at, incident.id), reverse=True)
    if not found:
        return "<p>None.</p>"
    head = "".join(
        f"<th{mark}>{name}</th>"
        for name, mark in (
            ("opened (UTC)", ""), ("ended (UTC)", ""), ("series", ""), ("kind", ""), ("level", ""),
            ("severity", ' class="number"'), ("channels", ""), ("reason", ""),
        )
    )  # fmt: skip
    rows = "\n".join(
        _incident(incident, places.get(incident.series), last)
        for incident in found[:MOST_INCIDENTS]
    )
    hidden = len(found) - MOST_INCIDENTS
    note = f"<p>+{hidden} earlier ones not listed.</p>" if hidden > 0 else ""
    return (
        "<p>Latest first. A link shows the incident in its plot.</p>"
        f'<div class="card tall"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def _incident(incident: Incident, place: int | None, last: int) -> str:
    opened = moment(incident.opened_at)
    if place is not None:
        start, end = (edge / 1e6 for edge in extent(incident, last))
        opened = f'<a href="#series-{place}" data-from="{start}" data-to="{end}">{opened}</a>'
    ended = "open" if incident.ended_at is None else moment(incident.ended_at)
    channels = ", ".join(f"{name} {share:.0%}" for name, share in incident.channels)
    cells = (
        ("time", opened),
        ("time", ended),
        ("wrap", safe(incident.series)),
        ("time", incident.kind.replace("_", " ")),
        ("time", _chip(incident.level, LEVEL_COLOURS[incident.level])),
        ("number", number(incident.severity)),
        ("wrap", safe(channels)),
        ("reason", safe(incident.reason, 1000)),
    )
    return "<tr>" + "".join(f'<td class="{mark}">{cell}</td>' for mark, cell in cells) + "</tr>"


def _series(panels: Sequence[Panel], shown: Sequence[Panel]) -> str:
    if not shown:
        return "<p>None.</p>"
    hidden = len(panels) - len(shown)
    more = f" The {len(shown)} with most to show are drawn, +{hidden} more." if hidden else ""
    last = span(panels)[1]
    blocks = "\n".join(_block(panel, place, last) for place, panel in enumerate(shown))
    return (
        f"<p>Drag to zoom, double-click to reset; all plots follow. -log10 p is how unusual a row "
        f"is: 3 means one in a thousand. Times are in UTC.{more}</p>"
        '<div class="controls"><button id="reset" type="button">Show all of the time</button>'
        f"{_key()}</div>\n{blocks}"
    )


def _key() -> str:
    levels = [_chip(level, colour) for level, colour in LEVEL_COLOURS.items()]
    return "".join((*levels, _chip("known fault", GREY)))


def _chip(name: str, colour: str) -> str:
    return f'<span class="level" style="--level: {colour}">{name}</span>'


def _block(panel: Panel, place: int, last: int) -> str:
    told = f"{plural(len(panel.time), 'row')}, {plural(len(panel.incidents), 'incident')}"
    hidden = len(panel.channels) - CHANNELS
    more = f"; the {CHANNELS} most blamed channels, +{hidden} more" if hidden > 0 else ""
    return (
        f'<article class="card series" id="series-{place}"><h3>{safe(panel.series)}</h3>'
        f'<p>{told}{more}. <a href="#incidents">All incidents</a></p><div class="plot"></div>'
        f"{causes(panel, place, last)}</article>"
    )


def _figures(shown: Sequence[Panel]) -> str:
    """The figures as JSON that cannot end the element it stands in."""
    curves = sum(min(len(panel.channels), CHANNELS) + 3 for panel in shown)
    points = max(FEWEST_POINTS, min(MOST_POINTS, ALL_POINTS // max(curves, 1)))
    ends = span(shown)
    return embedded([figure(panel, ends, points) for panel in shown])

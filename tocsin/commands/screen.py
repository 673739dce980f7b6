"""What people see in a terminal: incidents as tables and lines, progress, JSON for programs."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tocsin.evaluation import table as plain_table
from tocsin.evaluation.wording import duration, moment, number, plain, plural
from tocsin.history.judging import Progress as Counted
from tocsin.pipeline.incidents import Incident, Level

_COLOURS: dict[Level, str] = {
    "info": "blue",
    "warning": "yellow",
    "error": "dark_orange",
    "critical": "bold red",
}
_SIGNS = {"open": "▲", "revised": "△", "resolved": "▽"}
_MOST = 200
_FILE_WIDTH = 140  # characters of a line where there is no terminal


def stdout() -> Console:
    """The console results go to; nothing is taken for markup."""
    width = None if sys.stdout.isatty() else _FILE_WIDTH
    return Console(markup=False, highlight=False, width=width)


def stderr() -> Console:
    """The console of remarks, warnings and progress."""
    return Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


def one_a_line(heads: Sequence[str], rows: Sequence[Sequence[str]], cut: int) -> Table:
    """A table with a line for each row; where room is short, the last `cut` columns are cut."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, head in enumerate(heads):
        widest = max(len(head), *(len(row[place]) for row in rows)) if rows else len(head)
        fixed = widest if place < len(heads) - cut else 10
        table.add_column(head, no_wrap=True, overflow="ellipsis", min_width=fixed)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
    sys.stdout.write(text.decode() + "\n")
    sys.stdout.flush()


def incident_line(incident: Incident) -> Text:
    """An incident revision on one line, for a stream of them."""
    at = incident.ended_at if incident.ended_at is not None else incident.opened_at
    again = incident.state == "open" and incident.revision > 1
    state = "reopened" if again else incident.state
    line = Text(f"{moment(at)}  {_SIGNS[incident.state]} {state:<8} ")
    line.append(f"{incident.level:<8} ", style=_COLOURS[incident.level])
    line.append(f"{plain(incident.series, 30)}: {incident.kind.replace('_', ' ')}", style="bold")
    if incident.channels and incident.kind == "anomaly":
        line.append(f" in {plain(incident.channels[0][0], 30)}")
    if incident.state == "resolved" and incident.ended_at is not None:
        line.append(f", lasted {duration(incident.ended_at - incident.started_at)}")
    elif incident.kind == "anomaly":
        line.append(f", severity {number(incident.severity)}")
    if incident.asks:
        line.append(f"; {incident.asks}")
    return line


def incidents_table(incidents: Sequence[Incident]) -> Table:
    """The last revisions of incidents, oldest first."""
    several = len({incident.series for incident in incidents}) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    heads = ["started (UTC)", "lasted", *(["series"] if several else []), "kind", "level"]
    for head in (*heads, "severity", "what"):
        table.add_column(head, no_wrap=head != "what", overflow="fold")
    for incident in sorted(incidents, key=lambda i: (i.started_at, i.id))[:_MOST]:
        ended = incident.ended_at
        cells = [
            Text(moment(incident.started_at)),
            Text("still open" if ended is None else duration(ended - incident.started_at)),
            *([Text(plain(incident.series, 30))] if several else []),
            Text(incident.kind.replace("_", " ")),
            Text(incident.level, style=_COLOURS[incident.level]),
            Text(number(incident.severity) if incident.kind == "anomaly" else "-"),
            Text(_what(incident)),
        ]
        table.add_row(*cells)
    return table


def _what(incident: Incident) -> str:
    """Rows and blamed channels of an anomaly, the reason of anything else."""
    if incident.kind != "anomaly":
        return plain(incident.reason)
    rows = plural(incident.rows, "row")
    if len(incident.channels) < 2:
        return rows
    return f"{rows}, " + ", ".join(f"{plain(n, 20)} {s:.0%}" for n, s in incident.channels[:2])


def tell_table(console: Console, table: plain_table.Table) -> None:
    """A small table, its title in bold."""
    title, *lines = table.lines()
    console.print(Text(title, style="bold"))
    for line in lines:
        console.print(Text(line))


@contextmanager
def counted(total: int, what: str) -> Iterator[Counted]:
    """A progress bar on standard error, where that is a terminal."""
    console = stderr()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True,
        disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)

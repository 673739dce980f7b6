"""`tocsin label`: what people say of incidents, kept, put to use and handed on."""

import csv
import getpass
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from tocsin.commands.screen import print_json, stdout
from tocsin.commands.states import opened
from tocsin.config import Config, load
from tocsin.connectors.times import parse_times
from tocsin.evaluation.asking import next_to_ask
from tocsin.evaluation.wording import moment, plain, plural
from tocsin.pipeline.errors import ConfigError, SinkError, SourceError, StateError
from tocsin.pipeline.feedback import apply
from tocsin.pipeline.incidents import Incident, iso
from tocsin.pipeline.labels import FAULTS, Label, label_for, label_of
from tocsin.pipeline.store import Checkpoint, Store

_COLUMNS = ("series", "start", "end", "verdict", "incident", "cause", "author")


@dataclass(frozen=True, slots=True)
class Said:
    """What is said on the command line: of an incident, or of a stretch of a series."""

    verdict: str
    incident: str = ""
    series: str = ""
    start: str = ""
    end: str = ""
    cause: str = ""
    author: str = ""


def say(path: Path, said: Said) -> None:
    """Keep one label and let it take its effect."""
    config = load(path)
    with opened(config) as store:
        incidents = {each.id: each for each in store.incidents()}
        label = _label(said, incidents)
        _take_in(config, store, [label], incidents)


def take(path: Path, file: Path) -> None:
    """Keep every label of a csv file and let them take their effect; all or none."""
    config = load(path)
    labels = list(read_labels(file))
    with opened(config) as store:
        _take_in(config, store, labels, {each.id: each for each in store.incidents()})


def show(path: Path, *, as_json: bool) -> None:
    """List the labels."""
    with opened(load(path)) as store:
        labels = store.labels()
    if as_json:
        print_json([label.to_json() for label in labels])
        return
    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("verdict", "series", "start", "end", "incident", "cause", "author"):
        table.add_column(head)
    for label in labels:
        when = (moment(label.start), moment(label.end))
        row = (label.verdict, label.series, *when, label.incident, label.cause, label.author)
        table.add_row(*map(plain, row))
    console.print(table if labels else "No labels yet.")


def export(path: Path, file: Path) -> None:
    """Write the faults among the labels as intervals, which a backtest reads."""
    with opened(load(path)) as store:
        faults = [label for label in store.labels() if label.verdict in FAULTS]
    try:
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(("series", "start", "end"))
            writer.writerows((each.series, iso(each.start), iso(each.end)) for each in faults)
    except OSError as error:
        raise SinkError(f"{file}: cannot be written: {error.strerror}") from error
    stdout().print(f"{plural(len(faults), 'fault')} written to {file}")


def ask(path: Path, most: int) -> None:
    """Name the incidents that an answer would tell most about."""
    with opened(load(path)) as store:
        chosen = next_to_ask(store.incidents(), store.labels(), most)
    console = stdout()
    for each in chosen:
        console.print(f"{each.id}  {plain(each.series)}  {moment(each.started_at)}  {each.reason}")
    if not chosen:
        console.print("Nothing to ask: every incident has its label.")


def read_labels(file: Path) -> Iterator[Label]:
    """The labels of a csv file; a SourceError names the line that is none.

    Needs `series`, `start`, `end` and `verdict`; `incident`, `cause` and `author` may be there.
    """
    try:
        with file.open(newline="", encoding="utf-8") as rows:
            reader = csv.DictReader(rows)
            missing = set(_COLUMNS[:4]) - set(reader.fieldnames or ())
            if missing:
                raise SourceError(f"{file}: no column {', '.join(sorted(missing))}")
            for row in reader:
                try:
                    yield _from_row(row)
                except ConfigError as error:
                    raise SourceError(f"{file}, line {reader.line_num}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file}: cannot be read: {error}") from error


def _from_row(row: Mapping[str, Any]) -> Label:
    given = {name: row.get(name) or "" for name in _COLUMNS}
    when = {name: _time(given[name], name) for name in ("start", "end")}
    return label_of({**given, **when, "said_at": time.time_ns()})


def _label(said: Said, incidents: Mapping[str, Incident]) -> Label:
    author, now = said.author or getpass.getuser(), time.time_ns()
    if said.incident:
        if said.incident not in incidents:
            raise StateError(
                f"no incident is called {said.incident!r}; `tocsin label CONFIG --ask`"
            )
        if said.verdict == "missed":
            raise ConfigError("an incident that was told was not missed; say confirmed")
        who = {"author": author, "cause": said.cause, "said_at": now}
        return label_for(incidents[said.incident], said.verdict, **who)
    if not (said.series and said.start and said.end):
        raise ConfigError("say of what: --incident ID, or --series, --start and --end")
    return label_of(
        {
            "series": said.series,
            "start": _time(said.start, "start"),
            "end": _time(said.end, "end"),
            "verdict": said.verdict,
            "cause": said.cause,
            "author": author,
            "said_at": now,
        }
    )


def _time(text: str, name: str) -> int:
    times, bad = parse_times([text])
    if bad:
        raise ConfigError(f"{name}: {bad[0]}")
    return int(times[0])


def _take_in(
    config: Config, store: Store, labels: list[Label], incidents: Mapping[str, Incident]
) -> None:
    """Let labels take their effect in every partition that knows their series, then keep them."""
    chain = config.stages.chain(config.source.spec())
    told = ["kept; its series is not known here"] * len(labels)
    for part in list(store.parts()):
        claim = store.claim(chain, part)
        if claim.state is None:
            continue
        names = claim.state.keys.names
        mine = [number for number, label in enumerate(labels) if label.series in names]
        ended: list[Incident] = []
        for number in mine:
            label = labels[number]
            known = incidents.get(label.incident)
            told[number], over = apply(chain, claim.state, label, known)
            ended += over
        if mine:
            touched = np.unique([names.index(labels[number].series) for number in mine])
            mark = Checkpoint(part, claim.epoch, claim.position, claim.state, touched, ended, ())
            store.checkpoint(chain, mark, list(config.delivery.sinks))
    for label, words in zip(labels, told, strict=True):
        store.add_label(label)
        stdout().print(f"{label.verdict}: {plain(label.series)} at {moment(label.start)}: {words}")

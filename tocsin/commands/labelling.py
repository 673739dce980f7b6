"""`tocsin label`: what people say of incidents, kept, put to use and handed on."""

import csv
import getpass
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from rich.table import Table

from tocsin.commands.incidents import find_incident
from tocsin.commands.screen import print_json, stderr, stdout
from tocsin.commands.states import opened, store_of
from tocsin.config import Config, load
from tocsin.connectors.catalogue import find
from tocsin.connectors.times import parse_time
from tocsin.evaluation.asking import next_to_ask
from tocsin.evaluation.wording import moment, moment_utc, plain, plural
from tocsin.pipeline.errors import ConfigError, SinkError, SourceError
from tocsin.pipeline.feedback import apply
from tocsin.pipeline.incidents import Incident, iso
from tocsin.pipeline.labels import FAULTS, Label, label_for, label_of
from tocsin.pipeline.lock import alone
from tocsin.pipeline.notes import Notes
from tocsin.pipeline.store import Checkpoint, Store

_PATIENCE_S = 10.0
_HANDED_OVER = "handed to the pipeline that runs"
_NOT_YET = "kept; the pipeline that runs has not taken it in yet"
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
    if not said.verdict:
        raise ConfigError(
            "say what it was: --verdict confirmed, expected, false_alarm or new_normal, "
            "or missed of a stretch that no incident told"
        )
    config = load(path)
    with opened(config) as store:
        label = _label(said, store, config.zone)
        told = _put_in(config, store, [label])
    _tell([label], told)


def take(path: Path, file: Path) -> None:
    """Keep every label of a csv file and let them take their effect; all or none."""
    config = load(path)
    labels = list(read_labels(file, config.zone))
    with opened(config) as store:
        told = _put_in(config, store, labels)
    _tell(labels, told)


def take_topic(path: Path, topic: str) -> None:
    """Keep every new label of a Kafka topic and let them take their effect.

    The brokers and how to reach them are those of the configuration's source. What is taken and
    where reading stands are written as one, so that a label is taken once, whatever ends the
    command; one that is kept already, or gives way to a newer one, changes nothing. Records that
    are no labels are told on standard error before they are passed.
    """
    config = load(path)
    settings = _kafka(config, topic)
    from tocsin.connectors.label_topic import read_label_topic  # noqa: PLC0415 - an extra

    taken = refused = 0
    with (
        opened(config) as store,
        closing(
            read_label_topic(settings, topic, _begin(store, topic), zone=config.zone)
        ) as readings,
    ):
        for reading in readings:
            part = f"{_part(topic)}{reading.partition}"
            for offset, why in reading.refused:
                stderr().print(f"{part}, offset {offset}: {plain(why)}")
            with alone(store_of(config)) as nobody_runs, store.transaction():
                told = _take_new(config, store, reading.labels, nobody_runs=nobody_runs)
                store.remember(part, reading.position)
            _tell(reading.labels, told)
            taken, refused = taken + len(told), refused + len(reading.refused)
    rest = f"; {plural(refused, 'record')} refused" if refused else ""
    stdout().print(f"{plural(taken, 'label')} read from {topic}{rest}")


def show(path: Path, *, as_json: bool) -> None:
    """List the labels."""
    with opened(load(path)) as store:
        labels = Notes(store).labels()
    if as_json:
        print_json([label.to_json() for label in labels])
        return
    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    heads = ("verdict", "series", "start (UTC)", "end (UTC)", "incident", "cause", "author")
    for head in heads:
        table.add_column(head)
    for label in labels:
        when = (moment(label.start), moment(label.end))
        row = (label.verdict, label.series, *when, label.incident, label.cause, label.author)
        table.add_row(*map(plain, row))
    console.print(table if labels else "No labels yet.")


def export(path: Path, file: Path) -> None:
    """Write the faults among the labels as intervals, which a backtest reads."""
    with opened(load(path)) as store:
        faults = [label for label in Notes(store).labels() if label.verdict in FAULTS]
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
        chosen = next_to_ask(store.incidents(), Notes(store).labels(), most)
    console = stdout()
    for each in chosen:
        console.print(
            f"{each.id}  {plain(each.series)}  {moment_utc(each.started_at)}  {each.reason}"
        )
    if not chosen:
        console.print("Nothing to ask: every incident has its label.")


def read_labels(file: Path, zone: str = "UTC") -> Iterator[Label]:
    """The labels of a csv file; a SourceError names the line that is none.

    Needs `series`, `start`, `end` and `verdict`; `incident`, `cause` and `author` may be there.
    Times that name no zone are local to `zone`.
    """
    try:
        with file.open(newline="", encoding="utf-8") as rows:
            reader = csv.DictReader(rows)
            missing = set(_COLUMNS[:4]) - set(reader.fieldnames or ())
            if missing:
                raise SourceError(f"{file}: no column {', '.join(sorted(missing))}")
            for row in reader:
                try:
                    yield _from_row(row, zone)
                except ConfigError as error:
                    raise SourceError(f"{file}, line {reader.line_num}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file}: cannot be read: {error}") from error


def _from_row(row: Mapping[str, Any], zone: str) -> Label:
    given = {name: row.get(name) or "" for name in _COLUMNS}
    when = {name: parse_time(given[name], name, zone) for name in ("start", "end")}
    return label_of({**given, **when, "said_at": time.time_ns()})


def _label(said: Said, store: Store, zone: str) -> Label:
    author, now = said.author or getpass.getuser(), time.time_ns()
    if said.incident:
        known = store.incident(said.incident)  # a whole id needs no other incident
        incident = known or find_incident(store.incidents(), said.incident)
        if said.verdict == "missed":
            raise ConfigError("an incident that was told was not missed; say confirmed")
        who = {"author": author, "cause": said.cause, "said_at": now}
        return label_for(incident, said.verdict, **who)
    if not (said.series and said.start and said.end):
        raise ConfigError("say of what: --incident ID, or --series, --start and --end")
    return label_of(
        {
            "series": said.series,
            "start": parse_time(said.start, "start", zone),
            "end": parse_time(said.end, "end", zone),
            "verdict": said.verdict,
            "cause": said.cause,
            "author": author,
            "said_at": now,
        }
    )


def _kafka(config: Config, topic: str) -> Any:
    """The settings of the configuration's source, where that is a topic other than this."""
    source: Any = config.source
    if not isinstance(source, find("source", "kafka").load()):
        raise ConfigError(
            f"{config.path}: --topic reads from the brokers of a Kafka source; "
            f"{config.name} is none"
        )
    settings = source.settings
    if settings.topic == topic:
        raise ConfigError(f"{config.path}: {topic} is the topic of the rows, not of labels")
    return settings


def _part(topic: str) -> str:
    """What a partition's name in the store begins with; no topic of rows has a colon in it."""
    return f"labels:{topic}/"


def _begin(store: Store, topic: str) -> dict[int, int]:
    """Where to read on, by partition."""
    head = _part(topic)
    parts = {name: at for name, at in store.parts().items() if name.startswith(head)}
    return {int(name.removeprefix(head)): at for name, at in parts.items() if at is not None}


def _put_in(config: Config, store: Store, labels: Sequence[Label]) -> list[str]:
    """Let labels take their effect, here or in the pipeline that runs; gives it in words."""
    with alone(store_of(config)) as nobody_runs:
        if nobody_runs:
            return _take_in(config, store, labels)
    _hand_over(store, labels)
    return _heard(store, labels)


def _hand_over(store: Store, labels: Sequence[Label]) -> None:
    """Keep labels for the pipeline that runs on the store; all or none."""
    with store.transaction():
        for label in labels:
            Notes(store).add_label(label)


def _heard(store: Store, labels: Sequence[Label]) -> list[str]:
    """What the running pipeline made of labels, for which it has some seconds."""
    notes, pause = Notes(store), Event()
    until = time.monotonic() + _PATIENCE_S
    while True:
        effects = [notes.effect(label) for label in labels]
        if None not in effects or time.monotonic() > until:
            return [_NOT_YET if effect is None else effect for effect in effects]
        pause.wait(0.1)


def _take_new(
    config: Config, store: Store, labels: Sequence[Label], *, nobody_runs: bool
) -> list[str]:
    """The effects of labels but for those that are kept already or give way to a newer one.

    A pipeline that runs is not waited for.
    """
    kept = {label.id: label for label in Notes(store).labels()} if labels else {}
    told = ["kept already"] * len(labels)
    new: list[int] = []
    for number, label in enumerate(labels):
        before = kept.get(label.id)
        if before is not None and before.said_at > label.said_at:
            told[number] = "a newer label of it is kept"
        elif before != label:
            kept[label.id] = label
            new.append(number)
    chosen = [labels[number] for number in new]
    if nobody_runs:
        words = _take_in(config, store, chosen)
    else:
        _hand_over(store, chosen)
        words = [_HANDED_OVER] * len(chosen)
    for number, effect in zip(new, words, strict=True):
        told[number] = effect
    return told


def _take_in(config: Config, store: Store, labels: Sequence[Label]) -> list[str]:
    """Keep labels and let them take their effect in every partition that knows their series.

    All or nothing; gives the effect of each in words. No partition is taken over for no labels.
    """
    told = ["kept; its series is not known here"] * len(labels)
    if not labels:
        return told
    chain = config.stages.chain(config.source.spec())
    with store.transaction():
        for part in list(store.parts()):
            claim = store.claim(chain, part)
            if claim.state is None:
                continue
            keys = claim.state.keys
            mine = [number for number, label in enumerate(labels) if keys.find(label.series) >= 0]
            ended: list[Incident] = []
            for number in mine:
                label = labels[number]
                known = store.incident(label.incident)
                told[number], over = apply(chain, claim.state, label, known)
                ended += over
            if mine:
                touched = np.unique([keys.find(labels[number].series) for number in mine])
                mark = Checkpoint(
                    part, claim.epoch, claim.position, claim.state, touched, ended, ()
                )
                store.checkpoint(chain, mark, list(config.delivery.sinks))
        for label, effect in zip(labels, told, strict=True):
            Notes(store).add_label(label, effect)
    return told


def _tell(labels: Sequence[Label], told: Sequence[str]) -> None:
    for label, words in zip(labels, told, strict=True):
        stdout().print(
            f"{label.verdict}: {plain(label.series)} at {moment_utc(label.start)}: {words}"
        )

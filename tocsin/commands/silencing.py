"""`tocsin silence`: stretches of time in which alarms of some series open nothing."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from tocsin.commands.screen import print_json, stderr, stdout
from tocsin.commands.states import opened
from tocsin.config import load
from tocsin.connectors.times import parse_times
from tocsin.evaluation.wording import moment_utc, plain
from tocsin.pipeline.blobs import decode
from tocsin.pipeline.durations import parse_duration
from tocsin.pipeline.errors import ConfigError, StateError
from tocsin.pipeline.incidents import iso
from tocsin.pipeline.notes import Notes
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.rules.silence import Silence
from tocsin.pipeline.snapshot import names_of
from tocsin.pipeline.store import Store

_NAMED = 5  # series in a warning
_FAR_NS = 3_600_000_000_000  # rows that are older than this by the clock are not of now


@dataclass(frozen=True, slots=True)
class Wanted:
    """A silence as the command line has it: an end, or how long it lasts; without start, now."""

    series: str = "*"
    start: str = ""
    end: str = ""
    lasting: str = ""
    keep_learning: bool = False


def add(path: Path, wanted: Wanted, *, as_json: bool = False) -> None:
    """Keep a silence; a pipeline takes it in within a second, or when it starts.

    What makes it look like a mistake is told on standard error.
    """
    config, now = load(path), time.time_ns()
    silence = _silence(wanted, config.zone, now)
    with opened(config) as store:
        names, clock = _series(store), _clock(store)
        number = Notes(store).add_silence(silence)
    if as_json:
        print_json(_plain(number, silence))
    else:
        stdout().print(f"silence {number}: {_told(silence)}")
    for doubt in (*_unknown(silence.series, names), *_untimely(silence, wanted, clock, now)):
        stderr().print(f"warning: {doubt}")


def end(path: Path, number: int) -> None:
    """Forget a silence."""
    with opened(load(path)) as store:
        notes = Notes(store)
        if not notes.end_silence(number):
            known = ", ".join(map(str, notes.silences())) or "none"
            raise StateError(f"no silence has number {number}; there are {known}")
    stdout().print(f"silence {number} is over")


def show(path: Path, *, as_json: bool) -> None:
    """List the silences of the store and those of the configuration."""
    config = load(path)
    with opened(config) as store:
        kept = Notes(store).silences()
    fixed = config.stages.rules.silences
    if as_json:
        rows = [_plain(number, each) for number, each in kept.items()]
        print_json(rows + [_plain(None, each) for each in fixed])
        return
    console = stdout()
    for number, each in kept.items():
        console.print(f"{number}: {_told(each)}")
    for each in fixed:
        console.print(f"in {plain(path.name)}: {_told(each)}")
    if not kept and not fixed:
        console.print("No silences.")


def _silence(wanted: Wanted, zone: str, now: int) -> Silence:
    if bool(wanted.end) == bool(wanted.lasting):
        raise ConfigError("a silence needs either --until or --for, one of the two")
    begin = _time(wanted.start, zone) if wanted.start else now
    until = _time(wanted.end, zone) if wanted.end else begin + parse_duration(wanted.lasting)
    if until <= begin:
        since = "" if wanted.start else ", which is now; --from names another begin"
        raise ConfigError(
            f"a silence begins before it ends; this ends at {moment_utc(until)} "
            f"and begins at {moment_utc(begin)}{since}"
        )
    learn: Literal["keep", "freeze"] = "keep" if wanted.keep_learning else "freeze"
    return Silence(begin, until, wanted.series, learn)


def _series(store: Store) -> list[str]:
    """The series that have been saved, whoever runs."""
    where = str(store.path)
    with store.reading("SELECT rows FROM blocks ORDER BY part, block") as blocks:
        names = [name for (rows,) in blocks for name in names_of(decode(rows, where), where)]
    return [name for name in names if name]


def _clock(store: Store) -> int:
    """The newest time that has been judged and saved."""
    with store.reading("SELECT shared FROM parts WHERE shared IS NOT NULL") as parts:
        times = [decode(shared, str(store.path)).get("clock") for (shared,) in parts]
    return max((time for time in times if isinstance(time, int)), default=NEVER)


def _unknown(pattern: str, names: list[str]) -> Iterator[str]:
    """What to say of a pattern that matches none of the series."""
    if pattern == "*" or any(fnmatchcase(name, pattern) for name in names):
        return
    known = ", ".join(plain(name, 40) for name in names[:_NAMED]) or "none"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    yield f"no series known so far matches {plain(pattern)}; known are {known}{more}"


def _untimely(silence: Silence, wanted: Wanted, clock: int, now: int) -> Iterator[str]:
    """What to say of a silence that is over, or that begins where the rows are not yet.

    Rows are silenced by their own time, whatever the machine's clock says.
    """
    judged = f"rows up to {moment_utc(clock)} have been judged"
    if silence.until_ns <= clock:
        yield f"it lies in the past: {judged}"
    elif silence.until_ns <= now:
        seen = f"; {judged}" if clock > NEVER else ""
        yield f"it lies in the past, and silences only rows of that time that are yet to come{seen}"
    elif not wanted.start and NEVER < clock < now - _FAR_NS:
        yield f"{judged}; those from then until it begins are not silenced, unless --from names it"


def _plain(number: int | None, silence: Silence) -> dict[str, Any]:
    begin, until = iso(silence.from_ns), iso(silence.until_ns)
    told = {"series": silence.series, "from": begin, "until": until, "learn": silence.learn}
    return {"number": number, **told}


def _told(silence: Silence) -> str:
    learns = "learning goes on" if silence.learn == "keep" else "nothing is learned"
    begin, until = moment_utc(silence.from_ns), moment_utc(silence.until_ns)
    return f"{plain(silence.series)} from {begin} to {until}; {learns}"


def _time(text: str, zone: str) -> int:
    times, bad = parse_times([text], zone=zone)
    if bad:
        raise ConfigError(bad[0])
    return int(times[0])

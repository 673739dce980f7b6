"""`tocsin silence`: stretches of time in which alarms of some series open nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tocsin.commands.screen import print_json, stdout
from tocsin.commands.states import opened
from tocsin.config import load
from tocsin.connectors.times import parse_times
from tocsin.evaluation.wording import moment, plain
from tocsin.pipeline.durations import parse_duration
from tocsin.pipeline.errors import ConfigError, StateError
from tocsin.pipeline.incidents import iso
from tocsin.pipeline.notes import Notes
from tocsin.pipeline.rules.silence import Silence


@dataclass(frozen=True, slots=True)
class Wanted:
    """A silence as the command line has it: an end, or how long it lasts."""

    series: str
    start: str
    end: str = ""
    lasting: str = ""
    keep_learning: bool = False


def add(path: Path, wanted: Wanted) -> None:
    """Keep a silence; a pipeline takes it in within a second, or when it starts."""
    begin = _time(wanted.start)
    if bool(wanted.end) == bool(wanted.lasting):
        raise ConfigError("a silence needs either --until or --for, one of the two")
    end = _time(wanted.end) if wanted.end else begin + parse_duration(wanted.lasting)
    learn: Literal["keep", "freeze"] = "keep" if wanted.keep_learning else "freeze"
    silence = Silence(begin, end, wanted.series, learn)
    with opened(load(path)) as store:
        number = Notes(store).add_silence(silence)
    stdout().print(f"silence {number}: {_told(silence)}")


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


def _plain(number: int | None, silence: Silence) -> dict[str, Any]:
    begin, until = iso(silence.from_ns), iso(silence.until_ns)
    told = {"series": silence.series, "from": begin, "until": until, "learn": silence.learn}
    return {"number": number, **told}


def _told(silence: Silence) -> str:
    learns = "learning goes on" if silence.learn == "keep" else "nothing is learned"
    until = moment(silence.until_ns)
    return f"{plain(silence.series)} from {moment(silence.from_ns)} to {until}; {learns}"


def _time(text: str) -> int:
    times, bad = parse_times([text])
    if bad:
        raise ConfigError(bad[0])
    return int(times[0])

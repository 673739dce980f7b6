"""`tocsin doctor`: known faults put into a file's rows, and whether the detector finds them."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin.commands.file_rows import read_rows
from tocsin.commands.left_out import tell_left_out
from tocsin.commands.screen import counted, print_json, stdout, tell_table
from tocsin.connectors.guessing import Guess
from tocsin.evaluation.selftest.doctor import Diagnosis, Visit, doctor
from tocsin.evaluation.wording import plain
from tocsin.history.choosing import choose
from tocsin.pipeline.reasons import Reasons
from tocsin.pipeline.selftest.settings import SelfTest
from tocsin.pipeline.selftest.verdict import Examination

HEALTHY, BLIND = 0, 1  # exit codes; nothing to tell of any series is 0 too

_WORDS = {
    "healthy": "The detector sees gross faults in all series that could be examined.",
    "unknown": "Nothing can be told: too few rows, or the detector has no opinion on them.",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a file is to be examined."""

    detector: str = "auto"
    budget: str | None = None
    rounds: int = 4
    series: int = 16
    seed: int = 0
    as_json: bool = False


def diagnose(path: Path, wanted: Wanted) -> int:
    """Examine a file's rows and tell what was found; 1 where the detector is blind."""
    file = read_rows(path)
    rows = file.rows.take(file.rows.in_time())
    settings = {} if wanted.budget is None else {"budget": wanted.budget}
    choice = choose(wanted.detector, len(rows.channels), rows.step_ns(), settings)
    with counted(len(rows), "examining") as progress:
        found = doctor(
            choice.stages.chain(rows.spec()),
            (rows.series, rows.time, rows.values),
            SelfTest(seed=wanted.seed),
            visit=Visit(wanted.rounds, wanted.series),
            progress=progress,
        )
    if wanted.as_json:
        print_json(_document(path, file.guess, choice.words, found))
    else:
        for line in file.guess.words():
            stdout().print(plain(line, 1000))
        tell_left_out(Reasons().joined(file.rejected))
        _tell(choice.words, found)
    return BLIND if found.state == "blind" else HEALTHY


def _tell(words: Any, found: Diagnosis) -> None:
    console = stdout()
    console.print(f"Detector: {words['detector']}; {words['why']}.")
    console.print(f"An alarm: {words['alarms']}.\n")
    for table in found.tables():
        tell_table(console, table)
        console.print("")
    if found.blind:
        some = ", ".join(plain(name, 30) for name in found.blind[:5])
        more = f" and {len(found.blind) - 5} more" if len(found.blind) > 5 else ""
        console.print(f"The detector is blind to {some}{more}.")
    else:
        console.print(_WORDS[found.state])


def _document(path: Path, guess: Guess, words: Any, found: Diagnosis) -> dict[str, Any]:
    return {
        "file": str(path),
        "guess": guess.to_json(),
        "chosen": dict(words),
        "verdict": found.state,
        "left_out": found.left_out,
        "series": [
            {
                "series": one.series,
                "verdict": one.state,
                "why": one.why,
                "rounds": [_round(each) for each in one.found],
            }
            for one in found.patients
        ],
        "faults": [
            {"kind": kind, "tested": tested, "stood_out": seen, "alarmed": alarmed}
            for kind, tested, seen, alarmed in found.kinds()
        ],
    }


def _round(one: Examination) -> dict[str, Any]:
    tested, seen, alarmed = one.gross
    return {
        "verdict": one.state,
        "mute": one.mute,
        "gross": {"tested": tested, "stood_out": seen, "alarmed": alarmed},
        "ties": _number(one.ties),
        "spread": _number(one.spread),
        "stability": _number(one.stability),
        "alarms_expected": one.expected,
        "alarms": one.alarms,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

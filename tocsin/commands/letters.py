"""`tocsin state letters`: the records that could not be used, and why."""

from pathlib import Path

from rich.table import Table

from tocsin.commands.screen import one_a_line, print_json, stdout
from tocsin.commands.states import opened
from tocsin.config import load
from tocsin.connectors.dead_letters import to_json
from tocsin.evaluation.wording import plain, plural
from tocsin.pipeline.incidents import DeadLetter
from tocsin.pipeline.reasons import Reasons

_REASONS, _LETTERS = 20, 10  # shown
_WIDE = 60  # characters of a reason and of a record


def show(path: Path, *, as_json: bool) -> None:
    """Tell how many dead letters there are of each reason, and show the newest; or all as JSON."""
    with opened(load(path)) as store:
        letters = store.letters()
    if as_json:
        print_json([to_json(each) for each in letters])
        return
    console = stdout()
    console.print(plural(len(letters), "dead letter") if letters else "No dead letters.")
    reasons = Reasons()
    for each in letters:
        reasons.add(each.reason)
    every = reasons.most()
    for reason in every[:_REASONS]:
        such = "such as: " if reason.differs else ""
        console.print(f"{reason.total:>8}  {such}{plain(reason.example)}")
    if len(every) > _REASONS:
        console.print(f"          and {len(every) - _REASONS} more reasons")
    if letters:
        console.print(_newest(letters))


def _newest(letters: list[DeadLetter]) -> Table:
    chosen = sorted(letters, key=lambda each: (each.timestamp or 0, each.position))[-_LETTERS:]
    rows = [
        (plain(each.part, 30), _place(each), plain(each.reason, _WIDE), _record(each))
        for each in reversed(chosen)
    ]
    return one_a_line(("part", "position", "reason", "record"), rows, cut=2)


def _place(letter: DeadLetter) -> str:
    """Its position, and which message of the record it is where that has several."""
    return f"{letter.position}[{letter.index}]" if letter.index else f"{letter.position}"


def _record(letter: DeadLetter) -> str:
    """The beginning of the bytes, as text where they are."""
    if letter.value is None:
        return "-"
    return plain(letter.value[:200].decode("utf-8", "backslashreplace"), _WIDE)

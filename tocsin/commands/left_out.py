"""Rows that took no part, told: how many, and why."""

from collections.abc import Mapping
from typing import Any

from tocsin.commands.screen import stderr
from tocsin.evaluation.wording import plain, plural
from tocsin.pipeline.reasons import Reason, Reasons
from tocsin.pipeline.runner import REFUSALS, Summary

_MOST = 3


def reasons_of(summary: Summary) -> Reasons:
    """Why rows of a run were left out, those that could not be read and those that were refused."""
    return summary.rejected_for.joined(refusals(summary.refused))


def refusals(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts of refused rows by the reason in words."""
    return {REFUSALS.get(why, why): count for why, count in counts.items()}


def left_out(reasons: Reasons) -> list[str]:
    """The most frequent reasons in lines, with their counts."""
    return [f"Left out: {_words(each)}" for each in reasons.most(_MOST)]


def tell_left_out(reasons: Reasons) -> None:
    """Say the most frequent reasons on standard error."""
    for line in left_out(reasons):
        stderr().print(line)


def briefly(reasons: Reasons) -> str:
    """The most frequent reasons for a sentence that goes on, "" where there are none."""
    told = "; ".join(f"{plain(each.example)} ({each.total})" for each in reasons.most(_MOST))
    return f": {told}" if told else ""


def counts_of(reasons: Reasons) -> dict[str, Any]:
    """Every reason with its count, for JSON."""
    return {each.example: each.total for each in reasons.most()}


def _words(reason: Reason) -> str:
    which = ", the first" if reason.differs else ""
    return f"{plural(reason.total, 'row')}{which}: {plain(reason.example)}"

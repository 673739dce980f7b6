"""What `tocsin score --explain` adds: why each incident is there, in lines and as data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tocsin.commands.screen import counted
from tocsin.connectors.guessing import Guess
from tocsin.detectors.combined.members import expecting
from tocsin.evaluation.panel import REACH, Panel, Shares
from tocsin.evaluation.wording import moment, number, plain, plural
from tocsin.history.explaining import (
    Course,
    Covaried,
    Explanation,
    Origin,
    covariates_of,
    explain,
)
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.incidents import Incident

_MOST_LINES = 200  # incidents, as many as the table of them shows
_MOST_NAMED = 3  # channels or covariates on a line
_SMALLEST = 0.005  # a share that is not shown as 0 %
_INDENT = " " * len("2026-01-01 00:00:00  ")


@dataclass(frozen=True, slots=True)
class Told:
    """Explanations by the incidents' ids, and what cannot be told, a sentence each."""

    explanations: Mapping[str, Explanation]
    remarks: tuple[str, ...] = ()

    def on(self, panel: Panel) -> Panel:
        """The panel with the shares of covariates that were asked for, to be drawn."""
        mine = ((one.id, self.explanations.get(one.id)) for one in panel.incidents)
        found = {name: one.covariates.shares for name, one in mine if one and one.covariates}
        return replace(panel, covariates={**panel.covariates, **found})


def covariate_names(given: str, guess: Guess) -> tuple[str, ...]:
    """The channels that `--covariates` names, each once; a ConfigError for any that is none."""
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",")))
    known = guess.fields.channels
    for name in names:
        if name not in known:
            listed = ", ".join(map(repr, known))
            raise ConfigError(
                f"--covariates: {name!r} is no channel{_why_not(name, guess)}; there are {listed}"
            )
    return names


def _why_not(name: str, guess: Guess) -> str:
    """What else a column of the file was taken for, after a comma."""
    fields = guess.fields
    left_out = dict(guess.left_out)
    if name in left_out:
        return f", it was left out: {left_out[name]}"
    if name in guess.labels:
        return ", it looks like labels"
    if name in fields.key:
        return ", it names the series"
    return ", it is the time" if guess.has_time and name == fields.time else ""


def explained(panels: Sequence[Panel], origin: Origin, names: Sequence[str]) -> Told:
    """Explain every incident; `names` are channels that may account for it, none by default."""
    told: dict[str, Explanation] = {}
    remarks: list[str] = []
    with counted(sum(len(panel.incidents) for panel in panels), "explaining") as progress:
        for panel in panels:
            found, remark = _covaried(panel, origin, names)
            remarks += [remark] if remark else []
            for incident in panel.incidents:
                one = explain(panel, incident, origin)
                told[incident.id] = (
                    replace(one, covariates=found.get(incident.id)) if names else one
                )
                progress(1)
    unforetold = _unforetold(origin, list(told.values()))
    return Told(told, (*([unforetold] if unforetold else []), *remarks))


def _covaried(
    panel: Panel, origin: Origin, names: Sequence[str]
) -> tuple[dict[str, Covaried], str]:
    """The named covariates' part in the incidents of a series, from one second forest for all."""
    if not names:
        return {}, ""
    scored = [incident for incident in panel.incidents if incident.kind == "anomaly"]
    try:
        return covariates_of(panel, scored, origin, names), ""
    except ConfigError:
        raise
    except TocsinError as error:  # a series may be too short to learn from, and others are not
        return {}, f"Covariates of {plain(panel.series, 30)} cannot be told: {error}."


def _unforetold(origin: Origin, told: Sequence[Explanation]) -> str:
    """Why there are incidents without expected values, or "" where there are none."""
    count = sum(one.expected is None for one in told)
    if not count:
        return ""
    if not expecting(origin.scorer):
        return "This detector cannot tell what it expected: no expected values and no bands."
    if not origin.causal:
        return "Offline scores are made by no forecast: no expected values and no bands."
    some = plural(count, "incident")
    return f"What was expected in {some} is not known: the model has changed since."


def explanation_lines(incidents: Sequence[Incident], told: Told) -> Iterator[str]:
    """One or two lines an incident, oldest first, then what cannot be told."""
    several = len({incident.series for incident in incidents}) > 1
    for incident in sorted(incidents, key=lambda i: (i.started_at, i.id))[:_MOST_LINES]:
        one = told.explanations[incident.id]
        series = f"{plain(incident.series, 30)}: " if several else ""
        yield f"{moment(incident.started_at)}  {series}{_blame(incident, one)}"
        if one.covariates is not None:
            yield f"{_INDENT}{_beside(one.covariates)}"
    if len(incidents) > _MOST_LINES:
        yield f"{plural(len(incidents) - _MOST_LINES, 'incident')} more; --json tells of all."
    yield from told.remarks


def _blame(incident: Incident, one: Explanation) -> str:
    if incident.kind != "anomaly":
        return plain(incident.reason)
    blamed = f"blamed: {_listed(one.blamed)}" if one.blamed else "no channel is blamed"
    peak = "" if one.expected is None else _at_peak(one.expected[0], incident.peak_at)
    return f"{blamed}{peak}"


def _at_peak(course: Course, peak_at: int) -> str:
    """What was and what was expected of a channel in the row of an incident's highest score."""
    row = int(np.searchsorted(course.time, peak_at))
    if row >= len(course.time) or np.isnan(course.expected[row]):
        return ""
    middle, reach = float(course.expected[row]), REACH * float(course.usual[row])
    return (
        f"; at its peak {plain(course.channel, 30)} was {number(float(course.value[row]))}, "
        f"expected {number(middle)} ({number(middle - reach)} to {number(middle + reach)})"
    )


def _beside(covaried: Covaried) -> str:
    """Covariates with their shares, and how far they can be believed."""
    if not covaried.shares:
        return "covariates: none goes with it"
    shares = f"covariates: {_listed(covaried.shares)}"
    if not np.isfinite(covaried.foretold):
        return shares
    foretold = min(max(covaried.foretold, 0.0), 1.0)  # JSON has it as it is
    return f"{shares}, which foretell {foretold:.0%} of the rise"


def _listed(shares: Shares) -> str:
    worth = [each for each in shares if each[1] >= _SMALLEST] or shares[:1]
    named = ", ".join(f"{plain(name, 30)} {share:.0%}" for name, share in worth[:_MOST_NAMED])
    hidden = len(worth) - _MOST_NAMED
    return named if hidden <= 0 else f"{named} and {hidden} more"

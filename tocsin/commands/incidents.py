"""Incidents of a store, listed, and one found by its id."""

from collections.abc import Sequence

from tocsin.commands.screen import one_a_line, stdout
from tocsin.evaluation.wording import duration, moment, moment_utc, plain, plural
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.incidents import Incident

_LISTED = 20
_NAMED = 5  # in an error


def find_incident(incidents: Sequence[Incident], name: str) -> Incident:
    """The incident of this id, which may be cut short as long as only one begins so.

    `incidents` stand oldest first. A StateError names some where there is none, or several.
    """
    fitting = [each for each in incidents if each.id.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    known = newest_first(fitting or incidents)[:_NAMED]
    told = "".join(f"\n  {_briefly(each)}" for each in known)
    if fitting:
        raise StateError(f"{plural(len(fitting), 'incident')} begin with {name!r}, such as:{told}")
    if not incidents:
        raise StateError(f"no incident is called {name!r}; there are none yet")
    raise StateError(f"no incident is called {name!r}. The newest are:{told}")


def newest_first(incidents: Sequence[Incident]) -> list[Incident]:
    """Incidents by when they began, the last that did first."""
    return sorted(incidents, key=lambda each: (each.started_at, each.id), reverse=True)


def list_incidents(incidents: Sequence[Incident]) -> None:
    """Print the newest incidents on a line each, and how many more there are."""
    heads = ("id", "level", "kind", "series", "since (UTC)", "lasted", "reason")
    rows = [_row(each) for each in newest_first(incidents)[:_LISTED]]
    stdout().print(one_a_line(heads, rows, cut=1))
    if len(incidents) > _LISTED:
        stdout().print(f"and {len(incidents) - _LISTED} more; --json has all of them")


def _row(each: Incident) -> tuple[str, ...]:
    lasted = "open" if each.ended_at is None else duration(each.ended_at - each.started_at)
    since, series = moment(each.started_at), plain(each.series, 30)
    return each.id, each.level, each.kind, series, since, lasted, plain(each.reason)


def _briefly(each: Incident) -> str:
    return f"{each.id}  {each.kind} of {plain(each.series, 30)}, {moment_utc(each.started_at)}"

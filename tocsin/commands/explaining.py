"""`tocsin explain`: how an incident came to be, what belongs to it, and what people said of it."""

from collections.abc import Iterator
from pathlib import Path

from tocsin.commands.incidents import find_incident, list_incidents, newest_first
from tocsin.commands.screen import print_json, stdout
from tocsin.commands.states import opened
from tocsin.config import load
from tocsin.evaluation.wording import moment_utc, plain, plural
from tocsin.pipeline.durations import describe_duration
from tocsin.pipeline.events import Episodes
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.labels import Label
from tocsin.pipeline.notes import Notes

_SHOWN = 10  # other members of a group


def explain(path: Path, incident: str, *, as_json: bool) -> None:
    """Tell the story of an incident; its id may be cut short as long as only one begins so."""
    config = load(path)
    with opened(config) as store:
        every = store.incidents()
        found = find_incident(every, incident)
        labels = [label for label in Notes(store).labels() if label.incident == found.id]
    others = _others(every, found)
    steps = list(_steps(found, config.stages.episodes))
    if as_json:
        told = [{"at": at, "what": what} for at, what in steps]
        said = [label.to_json() for label in labels]
        group = [each.to_json() for each in others]
        print_json({"incident": found.to_json(), "steps": told, "group": group, "labels": said})
        return
    console = stdout()
    console.print(f"{found.id}: {found.kind} of {plain(found.series)}, {found.level}")
    for at, what in steps:
        console.print(f"  {at}  {what}")
    for name, share in found.channels:
        console.print(f"  {share:>6.1%} of the blame: {plain(name)}")
    if found.covariates:
        listed = ", ".join(f"{plain(name)} {share:.0%}" for name, share in found.covariates)
        console.print(f"  goes with: {listed}")
    for line in _together(found.group, others):
        console.print(f"  {line}")
    for label in labels:
        console.print(f"  {_said(label)}")
    if found.asks:
        console.print(f"  It asks: {found.asks} `tocsin label` and `tocsin state accept` answer.")


def show(path: Path, *, as_json: bool) -> None:
    """List the incidents of the store, the newest first."""
    with opened(load(path)) as store:
        every = store.incidents()
    if as_json:
        print_json({"incidents": [each.to_json() for each in newest_first(every)]})
    elif every:
        list_incidents(every)
    else:
        stdout().print("No incidents yet.")


def _others(incidents: list[Incident], found: Incident) -> list[Incident]:
    """The incidents that are in a group with the one found."""
    if not found.group:
        return []
    return [each for each in incidents if each.group == found.group and each.id != found.id]


def _steps(incident: Incident, rule: Episodes) -> Iterator[tuple[str, str]]:
    """The moments of an incident in order, each with what happened and by which rule."""
    if incident.kind != "anomaly":
        yield moment_utc(incident.opened_at), f"calm → open: {incident.reason}"
        if incident.ended_at is None:
            yield "now", f"open, in revision {incident.revision}"
        else:
            yield moment_utc(incident.ended_at), "open → calm"
        return
    yield moment_utc(incident.started_at), "calm → pending: the first alarm"
    waited = describe_duration(incident.opened_at - incident.started_at)
    wanted = describe_duration(rule.open_after_ns)
    yield (
        moment_utc(incident.opened_at),
        f"pending → open: alarms spanned {waited}, {wanted} needed",
    )
    yield (
        moment_utc(incident.peak_at),
        f"peak: score {incident.score:.4g}, tail {incident.tail:.2g} under the level "
        f"{incident.alpha:.2g}, severity {incident.severity:.1f}",
    )
    if incident.ended_at is not None:
        yield moment_utc(incident.ended_at), f"the last alarm; {incident.reason}"
        quiet = describe_duration(rule.close_after_ns)
        rows = plural(rule.close_rows, "row")
        yield "then", f"open → calm: {rows} in a row and {quiet} without an alarm"
    else:
        yield (
            "now",
            f"open; when it was last told, in revision {incident.revision}: {incident.reason}",
        )


def _together(group: str, others: list[Incident]) -> Iterator[str]:
    """What else is in an incident's group, oldest first."""
    if others:
        yield f"{plural(len(others), 'other incident')} in group {group}:"
    for each in others[:_SHOWN]:
        yield f"  {moment_utc(each.started_at)}  {each.id}: {each.kind} of {plain(each.series)}"
    if len(others) > _SHOWN:
        yield f"  and {len(others) - _SHOWN} more"


def _said(label: Label) -> str:
    cause = f" ({label.cause})" if label.cause else ""
    return f"{label.author or 'somebody'} says: {label.verdict}{cause}"

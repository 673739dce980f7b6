"""Groups of incidents worked out from all revisions so far, with nothing forgotten between."""

from collections.abc import Sequence

from tocsin.pipeline.grouping import group_id
from tocsin.pipeline.incidents import Incident


def blame(incident: Incident) -> dict[str, float]:
    total = sum(share for _, share in incident.channels)
    if total == 0:
        return {f"any {incident.kind}": 1.0}
    return {name: share / total for name, share in incident.channels}


def told(incident: Incident) -> int:
    return max(
        t for t in (incident.opened_at, incident.peak_at, incident.ended_at) if t is not None
    )


def slow_groups(
    revisions: Sequence[Incident], within: int, longest: int, shared: float
) -> list[str]:
    """The group of each revision; no limit to the number of groups."""
    groups: list[list[Incident]] = []  # each a list of all its members' revisions, oldest first
    given: list[str] = []
    clock = -(2**62)
    for incident in revisions:
        clock = max(clock, told(incident))
        alive = [group for group in groups if is_open(group) or clock - latest(group) <= within]
        home = [group for group in alive if any(one.id == incident.id for one in group)]
        if not home:
            start = incident.started_at
            young = [g for g in alive if start - g[0].started_at <= longest]
            near = [g for g in young if is_open(g) or start - latest(g) <= within]
            fits = [(-overlap(g, incident), n, g) for n, g in enumerate(near)]
            fits = [fit for fit in fits if -fit[0] >= shared]
            if fits:
                home = [min(fits, key=lambda fit: fit[:2])[2]]
            else:
                home = [[]]
                groups.append(home[0])
        home[0].append(incident)
        given.append(group_id(home[0][0].id))
    return given


def is_open(group: Sequence[Incident]) -> bool:
    last = {incident.id: incident for incident in group}
    return any(incident.state != "resolved" for incident in last.values())


def latest(group: Sequence[Incident]) -> int:
    return max(told(incident) for incident in group)


def overlap(group: Sequence[Incident], incident: Incident) -> float:
    first: dict[str, Incident] = {}
    for one in group:
        first.setdefault(one.id, one)
    total: dict[str, float] = {}
    for one in first.values():
        for name, share in blame(one).items():
            total[name] = total.get(name, 0.0) + share
    mine = blame(incident)
    return sum(min(mine.get(name, 0.0), share / len(first)) for name, share in total.items())

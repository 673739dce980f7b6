"""Incidents that are open when the input ends, told as they stand and not as they opened."""

from collections.abc import Mapping
from dataclasses import replace

from tocsin.pipeline.events import Episodes, EpisodesState, Naming
from tocsin.pipeline.incidents import Incident


def standing(
    rule: Episodes, state: EpisodesState, names: Naming, told: Mapping[str, Incident]
) -> dict[str, Incident]:
    """Last revisions by id, those of open incidents with what the state knows of them by now.

    Nothing changes: no revision is made, and each keeps its number, its state and its group.
    """
    found = dict(told)
    for now in rule.standing(state, names):
        last = told.get(now.id)
        if last is not None:
            found[now.id] = replace(now, state=last.state, group=last.group)
    return found

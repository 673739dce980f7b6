"""Incidents of several series that belong together: close in time, and blaming the same."""

import hashlib
from dataclasses import dataclass

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

_NOWHERE = "\x1f"  # before what an incident without blamed channels is known by; in no channel


@dataclass(slots=True)
class GroupingState:
    """The groups that may still be joined, the incidents in them, and what each has blamed.

    Members stand in the order they joined; `of` and `blame_of` are places in `group`.
    """

    clock: int  # newest time told of
    group: list[str]  # (G,) ids, oldest first
    first: IntArray  # (G,) when the first incident started
    latest: IntArray  # (G,) newest time at which something of a member was told
    member: list[str]  # (M,) incident ids
    of: IntArray  # (M,)
    is_open: BoolArray  # (M,)
    channel: list[str]  # (B,)
    blame_of: IntArray  # (B,)
    blame: FloatArray  # (B,) summed shares of the group's members


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which incidents are told as one: those under way together that blame the same channels.

    An incident joins a group if it starts at most `within_ns` after the newest opening, peak or end
    in the group, or while a member is open and `open_ns` after the group's first start at most, so
    that an incident of weeks does not gather all that happens. Their blamed channels must overlap
    by `shared` at least: the sum of the smaller of the two shares, 1 for equal blame; 0 asks for
    closeness in time alone. Of several groups it joins the one with the largest overlap, the oldest
    of equals. Blame goes by the channel's name, so the same channel of other series counts. An
    incident that blames no channel shares with others of its kind. At most `most` groups are kept,
    those last heard of.

    Membership is for good: later revisions of an incident have the group of its first, and two
    groups are never joined. An incident that comes back after its group was let go is as new. The
    work a revision is proportional to the groups at hand and the members in them.
    """

    within_ns: int = 300_000_000_000
    open_ns: int = 3_600_000_000_000
    shared: float = 0.3
    most: int = 256

    def __post_init__(self) -> None:
        if min(self.within_ns, self.open_ns) < 0 or not 0 <= self.shared <= 1 or self.most < 1:
            raise ConfigError(
                "a grouping needs within and open of 0 or more, shared from 0 to 1 and most >= 1; "
                f"found {self}"
            )

    def start(self) -> GroupingState:
        """The state before any incident."""
        none = np.empty(0, dtype=np.int64)
        return GroupingState(
            clock=NEVER,
            group=[],
            first=none,
            latest=none,
            member=[],
            of=none,
            is_open=np.empty(0, dtype=bool),
            channel=[],
            blame_of=none,
            blame=np.empty(0),
        )

    def assign(self, state: GroupingState, incident: Incident) -> str:
        """The group of an incident's revision, which is taken into the state.

        Revisions come in the order in which the pipeline gives them. A group's id follows from the
        id of its first incident alone.
        """
        state.clock = max(state.clock, _told_at(incident))
        self._let_go(state)
        if incident.id in state.member:
            place = state.member.index(incident.id)
            group = int(state.of[place])
            state.is_open[place] = incident.state != "resolved"
        else:
            group = self._joins(state, incident)
            if group < 0:
                group = self._found(state, incident)
            _add_member(state, group, incident)
        state.latest[group] = max(int(state.latest[group]), _told_at(incident))
        return state.group[group]

    def _joins(self, state: GroupingState, incident: Incident) -> int:
        """The group that an incident joins, or -1."""
        mine = _shares(incident)
        best, largest = -1, -1.0
        busy = set(state.of[state.is_open].tolist())
        for group, latest in enumerate(state.latest.tolist()):
            since = incident.started_at - int(state.first[group])
            near = incident.started_at - latest <= self.within_ns
            near = near or (group in busy and since <= self.open_ns)
            overlap = _overlap(state, group, mine)
            if near and overlap >= self.shared and overlap > largest:
                best, largest = group, overlap
        return best

    def _found(self, state: GroupingState, incident: Incident) -> int:
        """A new group; the one longest at rest makes room for it."""
        if len(state.group) >= self.most:
            keep = np.ones(len(state.group), dtype=bool)
            keep[int(np.argmin(state.latest))] = False
            _keep_groups(state, keep)
        state.group.append(group_id(incident.id))
        state.first = np.append(state.first, incident.started_at)
        state.latest = np.append(state.latest, incident.started_at)
        return len(state.group) - 1

    def _let_go(self, state: GroupingState) -> None:
        """Forget the groups that nothing can join any more."""
        busy = np.zeros(len(state.group), dtype=bool)
        busy[state.of[state.is_open]] = True
        keep = busy | (state.clock - state.latest <= self.within_ns)
        if not keep.all():
            _keep_groups(state, keep)


def group_id(incident: str) -> str:
    """The id of the group that an incident founds.

    >>> group_id("2edc5d3548b48d1b")
    'c6cd895f0743b8c7'
    """
    return hashlib.blake2b(f"group\x1f{incident}".encode(), digest_size=8).hexdigest()


def _told_at(incident: Incident) -> int:
    """The newest time that a revision tells of."""
    return max(incident.opened_at, incident.peak_at, incident.ended_at or incident.opened_at)


def _shares(incident: Incident) -> dict[str, float]:
    """Blamed channels with shares that add up to 1."""
    shares = {name: share for name, share in incident.channels if share > 0}
    total = sum(shares.values())
    if not total > 0:
        return {_NOWHERE + incident.kind: 1.0}
    return {name: share / total for name, share in shares.items()}


def _overlap(state: GroupingState, group: int, mine: dict[str, float]) -> float:
    """How much of the blame is shared, 0 to 1."""
    rows = np.flatnonzero(state.blame_of == group)
    total = float(state.blame[rows].sum())
    return sum(
        min(mine.get(state.channel[row], 0.0), float(state.blame[row]) / total)
        for row in rows.tolist()
    )


def _add_member(state: GroupingState, group: int, incident: Incident) -> None:
    state.member.append(incident.id)
    state.of = np.append(state.of, group)
    state.is_open = np.append(state.is_open, incident.state != "resolved")
    for name, share in _shares(incident).items():
        known = [
            row
            for row in np.flatnonzero(state.blame_of == group).tolist()
            if state.channel[row] == name
        ]
        if known:
            state.blame[known[0]] += share
        else:
            state.channel.append(name)
            state.blame_of = np.append(state.blame_of, group)
            state.blame = np.append(state.blame, share)


def _keep_groups(state: GroupingState, keep: BoolArray) -> None:
    """Forget all other groups with their members and blame."""
    place = np.cumsum(keep) - 1  # of each kept group among the kept
    members, blamed = keep[state.of], keep[state.blame_of]
    state.group = [name for name, kept in zip(state.group, keep, strict=True) if kept]
    state.first, state.latest = state.first[keep], state.latest[keep]
    state.member = [name for name, kept in zip(state.member, members, strict=True) if kept]
    state.of, state.is_open = place[state.of[members]], state.is_open[members]
    state.channel = [name for name, kept in zip(state.channel, blamed, strict=True) if kept]
    state.blame_of, state.blame = place[state.blame_of[blamed]], state.blame[blamed]

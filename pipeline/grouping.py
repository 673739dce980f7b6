"""Incidents of several series that belong together: close in time, and blaming the same."""

import hashlib
from dataclasses import dataclass
from itertools import compress

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.order import NEVER
from tocsin.pipeline.types import BoolArray, FloatArray, IntArray

_NOWHERE = "\x1f"  # before what an incident without blamed channels is known by; in no channel


@dataclass
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

    def __post_init__(self) -> None:
        self._places: dict[str, int] = {}

    def place_of(self, incident: str) -> int | None:
        """Where an incident stands among the members; None where it is none."""
        if len(self._places) != len(self.member):  # the members were loaded, or some let go
            self._places = {name: place for place, name in enumerate(self.member)}
        return self._places.get(incident)

    def enter(self, incident: str, group: int, *, is_open: bool) -> None:
        """Make an incident the newest member."""
        self._places[incident] = len(self.member)
        self.member.append(incident)
        self.of = np.append(self.of, group)
        self.is_open = np.append(self.is_open, is_open)

    def busy(self) -> BoolArray:
        """Which groups (G,) have an open member."""
        found = np.zeros(len(self.group), dtype=bool)
        found[self.of[self.is_open]] = True
        return found

    def keep(self, groups: BoolArray) -> None:
        """Forget all other groups (G,) with their members and blame."""
        place = np.cumsum(groups) - 1  # of each kept group among the kept
        members, blamed = groups[self.of], groups[self.blame_of]
        self.group = list(compress(self.group, groups))
        self.first, self.latest = self.first[groups], self.latest[groups]
        self.member = list(compress(self.member, members))
        self.of, self.is_open = place[self.of[members]], self.is_open[members]
        self.channel = list(compress(self.channel, blamed))
        self.blame_of, self.blame = place[self.blame_of[blamed]], self.blame[blamed]
        self._places = {}


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which incidents are told as one: those under way together that blame the same channels.

    An incident joins a group if it starts at most `within_ns` after the newest opening, peak or end
    in the group, or while a member is open; in both cases `open_ns` after the group's first start
    at most, so that what goes on for weeks does not gather all that happens. Their blamed channels
    must overlap by `shared` at least: the sum of the smaller of the two shares, 1 for equal blame;
    0 asks for closeness in time alone. Of several groups it joins the one with the largest overlap,
    the oldest of equals. Blame goes by the channel's name, so the same channel of other series
    counts. An incident that blames no channel shares with others of its kind. At most `most` groups
    are kept, those last heard of.

    Groups are found within a partition, as all that it remembers: incidents of two partitions have
    no group in common. What the clock alone tells, while nothing comes, is grouped when it is told;
    a replay, which has no such moments, may group it otherwise.

    Membership is for good: later revisions of an incident have the group of its first, and two
    groups are never joined. An incident that comes back after its group was let go is as new. The
    work a revision is proportional to the groups at hand and the members in them, which are the
    incidents that started within `open_ns` of the first.
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
        place = state.place_of(incident.id)
        if place is not None:
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
        near = incident.started_at - state.latest <= self.within_ns
        if not near.all():
            near |= state.busy()
        near &= incident.started_at - state.first <= self.open_ns
        for group in np.flatnonzero(near).tolist():
            overlap = _overlap(state, group, mine)
            if overlap >= self.shared and overlap > largest:
                best, largest = group, overlap
        return best

    def _found(self, state: GroupingState, incident: Incident) -> int:
        """A new group; the one longest at rest makes room for it."""
        if len(state.group) >= self.most:
            keep = np.ones(len(state.group), dtype=bool)
            keep[int(np.argmin(state.latest))] = False
            state.keep(keep)
        state.group.append(group_id(incident.id))
        state.first = np.append(state.first, incident.started_at)
        state.latest = np.append(state.latest, incident.started_at)
        return len(state.group) - 1

    def _let_go(self, state: GroupingState) -> None:
        """Forget the groups that nothing can join any more."""
        keep = state.clock - state.latest <= self.within_ns
        if not keep.all():
            keep |= state.busy()
        if not keep.all():
            state.keep(keep)


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
    state.enter(incident.id, group, is_open=incident.state != "resolved")
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

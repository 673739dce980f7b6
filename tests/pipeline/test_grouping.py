"""Incidents that are close in time and blame the same are one group, told apart from the rest."""

import math

import numpy as np
import pytest
from oracles.grouping_slow import slow_groups

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.grouping import Grouping, group_id
from tocsin.pipeline.incidents import Incident, Kind, State, incident_id
from tocsin.pipeline.state import fill, flatten, same

MINUTE = 60_000_000_000
FLOW = (("flow", 0.9), ("power", 0.1))
POWER = (("power", 1.0),)


def incident(
    series: str,
    start: int,
    channels: tuple[tuple[str, float], ...] = FLOW,
    *,
    ended: int | None = None,
    revision: int = 1,
    kind: Kind = "anomaly",
) -> Incident:
    """A revision of an incident that starts at a minute; resolved where it has an end."""
    state: State = "open" if ended is None else "resolved"
    return Incident(
        id=incident_id(series, kind, start, "r"),
        revision=revision,
        state=state,
        kind=kind,
        series=series,
        started_at=start * MINUTE,
        opened_at=start * MINUTE,
        ended_at=None if ended is None else ended * MINUTE,
        peak_at=start * MINUTE,
        score=1.0,
        tail=1e-6,
        alpha=1e-4,
        severity=6.0,
        level="warning",
        rows=1,
        channels=channels,
        reason="",
    )


def groups(incidents: list[Incident], rule: Grouping | None = None) -> list[str]:
    rule = rule or Grouping(5 * MINUTE)
    state = rule.start()
    return [rule.assign(state, one) for one in incidents]


def test_incidents_close_in_time_with_shared_blame_are_one_group() -> None:
    first, second = incident("a", 0), incident("b", 4)
    assert groups([first, second]) == [group_id(first.id)] * 2


def test_other_blame_is_another_group() -> None:
    assert len(set(groups([incident("a", 0), incident("b", 1, POWER)]))) == 2


def test_without_a_share_asked_for_closeness_alone_counts() -> None:
    rule = Grouping(5 * MINUTE, shared=0.0)
    assert len(set(groups([incident("a", 0), incident("b", 1, (("heat", 1.0),))], rule))) == 1


def test_an_open_incident_keeps_its_group_open() -> None:
    assert len(set(groups([incident("a", 0), incident("b", 60)]))) == 1


def test_an_incident_of_days_does_not_gather_all_that_happens() -> None:
    assert len(set(groups([incident("a", 0), incident("b", 61)]))) == 2


def test_incidents_that_never_stop_coming_are_a_group_an_hour_and_not_one_without_end() -> None:
    rule, found = Grouping(5 * MINUTE), []
    state = rule.start()
    for nth in range(100):
        found.append(rule.assign(state, incident("a", 4 * nth)))
        rule.assign(state, incident("a", 4 * nth, ended=4 * nth + 1, revision=2))
    assert [found.count(name) for name in dict.fromkeys(found)] == [16, 16, 16, 16, 16, 16, 4]
    assert len(state.member) < 2 * 16


def test_group_that_has_been_over_for_long_is_not_joined() -> None:
    later = [incident("a", 0), incident("a", 0, ended=2, revision=2), incident("b", 8)]
    assert len(set(groups(later))) == 2
    later[2] = incident("b", 7)
    assert len(set(groups(later))) == 1


def test_revisions_keep_the_group_of_the_first_whatever_they_blame() -> None:
    revised = incident("b", 1, POWER, ended=3, revision=2)
    told = groups([incident("a", 0), incident("b", 1), revised, incident("c", 2, POWER)])
    assert told[0] == told[1] == told[2] != told[3]


def test_incident_joins_the_group_it_shares_most_with() -> None:
    both = (("flow", 0.4), ("power", 0.6))
    told = groups([incident("a", 0), incident("b", 0, POWER), incident("c", 1, both)])
    assert told[2] == told[1] != told[0]


def test_incidents_without_blame_go_by_their_kind() -> None:
    stale = [incident(name, 0, (), kind="stale") for name in "ab"]
    told = groups([*stale, incident("c", 0, (), kind="stuck"), incident("d", 0)])
    assert told[0] == told[1]
    assert len(set(told)) == 3


def test_reopened_incident_holds_its_group_open_again() -> None:
    again = [
        incident("a", 0),
        incident("a", 0, ended=2, revision=2),
        incident("a", 0, revision=3),
        incident("b", 50),
    ]
    assert len(set(groups(again))) == 1


def test_no_more_groups_are_kept_than_may_be() -> None:
    rule = Grouping(10**6 * MINUTE, most=3)
    state = rule.start()
    for nth in range(10):
        rule.assign(state, incident("a", nth, ((f"c{nth}", 1.0),)))
    assert len(state.group) == len(state.member) == len(state.channel) == 3
    assert rule.assign(state, incident("b", 11, (("c8", 1.0),))) == state.group[1]


def test_state_stays_small_when_incidents_end() -> None:
    rule = Grouping(5 * MINUTE)
    state = rule.start()
    for nth in range(50):
        rule.assign(state, incident("a", 20 * nth))
        rule.assign(state, incident("a", 20 * nth, ended=20 * nth + 1, revision=2))
    assert (len(state.group), len(state.member), len(state.blame)) == (1, 1, 2)


def story(seed: int, size: int = 120) -> list[Incident]:
    """Revisions of many incidents in time, some resolved, some reopened."""
    rng = np.random.default_rng(seed)
    made: list[Incident] = []
    alive: list[Incident] = []
    now = 0
    for _ in range(size):
        now += int(rng.integers(4))
        if alive and rng.random() < 0.6:
            old = alive[rng.integers(len(alive))]
            ended = None if rng.random() < 0.3 else now
            one = incident(old.series, old.started_at // MINUTE, old.channels, ended=ended,
                           revision=old.revision + 1, kind=old.kind)  # fmt: skip
            alive[alive.index(old)] = one
        else:
            share = float(rng.choice([0.0, 0.5, 0.75]))
            names = rng.permutation(["flow", "power", "heat"])[:2].tolist()
            blamed = ((names[0], 1 - share), (names[1], share)) if rng.random() < 0.9 else ()
            one = incident(f"s{len(made)}", now, blamed, kind="anomaly" if blamed else "stale")
            alive.append(one)
        made.append(one)
    return made


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_streaming_agrees_with_the_slow_way(seed: int, shared: float) -> None:
    within, longest = 3 * MINUTE, 20 * MINUTE
    told = groups(story(seed), Grouping(within, longest, shared, most=10**6))
    assert told == slow_groups(story(seed), within, longest, shared)
    assert 1 < len(set(told)) < 120


def test_saved_and_restored_goes_on_the_same() -> None:
    rule, whole = Grouping(3 * MINUTE), story(9)
    state = rule.start()
    told = [rule.assign(state, one) for one in whole[:60]]
    kept = {
        path: part.copy() if isinstance(part, (np.ndarray, list)) else part
        for path, part in flatten(state).items()
    }
    restored = fill(rule.start(), kept, "here")
    assert same(restored, state)
    assert told + [rule.assign(restored, one) for one in whole[60:]] == groups(whole, rule)


@pytest.mark.parametrize(
    "wrong", [{"within_ns": -1}, {"shared": 1.5}, {"shared": math.nan}, {"most": 0}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Grouping(**wrong)  # type: ignore[arg-type] # wrong on purpose

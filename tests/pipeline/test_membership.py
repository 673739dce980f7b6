"""Every revision that leaves the pipeline carries its group, however the rows came in."""

from dataclasses import replace

import numpy as np
import pytest
from oracles.grouped_streams import BY_BLAME, BY_TIME, silences
from oracles.pipeline_chains import CHAINS, PLAIN
from oracles.pipeline_runs import SECOND, Stream, cuts, expect_same, play, resume, troubled

from tocsin.pipeline.acceptance import accept
from tocsin.pipeline.blobs import decode, encode
from tocsin.pipeline.chain import Chain, ChainState, start
from tocsin.pipeline.grouping import Grouping, group_id
from tocsin.pipeline.health import Health, Limits
from tocsin.pipeline.incidents import Incident
from tocsin.pipeline.snapshot import block_of, header, restore, shared_part
from tocsin.pipeline.step import idle, step
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import Spec

GROUPED = replace(PLAIN, grouping=BY_TIME)
HARSH = replace(
    PLAIN,
    spec=Spec((2,)),
    threshold=FixedTail(1e-9),
    health=Health(stale_after_ns=8 * SECOND, limits=(Limits(low=-50, high=50),)),
    grouping=Grouping(10 * SECOND, 60 * SECOND, shared=0.0),
)


@pytest.mark.parametrize("name", ["plain", "late", "grid", "watched"])
@pytest.mark.parametrize("grouping", [BY_TIME, BY_BLAME], ids=["by time", "by blame"])
def test_no_cut_changes_the_groups_where_many_series_fall_silent(
    name: str, grouping: Grouping
) -> None:
    chain, stream = replace(CHAINS[name], grouping=grouping), silences(1)
    whole = play(chain, stream)
    assert len(whole.of("stale")) > 10
    assert 1 < len({each.group for each in whole.incidents}) < len(whole.incidents) / 2
    for pieces in (3, 25):
        expect_same(whole, play(chain, stream, cuts(len(stream), pieces, seed=pieces)))


def hushed(outside: int) -> Stream:
    """Four series; c and d are silent from second 50 on, d until 60 and c until 65.

    `outside` is the row, counted from the one after which c and d count as silent, whose value is
    out of its range.
    """
    tick, key = np.repeat(np.arange(80), 4), np.tile(np.arange(4), 80)
    keep = (key < 2) | (tick < 50) | ((key == 3) & (tick >= 60)) | ((key == 2) & (tick >= 65))
    values = np.random.default_rng(0).normal(size=(len(key), 2))[keep]
    tick, key = tick[keep], key[keep]
    after = int(np.flatnonzero(tick > 49 + 8)[0])
    values[after + outside, 0] = 99.0
    return Stream(["abcd"[which] for which in key], tick * SECOND, values)


@pytest.mark.parametrize(
    ("outside", "first"), [(-1, "out_of_range"), (0, "out_of_range"), (1, "stale")]
)
def test_a_silence_stands_just_after_the_row_that_first_shows_it(outside: int, first: str) -> None:
    stream = hushed(outside)
    whole = play(HARSH, stream)
    begun = {each.id for each in whole.of(first) if each.series != "d"}
    assert {each.group for each in whole.incidents} == {group_id(name) for name in begun}
    assert {each.series for each in whole.of("stale")} == {"c", "d"}
    expect_same(whole, play(HARSH, stream, range(len(stream) + 1)))


def saved_and_restored(chain: Chain, state: ChainState) -> ChainState:
    shared = decode(encode(shared_part(state)), "shelf")
    return restore(chain, header(chain), shared, {0: decode(encode(block_of(state, 0)), "s")}, "s")


@pytest.mark.parametrize("grouping", [BY_TIME, BY_BLAME], ids=["by time", "by blame"])
def test_killed_and_resumed_goes_on_with_the_same_groups(grouping: Grouping) -> None:
    chain, stream = replace(PLAIN, grouping=grouping), silences(2)
    whole, half = play(chain, stream), len(stream) // 2
    state = start(chain)
    before = step(chain, state, *stream.columns(0, half)).incidents
    state = saved_and_restored(chain, state)
    rest = resume(chain, state, stream.part(half, len(stream)))
    joined = {each.group for each in before} & {each.group for each in rest.incidents}
    assert joined
    expect_same(whole, replace(rest, incidents=before + rest.incidents, verdicts=whole.verdicts))


def without_groups(incidents: list[Incident]) -> str:
    return repr([replace(each, group="") for each in incidents])


def test_grouping_changes_nothing_else() -> None:
    stream = troubled(3, disorder=True)
    plain, named = play(PLAIN, stream), play(GROUPED, stream)
    assert {each.group for each in plain.incidents} == {""}
    assert without_groups(named.incidents) == repr(plain.incidents)
    assert all(each.group for each in named.incidents)


def test_grouping_is_no_part_of_what_is_learned_or_of_an_incidents_name() -> None:
    assert GROUPED.learned_under() == PLAIN.learned_under()
    assert GROUPED.rule() == PLAIN.rule()


def test_a_silence_that_only_the_clock_tells_has_a_group() -> None:
    state, stream = start(HARSH), hushed(0)
    row = step(HARSH, state, *stream.columns(0, 200)).incidents
    silent = idle(HARSH, state, int(stream.time[199]) + 9 * SECOND).incidents
    assert row == []
    assert [each.series for each in silent] == ["a", "b", "c", "d"]
    assert {each.group for each in silent} == {group_id(silent[0].id)}


def test_an_accepted_incident_ends_in_its_group() -> None:
    state, stream = start(GROUPED), troubled(3, disorder=False)
    found = next(
        incident
        for at in range(len(stream))
        for incident in step(GROUPED, state, *stream.columns(at, at + 1)).incidents
        if (incident.kind, incident.state) == ("anomaly", "open")
    )
    (ended,) = accept(GROUPED, state, found.series).incidents
    assert (ended.id, ended.state, ended.group) == (found.id, "resolved", found.group)

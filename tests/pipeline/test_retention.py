"""Series that go silent for good are forgotten, and nobody else notices."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.pipeline_chains import CHAINS, PLAIN
from oracles.pipeline_runs import SECOND, Run, Stream, cuts, expect_same, play, resume
from oracles.runs import CHAIN, OFTEN, ONCE, World, items

from tocsin.pipeline import snapshot
from tocsin.pipeline.blobs import decode, encode
from tocsin.pipeline.chain import Chain, ChainState, start
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.grid import Grid
from tocsin.pipeline.order import NEVER, Order
from tocsin.pipeline.retention import Retention
from tocsin.pipeline.runner import RunOptions, Watched
from tocsin.pipeline.selftest.settings import SelfTest
from tocsin.pipeline.snapshot import block_of, header, restore, shared_part
from tocsin.pipeline.state import same
from tocsin.pipeline.step import steps
from tocsin.pipeline.threshold import FixedTail

SHORT = Retention(16 * SECOND)
FORGETFUL = replace(PLAIN, threshold=FixedTail(0.03), retention=SHORT)
VARIANTS: dict[str, Chain] = {
    "plain": FORGETFUL,
    "late": replace(FORGETFUL, order=Order(lateness_ns=3 * SECOND)),
    "grid": replace(FORGETFUL, grid=Grid(2 * SECOND)),
    "quarantine": replace(
        FORGETFUL, gate=Gate(learn="quarantine", quarantine_ns=4 * SECOND, quarantine_rows=2)
    ),
    "tested": replace(
        FORGETFUL, selftest=SelfTest(every_ns=20 * SECOND, every_rows=30, rows=48, trials=4)
    ),
    "grouped": replace(CHAINS["grouped"], retention=SHORT),
    "drifting": replace(CHAINS["drifting"], retention=SHORT),
    "shared": replace(CHAINS["shared"], retention=SHORT),
}


def sent(spells: dict[str, list[tuple[int, int]]], seed: int = 0) -> Stream:
    """A row a second of each series in its spells, from a second to another."""
    rows = sorted(
        (tick, name) for name, each in spells.items() for a, b in each for tick in range(a, b)
    )
    values = np.random.default_rng(seed).normal(size=(len(rows), 2))
    time = np.array([tick for tick, _ in rows]) * SECOND
    return Stream([name for _, name in rows], time, values)


def churn(seed: int, ticks: int = 200) -> Stream:
    """One series that stays; others that come, fail, vanish and sometimes come back."""
    rng = np.random.default_rng(seed)
    spells = {"ever": [(0, ticks)], "back": [(0, 40), (50, 70), (120, ticks)]}
    for number in range(25):
        begin = int(rng.integers(0, ticks - 10))
        spells[f"pod{number}"] = [(begin, min(begin + int(rng.integers(1, 60)), ticks))]
    stream = sent(spells, seed)
    for _ in range(5):
        first = int(rng.integers(0, len(stream) - 30))
        stream.values[first : first + 20] += 8.0
    return stream


@pytest.mark.parametrize("name", VARIANTS)
def test_no_cut_and_no_fast_path_changes_what_is_forgotten(name: str) -> None:
    chain, stream = VARIANTS[name], churn(1)
    whole = play(chain, stream)
    assert len(whole.forgotten) > 10
    assert len(whole.state.keys) < 20 < len(set(stream.series))
    for pieces in (3, 40):
        expect_same(whole, play(chain, stream, cuts(len(stream), pieces, seed=pieces)))
    expect_same(whole, play(chain, stream, range(len(stream) + 1), fast=False))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12)), min_size=1, max_size=60),
    st.data(),
)
def test_any_rows_in_any_cut_forget_the_same(steps_: list[tuple[str, int]], data: Any) -> None:
    time = np.cumsum([gap for _, gap in steps_]) * SECOND
    values = np.random.default_rng(0).normal(size=(len(steps_), 2))
    stream = Stream([name for name, _ in steps_], time, values)
    chain = replace(FORGETFUL, retention=Retention(10 * SECOND))
    edges = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    whole = play(chain, stream)
    expect_same(whole, play(chain, stream, [0, *edges, len(stream)]))
    live = [whole.state.keys.names[key] for key in whole.state.keys.ids()]
    heard = {name: int(time[place]) for place, name in enumerate(stream.series)}
    for name, newest in heard.items():
        if name not in live:
            assert int(time[-1]) - newest >= 10 * SECOND


@pytest.mark.parametrize("name", VARIANTS)
def test_saved_and_restored_between_any_rows_is_never_stopped(name: str) -> None:
    chain, stream = VARIANTS[name], churn(2)
    whole = play(chain, stream)
    state, parts = start(chain), []
    for first, last in pairwise(cuts(len(stream), 12, seed=3)):
        parts += [
            each
            for _, outcome in steps(chain, state, *stream.columns(first, last))
            for each in outcome.incidents
        ]
        state = shelved(chain, state)
    last_run = resume(chain, state, stream.part(0, 0))
    assert repr(parts + last_run.incidents) == repr(whole.incidents)
    assert same(last_run.state, whole.state)


def shelved(chain: Chain, state: ChainState) -> ChainState:
    """The state as the store gives it back."""
    shared, block = encode(shared_part(state)), encode(block_of(state, 0))
    blocks = {0: decode(block, "shelf")} if len(state.keys) else {}
    return restore(chain, header(chain), decode(shared, "shelf"), blocks, "shelf")


def of_series(run: Run, key: int, times: slice) -> list[Any]:
    rows = np.flatnonzero(run.verdicts.key == key)[times]
    return [getattr(run.verdicts, name)[rows].tolist() for name in ("time", "score")]


def test_a_new_series_takes_the_place_and_is_judged_as_one_that_never_shared_it() -> None:
    goes = {"ever": [(0, 200)], "goes": [(0, 60)]}
    reused = play(FORGETFUL, sent(goes | {"later": [(100, 200)]}))
    assert reused.state.keys.names == ["ever", "later"]
    assert reused.forgotten == ["goes"]
    never = play(replace(FORGETFUL, retention=None), sent(goes | {"later": [(100, 200)]}))
    assert never.state.keys.names == ["ever", "goes", "later"]
    newest = slice(-100, None)
    assert repr(of_series(reused, 1, newest)) == repr(of_series(never, 2, newest))
    assert repr(of_series(reused, 0, newest)) == repr(of_series(never, 0, newest))


def test_a_series_is_forgotten_between_the_time_and_nine_eighths_of_it() -> None:
    for end in range(60, 68):
        stream, state = sent({"ever": [(0, 100)], "goes": [(0, end)]}), start(FORGETFUL)
        for taken, outcome in steps(FORGETFUL, state, *stream.columns(0, len(stream))):
            if outcome.forgotten:  # before this row was taken
                clock = int(stream.time[taken.start - 1]) // SECOND
                assert 16 <= clock - (end - 1) <= 18
                break
        else:
            pytest.fail("it is remembered")


def test_a_series_that_speaks_now_and_then_is_kept() -> None:
    often = {"ever": [(0, 200)], "rare": [(at, at + 1) for at in range(0, 200, 15)]}
    assert play(FORGETFUL, sent(often)).forgotten == []


def test_a_row_that_is_refused_keeps_its_series() -> None:
    stream = sent({"ever": [(0, 100)], "stuck": [(0, 100)]})
    stuck = np.array(stream.series) == "stuck"
    stream.time[stuck] = np.minimum(stream.time[stuck], 10 * SECOND)
    run = play(FORGETFUL, stream)
    assert {why for _, why in run.refused} == {"duplicate"}
    assert run.forgotten == []


def test_a_gap_of_everybody_makes_nobody_forgotten_who_speaks_after_it() -> None:
    spells = {name: [(0, 60), (900, 960)] for name in ("a", "b", "c")}
    run = play(replace(FORGETFUL, order=Order(max_ahead_ns=2000 * SECOND)), sent(spells))
    assert run.refused == []
    assert run.forgotten == []


def test_what_is_open_ends_with_the_reason_and_is_told_once() -> None:
    stream = sent({"ever": [(0, 200)], "goes": [(0, 90)]})
    stream.values[(np.array(stream.series) == "goes") & (stream.time >= 80 * SECOND)] += 20.0
    run = play(FORGETFUL, stream)
    told = {(each.kind, each.state): each for each in run.incidents if each.series == "goes"}
    assert {kind for kind, _ in told} == {"anomaly", "stale"}
    for kind in ("anomaly", "stale"):
        over = told[kind, "resolved"]
        assert over.reason.endswith("; forgotten after 16s without a row")
        assert over.ended_at is not None
        assert over.ended_at >= told[kind, "open"].opened_at
    assert told["anomaly", "resolved"].ended_at == 89 * SECOND
    names = [(each.id, each.revision) for each in run.incidents]
    assert len(names) == len(set(names))


def test_the_open_step_of_a_grid_is_judged_before_its_series_is_forgotten() -> None:
    chain = replace(FORGETFUL, grid=Grid(2 * SECOND))
    spells = {"ever": [(0, 200)], "goes": [(0, 61)]}
    run = play(chain, sent(spells))
    mine = run.verdicts.time[run.verdicts.key == 1]
    kept = play(replace(chain, retention=None), sent(spells))
    assert mine.tolist() == kept.verdicts.time[kept.verdicts.key == 1].tolist()
    assert run.forgotten == ["goes"]


def test_rows_that_wait_for_others_keep_their_series() -> None:
    chain = replace(FORGETFUL, order=Order(lateness_ns=15 * SECOND))
    run = play(chain, sent({"ever": [(0, 100)], "goes": [(0, 30)]}))
    assert run.forgotten == ["goes"]
    assert int((run.verdicts.key == 1).sum()) == 30


def test_names_without_number_fill_no_memory() -> None:
    state = start(FORGETFUL)
    for tick in range(800):
        names = [f"pod{tick}-{number}" for number in range(4)]
        time = np.full(4, tick * SECOND)
        for _ in steps(FORGETFUL, state, names, time, np.zeros((4, 2))):
            pass
    assert state.keys.live <= 4 * 20
    assert len(state.calibrator.ring) == len(state.episodes.phase) == 128
    assert len(encode(shared_part(state))) < 20_000


def test_the_most_series_are_those_there_are() -> None:
    chain = replace(FORGETFUL, max_series=2)
    spells = {"ever": [(0, 200)], "goes": [(0, 60)], "early": [(50, 60)], "later": [(100, 200)]}
    run = play(chain, sent(spells))
    assert len(run.refused) == 10
    assert run.state.keys.names == ["ever", "later"]


def test_turned_on_later_it_counts_from_then_on() -> None:
    off = replace(FORGETFUL, retention=None)
    stream = sent({"ever": [(0, 200)], "goes": [(0, 60)]})
    half = int(np.searchsorted(stream.time, 90 * SECOND))
    state = start(off)
    for _ in steps(off, state, *stream.columns(0, half)):
        pass
    shared, block = shared_part(state), block_of(state, 0)
    again = restore(FORGETFUL, header(off), shared, {0: block}, "shelf")
    found = [
        (int(stream.time[half + taken.start]) // SECOND, outcome.forgotten)
        for taken, outcome in steps(FORGETFUL, again, *stream.columns(half, len(stream)))
        if outcome.forgotten
    ]
    assert [names for _, names in found] == [("goes",)]
    assert 90 + 16 <= found[0][0] <= 90 + 19


@pytest.mark.parametrize("options", [OFTEN, ONCE], ids=["often", "once"])
def test_a_run_tells_refuses_and_keeps_the_same_however_it_reads(
    tmp_path: Path, options: RunOptions
) -> None:
    chain = replace(CHAIN, retention=SHORT)
    stream = churn(4, ticks=110)
    again = [*range(len(stream)), *range(0, len(stream), 9)]  # rows that come twice, at the end
    rows = Stream([stream.series[at] for at in again], stream.time[again], stream.values[again])
    told, dead, names = [], [], []
    for size in (3, 17, 10_000):
        one = World(tmp_path / f"{size}.db", {"a": items(rows, 31)}, cuts=(size,))
        judged: list[tuple[str, int]] = []

        def see(seen: Watched, judged: list[tuple[str, int]] = judged) -> None:
            verdicts = seen.outcome.verdicts
            owners = [str(seen.series[key]) for key in verdicts.key.tolist()]
            judged += zip(owners, verdicts.time.tolist(), strict=True)

        summary = one.run(options, chain=chain, watch=see)
        assert summary.forgotten > 10
        assert summary.rows == len(rows)
        told.append(one.told())
        dead.append(one.dead())
        names.append(sorted(judged))
    assert told[0] == told[1] == told[2]
    assert dead[0] == dead[1] == dead[2]
    assert names[0] == names[1] == names[2]
    assert set(names[0]) >= set(zip(stream.series, stream.time.tolist(), strict=True))


def test_many_lives_of_a_process_tell_what_one_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "BLOCK", 2)  # what is not written down again is missed
    chain, rows = replace(CHAIN, retention=SHORT), items(churn(5), 31)
    one = World(tmp_path / "one.db", {"a": rows}, cuts=(11,))
    one.run(OFTEN, chain=chain)
    many = World(tmp_path / "many.db", {"a": rows}, cuts=(11,))
    lives, forgotten = 0, 0
    while many.committed.get("a", 0) < one.committed["a"]:
        readings = iter(range(9))
        summary = many.run(ONCE, chain=chain, stop=lambda left=readings: next(left, None) is None)
        forgotten += summary.forgotten
        lives += 1
    assert lives > 5
    assert forgotten > 10
    assert many.told() == one.told()
    assert many.dead() == one.dead()


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="8 ns at least"):
        Retention(7)
    late = Order(lateness_ns=16 * SECOND)
    with pytest.raises(ConfigError, match="found 16s, and an allowed lateness of 16s"):
        replace(FORGETFUL, order=late)


def test_before_any_row_nothing_is_due() -> None:
    state = SHORT.start()
    assert not SHORT.is_due(state, NEVER)
    assert SHORT.until_due(NEVER, np.array([5, 6])) == 1
    assert SHORT.until_due(NEVER, np.array([], dtype=np.int64)) == 0


def test_one_span_after_another_is_looked_at_once() -> None:
    state = SHORT.start()
    due = [SHORT.is_due(state, clock * SECOND) for clock in (0, 1)]
    assert due == [False, False]
    assert SHORT.is_due(state, 2 * SECOND)
    SHORT.look(state, 2 * SECOND, np.empty(0, dtype=np.int64))
    assert not SHORT.is_due(state, 3 * SECOND)


def test_a_series_that_comes_back_begins_anew() -> None:
    stream = sent({"ever": [(0, 220)], "goes": [(0, 90), (200, 220)]})
    stream.values[(np.array(stream.series) == "goes") & (stream.time >= 80 * SECOND)] += 20.0

    def alarms(chain: Chain) -> int:
        run = play(chain, stream)
        late = run.verdicts.time >= 200 * SECOND
        return int(
            run.verdicts.alarm[late & (run.verdicts.key == run.state.keys.find("goes"))].sum()
        )

    assert alarms(FORGETFUL) == 0  # it warms up; what it shows now is its normal
    assert alarms(replace(FORGETFUL, retention=None)) > 15

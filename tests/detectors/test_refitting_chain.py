"""A detector that is fitted anew in the whole chain: no row is lost, none is judged twice."""

from dataclasses import replace

import numpy as np
import pytest
from oracles.pipeline_chains import PLAIN
from oracles.pipeline_runs import cuts, expect_same, play, troubled

from tocsin.detectors.classical.knn import Knn
from tocsin.detectors.combined.refitted import Refitted
from tocsin.detectors.windows.window_std import WindowStd
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.types import Scorer
from tocsin.pipeline.window import Window

SCORERS = {
    "rows": Knn(train=40, memory=80),
    "windows": WindowStd(window=4, train=40, memory=80),
}


def refitting(of: Scorer[object], lag: int) -> Refitted:
    return Refitted(of, every=30, lag=lag, memory=90)


@pytest.mark.parametrize(("of", "lag"), [("rows", 0), ("rows", 11), ("windows", 11)])
def test_no_cut_and_no_path_changes_a_refitted_run(of: str, lag: int) -> None:
    scorer = refitting(SCORERS[of], lag)
    chain = replace(
        PLAIN,
        scorer=scorer,
        window=Window(scorer.frames),
        threshold=FixedTail(0.02),
        gate=Gate(),
    )
    stream = troubled(8, ticks=200, disorder=True)
    whole = play(chain, stream, fast=False)
    assert whole.verdicts.alarm.any()
    expect_same(whole, play(chain, stream))
    for seed in range(2):
        pieces = 1 + int(np.random.default_rng(seed).integers(1, 30))
        expect_same(whole, play(chain, stream, cuts(len(stream), pieces, seed)))


def test_every_row_is_judged_once_and_without_a_gap() -> None:
    chain = replace(PLAIN, scorer=refitting(SCORERS["rows"], 11), threshold=FixedTail(0.02))
    stream = troubled(9, ticks=250, disorder=False)
    verdicts = play(chain, stream, cuts(len(stream), 9, 0)).verdicts
    rows = list(zip(verdicts.key.tolist(), verdicts.time.tolist(), strict=True))
    assert len(rows) == len(set(rows)) == len(stream)
    known = ~np.isnan(verdicts.score)
    for key in range(3):
        spoken = known[verdicts.key == key]
        mine = np.array([series == f"s{key}" for series in stream.series])
        there = np.logical_not(np.isnan(stream.values[mine]).all(axis=1))
        begins = int(spoken.argmax())
        np.testing.assert_array_equal(spoken[begins:], there[begins:])

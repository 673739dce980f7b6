"""The shipped detectors in the whole chain: no cut and no path changes a bit."""

from dataclasses import replace

import numpy as np
import pytest
from oracles.pipeline_chains import PLAIN
from oracles.pipeline_runs import SECOND, cuts, expect_same, play, troubled

from tocsin.detectors.catalogue import entries, load
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.threshold import FixedTail

DETECTORS = [name for name, entry in entries().items() if entry.item == "channels"]
SOONER = {  # than the stream ends
    "half_space_trees": {"window": 60, "trees": 10},
    "mahalanobis": {"half_life": 60},
}
GATES = {
    "always": Gate(learn="always"),
    "freeze": Gate(),
    "then learn": Gate(at_most_ns=5 * SECOND, then="learn"),
}


def chain_of(detector: str, gate: Gate) -> Chain:
    return replace(
        PLAIN,
        scorer=load(detector)(**SOONER.get(detector, {})),
        gate=gate,
        threshold=FixedTail(0.02),
    )


@pytest.mark.parametrize("detector", DETECTORS)
def test_forty_cuts_of_a_stream_give_the_same_incidents(detector: str) -> None:
    chain, stream = chain_of(detector, Gate()), troubled(8, ticks=320, disorder=True)
    whole = play(chain, stream)
    assert whole.verdicts.alarm.any()
    for seed in range(40):
        pieces = 1 + int(np.random.default_rng(seed).integers(1, 30))
        expect_same(whole, play(chain, stream, cuts(len(stream), pieces, seed)))


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("detector", DETECTORS)
def test_the_fast_path_is_the_slow_path(detector: str, gate: str) -> None:
    chain, stream = chain_of(detector, GATES[gate]), troubled(9, ticks=320, disorder=False)
    slow = play(chain, stream, fast=False)
    assert slow.verdicts.alarm.any()
    expect_same(slow, play(chain, stream))

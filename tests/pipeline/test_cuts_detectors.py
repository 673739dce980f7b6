"""The shipped detectors in the whole chain: no cut and no path changes a bit."""

from dataclasses import replace

import numpy as np
import pytest
from oracles.pipeline_chains import PLAIN
from oracles.pipeline_runs import SECOND, cuts, expect_same, play, troubled
from oracles.small_detectors import SMALL

from tocsin.detectors.catalogue import entries, load
from tocsin.pipeline.chain import Chain
from tocsin.pipeline.gate import Gate
from tocsin.pipeline.threshold import FixedTail
from tocsin.pipeline.window import Window

DETECTORS = [name for name, entry in entries().items() if entry.item == "channels"]
SETTINGS = SMALL | {  # that are done with learning before the stream ends, and see its faults
    "half_space_trees": {"window": 60, "trees": 10},
    "mahalanobis": {"half_life": 60},
}
# Detectors that keep their own moving state; all others have it from a shared part or are slow.
MOVING = {"ewma", "half_space_trees", "left_profile", "mahalanobis", "moving_std", "moving_z"}
FEW_CUTS = 3
QUIET = {"compatibility", "constant", "path_scores"}  # have no opinion of noise, or one for all
GATES = {
    "always": Gate(learn="always"),
    "freeze": Gate(),
    "then learn": Gate(at_most_ns=5 * SECOND, then="learn"),
}


def chain_of(detector: str, gate: Gate) -> Chain:
    scorer = load(detector)(**SETTINGS.get(detector, {}))
    return replace(
        PLAIN,
        scorer=scorer,
        window=Window(getattr(scorer, "frames", 1)),
        gate=gate,
        threshold=FixedTail(0.02),
    )


@pytest.mark.parametrize("detector", DETECTORS)
def test_no_cut_of_a_stream_changes_the_incidents(detector: str) -> None:
    chain, stream = chain_of(detector, Gate()), troubled(8, ticks=320, disorder=True)
    whole = play(chain, stream)
    assert whole.verdicts.alarm.any() or detector in QUIET
    for seed in range(40 if detector in MOVING else FEW_CUTS):
        pieces = 1 + int(np.random.default_rng(seed).integers(1, 30))
        expect_same(whole, play(chain, stream, cuts(len(stream), pieces, seed)))


@pytest.mark.parametrize(
    ("detector", "gate"),
    [(name, gate) for name in DETECTORS for gate in GATES if name in MOVING or gate == "freeze"],
)
def test_the_fast_path_is_the_slow_path(detector: str, gate: str) -> None:
    chain, stream = chain_of(detector, GATES[gate]), troubled(9, ticks=320, disorder=False)
    slow = play(chain, stream, fast=False)
    assert slow.verdicts.alarm.any() or detector in QUIET
    expect_same(slow, play(chain, stream))

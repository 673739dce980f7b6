"""Learned detectors of every kind, fitted anew: no gap, and no difference between the paths."""

from typing import Any

import numpy as np
import pytest
from oracles.refitting import windows
from oracles.small_detectors import SMALL

from tocsin.detectors.catalogue import load
from tocsin.detectors.combined.refitted import Refitted
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.state import same
from tocsin.pipeline.types import Spec

SETTINGS: dict[str, dict[str, Any]] = {
    **{name: SMALL[name] for name in ("degradation_transformer", "linear_forecast")},
    **{name: SMALL[name] for name in ("patch_memory", "signature_mahalanobis", "tree_forecast")},
    "autoencoder": {"train": 60, "memory": 200, "epochs": 1},
    "oracle_ad": {**SMALL["oracle_ad"], "steps": 3},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_learned_detector_is_refitted_without_a_gap_in_blocks_as_in_ticks(name: str) -> None:
    scorer = Refitted(load(name)(**SETTINGS[name]), every=30, lag=12, memory=300)
    batch = windows(np.random.default_rng(0).normal(size=(scorer.warmup + 45, 2)), scorer.frames)
    fast, slow = scorer.start(Spec((2,), scorer.frames)), scorer.start(Spec((2,), scorer.frames))
    for state in (fast, slow):
        grow(state, 1)
    score = scorer.advance(fast, batch).value
    assert np.isnan(score[: scorer.warmup]).all()
    assert not np.isnan(score[scorer.warmup :]).any()
    for row, tick in enumerate(batch.ticks()):
        assert scorer.score(slow, tick).value.tobytes() == score[row : row + 1].tobytes()
        scorer.learn(slow, tick)
    assert same(fast, slow)

"""Each detector finds the faults that it claims, over several seeds and widths."""

from typing import Any

import numpy as np
import pytest
from oracles.streams import played

from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.half_space_trees import HalfSpaceTrees
from tocsin.detectors.classical.mahalanobis import Mahalanobis
from tocsin.detectors.classical.moving_std import MovingStd
from tocsin.detectors.classical.moving_z import MovingZ
from tocsin.detectors.images.block_dct import BlockDct
from tocsin.evaluation.planted import area_under_curve, ordinary, plant

SCORERS = [MovingZ(), Ewma(), MovingStd(), Mahalanobis(), HalfSpaceTrees(), BlockDct()]
SEEDS = range(8)
LASTS = 40  # ticks


def _cases() -> list[Any]:
    found = []
    for scorer in SCORERS:
        shapes = [(32, 32)] if scorer.traits.item == "frame" else [(1,), (3,), (10,)]
        for fault in sorted(scorer.traits.detects):
            for item in shapes[1:] if fault == "broken_correlation" else shapes:
                name = f"{type(scorer).__name__}-{fault}-{item[0]}"
                found.append(pytest.param(scorer, fault, item, id=name))
    return found


@pytest.mark.parametrize(("scorer", "fault", "item"), _cases())
def test_a_claimed_fault_is_found(scorer: Any, fault: str, item: tuple[int, ...]) -> None:
    before = 2 * scorer.warmup + 100
    wrong, score = [], []
    for seed in SEEDS:
        frames = ordinary(item, ticks=before + LASTS, keys=1, seed=seed)
        faulty, answer = plant(frames, fault, start=before, seed=seed)
        seen = played(scorer, faulty[:, 0]).value
        # Rows right after a wrong one are left out: a score may take a while to calm down.
        judged = ~np.isnan(seen) & (answer[:, 0] | (np.arange(len(seen)) < before))
        wrong.append(answer[judged, 0])
        score.append(seen[judged])
    assert area_under_curve(np.concatenate(wrong), np.concatenate(score)) >= 0.8

"""Broken detectors are called blind within one round, healthy ones in none of many."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracles.selftest_play import (
    QUICK,
    Clockwork,
    Constant,
    Dice,
    UnsplitTrees,
    chain_of,
    clean,
    play,
)

from tocsin.detectors.classical.ewma import Ewma
from tocsin.detectors.classical.half_space_trees import HalfSpaceTrees
from tocsin.detectors.classical.mahalanobis import Mahalanobis
from tocsin.detectors.classical.moving_std import MovingStd
from tocsin.detectors.classical.random_cut_forest import RandomCutForest
from tocsin.pipeline.selftest.settings import SelfTest

ROUND = QUICK.every_rows
WARM = 432  # rows, nine boundaries, before the first round can be judged

BROKEN: dict[str, Any] = {
    "constant": Constant(),
    "constant but for rounding": Constant(rounding=True),
    "the same for all": Clockwork(),
    "trees that never split": UnsplitTrees(trees=5, depth=4, window=50),
}
HEALTHY: dict[str, Any] = {
    "ewma": Ewma(half_life=40),
    "mahalanobis": Mahalanobis(half_life=40),
    "moving_std": MovingStd(window=10),
    "half_space_trees": HalfSpaceTrees(trees=10, depth=5, window=50),
    "random_cut_forest": RandomCutForest(trees=8, samples=32),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_detector_is_blind_within_one_round(name: str) -> None:
    played = play(chain_of(BROKEN[name]), QUICK, clean(WARM))
    assert set(played.states()) == {"blind"}
    assert played.tested.blind.tolist() == [0]


def test_scores_that_have_nothing_to_do_with_the_rows_are_blind() -> None:
    whole = SelfTest(every_ns=0, every_rows=64)
    found = play(chain_of(Dice()), whole, clean(12 * 64)).states()
    assert found.count("blind") > 0.8 * len(found) > 4


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_detector_is_never_blind(name: str) -> None:
    rounds = 12 if name == "random_cut_forest" else 25
    found = play(chain_of(HEALTHY[name]), QUICK, clean(WARM + rounds * ROUND)).states()
    assert found.count("healthy") >= rounds
    assert "blind" not in found


def test_healthy_detector_is_never_blind_in_a_thousand_rounds() -> None:
    # Four series at once, each with its own rounds, so that judging the rows costs little.
    four = replace(QUICK, every_rows=4 * ROUND, series=4)
    values = clean(4 * (WARM + 260 * ROUND), seed=1).reshape(-1, 4, 2)
    found = play(chain_of(Ewma(half_life=40)), four, values).states()
    assert found.count("healthy") >= 1000
    assert "blind" not in found


def test_healthy_detector_is_never_blind_on_levels_without_noise() -> None:
    levels = np.where(np.arange(WARM + 20 * ROUND) // 70 % 2, 80.0, 20.0)[:, None]
    tiny = 1e-7 * np.sin(np.arange(len(levels)))[:, None]
    found = play(chain_of(HEALTHY["half_space_trees"]), QUICK, levels + tiny + np.zeros((1, 2)))
    assert found.states().count("healthy") >= 8
    assert "blind" not in found.states()


@pytest.mark.parametrize("name", ["ewma", "half_space_trees"])
def test_healthy_detector_is_never_blind_on_waves_and_steps(name: str) -> None:
    rows = WARM + 12 * ROUND
    wave = 10.0 * np.sin(np.arange(rows) / 20.0)[:, None]
    steps = np.rint(clean(rows, seed=3) + wave)
    found = play(chain_of(HEALTHY[name]), QUICK, steps).states()
    assert found.count("healthy") >= 8
    assert "blind" not in found

"""Block maxima hold the rate of alarmed blocks on autocorrelated scores; plain tails do not."""

import numpy as np
import pytest
from oracles.calibration import Blocks

from tocsin.pipeline.calibrate import Conformal
from tocsin.pipeline.calibration.block import BlockConformal, block_length
from tocsin.pipeline.calibration.rounds import in_rounds
from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.keyed import grow
from tocsin.pipeline.types import FloatArray

KEYS, BLOCK = 60, 15
LEVEL = 1 - 0.9 ** (1 / BLOCK)  # at which a tenth of the blocks is to alarm


def runs(ticks: int, memory: float, seed: int, keys: int = KEYS) -> FloatArray:
    """Standard normal AR(1) scores (ticks, keys)."""
    value = np.random.default_rng(seed).normal(size=(ticks, keys))
    for tick in range(1, ticks):
        value[tick] = memory * value[tick - 1] + np.sqrt(1 - memory**2) * value[tick]
    return value


def late_tails(calibrator: BlockConformal | Conformal, value: FloatArray, late: int) -> FloatArray:
    """Tails of the last `late` ticks (late, keys), everything being learned."""
    ticks, keys = value.shape
    state = calibrator.start()
    grow(state, keys)
    key = np.tile(np.arange(keys), ticks)
    tail = calibrator.advance(state, key, np.zeros_like(key), value.ravel())  # type: ignore[arg-type]  # each its own state
    return tail.reshape(ticks, keys)[-late:]


def alarmed_blocks(tail: FloatArray) -> float:
    """The share of blocks with a tail below the level."""
    return float((tail.reshape(-1, BLOCK, tail.shape[1]) < LEVEL).any(axis=1).mean())


def test_on_autocorrelated_scores_the_share_of_alarmed_blocks_is_as_the_level_says() -> None:
    value = runs(100 * BLOCK, np.exp(-5 / BLOCK), seed=1)
    tail = late_tails(BlockConformal(BLOCK, history=60, alone=20, least=20), value, 40 * BLOCK)
    assert alarmed_blocks(tail) == pytest.approx(0.1, rel=0.2)


def test_plain_tails_with_as_long_a_history_alarm_in_far_fewer_blocks() -> None:
    value = runs(100 * BLOCK, np.exp(-5 / BLOCK), seed=1)
    tail = late_tails(Conformal(history=60 * BLOCK), value, 40 * BLOCK)
    assert alarmed_blocks(tail) < 0.1 * 0.8
    assert (tail < LEVEL).mean() == pytest.approx(LEVEL, rel=0.2)


def test_plain_tails_with_a_short_history_alarm_in_far_more_rows() -> None:
    value = runs(60 * BLOCK, np.exp(-5 / BLOCK), seed=2)
    tail = late_tails(Conformal(history=150, alone=150, extremes=False), value, 40 * BLOCK)
    assert (tail < LEVEL).mean() > 1.2 * LEVEL


def test_on_independent_scores_block_and_row_levels_agree() -> None:
    value = runs(100 * BLOCK, 0.0, seed=3)
    tail = late_tails(BlockConformal(BLOCK, history=60, alone=20, least=20), value, 40 * BLOCK)
    assert alarmed_blocks(tail) == pytest.approx(0.1, rel=0.2)
    assert (tail < LEVEL).mean() == pytest.approx(LEVEL, rel=0.25)


def test_tails_are_those_counted_by_hand() -> None:
    calibrator = BlockConformal(block=4, history=7, alone=5, least=5, extremes=False)
    state, counting = calibrator.start(), Blocks(4, 7, 5)
    grow(state, 1)
    zero = np.array([0])
    for score in np.random.default_rng(4).normal(size=80).round(1):
        found = calibrator.tail(state, zero, zero, np.array([score]))[0]
        assert found == pytest.approx(counting.tail(score), rel=1e-12, nan_ok=True)
        calibrator.learn(state, zero, zero, np.array([score]))
        counting.scores.append(score)


def test_rounds_are_the_loop_row_by_row() -> None:
    calibrator = BlockConformal(block=3, history=9, alone=5, least=2)
    rng = np.random.default_rng(5)
    key, value = rng.integers(0, 4, 200), rng.normal(size=200)
    value[rng.random(200) < 0.1] = np.nan
    states = [calibrator.start() for _ in range(2)]
    for state in states:
        grow(state, 4)
    wanted = []
    for row in range(200):
        one = slice(row, row + 1)
        wanted.append(calibrator.tail(states[0], key[one], key[one], value[one])[0])
        calibrator.learn(states[0], key[one], key[one], value[one])
    np.testing.assert_array_equal(in_rounds(calibrator, states[1], key, key, value), wanted)


def test_the_size_counts_blocks() -> None:
    calibrator = BlockConformal(block=4, history=7, alone=5, least=5)
    state = calibrator.start()
    grow(state, 1)
    zeros = np.zeros(23, dtype=np.int64)
    calibrator.advance(state, zeros, zeros, np.arange(23.0))
    assert calibrator.size(state, np.array([0])).tolist() == [5]


@pytest.mark.parametrize(
    ("memory", "low", "high"), [(0.0, 10, 12), (0.8, 35, 60), (0.95, 140, 300)]
)
def test_the_block_length_is_ten_correlation_times(memory: float, low: int, high: int) -> None:
    assert low <= block_length(runs(5000, memory, seed=6, keys=1)[:, 0]) <= high


@pytest.mark.parametrize(
    "scores", [np.zeros(100), np.arange(5.0), np.full(100, np.nan)], ids=["flat", "few", "none"]
)
def test_scores_that_say_nothing_give_the_shortest_block(scores: FloatArray) -> None:
    assert block_length(scores) == 10


def test_the_block_length_has_a_bound() -> None:
    assert block_length(np.arange(5000.0), most=300) == 300


def test_a_block_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="need block >= 1"):
        BlockConformal(block=0)

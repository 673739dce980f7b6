"""The compiled network equals the trained one and a slow, obvious one; training is a function."""

import numpy as np
import pytest
import torch
from oracles.oracle_ad import coupled, reading
from oracles.windows import windows_of

from tocsin.detectors.reconstruction.oracle_network import Training, begun, train, unfolded
from tocsin.detectors.reconstruction.oracle_network_kernel import OracleWeights, read
from tocsin.pipeline.types import FloatArray

HOW = Training(width=6, heads=3, steps=4, batch=16)


def windows(width: int) -> FloatArray:
    return np.random.default_rng(1).normal(size=(30, 5, width))


def weights(width: int) -> OracleWeights:
    return begun(width, HOW.width, np.random.default_rng(2))


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("width", [1, 3])
def test_the_compiled_network_equals_the_obvious_one(width: int, unit: bool) -> None:
    found = read(windows(width), weights(width), HOW.heads, unit)
    for row, window in enumerate(windows(width)):
        guess, distance = reading(window, weights(width), HOW.heads, unit=unit)
        assert found.guess[row] == pytest.approx(guess, abs=1e-12)
        assert found.distance[row] == pytest.approx(distance, abs=1e-12)


def test_the_compiled_network_equals_the_one_in_training() -> None:
    tensors = {name: torch.from_numpy(x) for name, x in weights(3)._asdict().items()}
    found = read(windows(3), weights(3), HOW.heads, HOW.unit)
    there = unfolded(torch.from_numpy(windows(3)), tensors, HOW)
    assert found.guess == pytest.approx(there.values[:, :, -1].T.numpy(), abs=1e-12)
    assert found.distance == pytest.approx(there.distance.numpy(), abs=1e-12)


def test_the_newest_row_has_no_part_in_its_own_reading() -> None:
    other = windows(3)
    other[:, -1] += 100.0
    one, two = (read(x, weights(3), HOW.heads, HOW.unit) for x in (windows(3), other))
    assert np.array_equal(one.guess, two.guess)
    assert np.array_equal(one.distance, two.distance)


def test_a_window_reads_the_same_in_any_company() -> None:
    whole = read(windows(3), weights(3), HOW.heads, HOW.unit)
    order = np.random.default_rng(3).permutation(30)
    mixed = read(windows(3)[order], weights(3), HOW.heads, HOW.unit)
    assert np.array_equal(mixed.guess, whole.guess[order])
    for row in (0, 13, 29):
        alone = read(windows(3)[row : row + 1], weights(3), HOW.heads, HOW.unit)
        assert np.array_equal(alone.guess[0], whole.guess[row])
        assert np.array_equal(alone.distance[0], whole.distance[row])


def test_training_gives_the_same_weights_whatever_the_global_generators_hold() -> None:
    rows = windows_of(coupled(60, seed=0, broken=False), 4)
    torch.manual_seed(1)
    one, trace = train(rows, HOW)
    torch.manual_seed(2)
    two, again = train(rows, HOW)
    for left, right in zip(one, two, strict=True):
        assert np.array_equal(left, right)
    assert np.array_equal(trace.loss, again.loss, equal_nan=True)


def test_training_leaves_the_global_generator_and_threads_alone() -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train(windows(2), HOW)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_every_weight_is_moved_by_training() -> None:
    how = Training(width=6, heads=3, steps=4, batch=16)
    before = begun(2, how.width, np.random.default_rng(how.seed))
    after, _ = train(windows(2), how)
    for name, old, new in zip(before._fields, before, after, strict=True):
        # Decay alone would leave the ratio of any two numbers of an array as it was.
        assert not np.allclose(new / old, (new / old).flat[0], rtol=1e-3), name

"""The shifted sensor among correlated ones is named first, and no shift raises no suspicion."""

import numpy as np
import pytest
from oracles import feature_shift as oracle
from sklearn.covariance import ledoit_wolf

from tocsin.detectors.feature_shift import Gaussian, conditional_shift, gaussian, localise
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.types import FloatArray

WRONG = 2


def correlated(rows: int, width: int, seed: int, memory: float = 0.0) -> FloatArray:
    """Channels with a common factor, each row holding `memory` of the one before."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(rows, 1)) + 0.5 * rng.normal(size=(rows, width))
    for n in range(1, rows):
        drawn[n] = memory * drawn[n - 1] + np.sqrt(1 - memory**2) * drawn[n]
    return drawn


def law(mean: FloatArray, covariance: FloatArray) -> Gaussian:
    return Gaussian(mean, covariance, np.linalg.inv(covariance).astype(np.float64))


def test_the_closed_form_is_what_drawing_rows_gives() -> None:
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(2, 4, 4))
    covariances = factors @ factors.transpose(0, 2, 1) + np.eye(4)
    means = rng.normal(size=(2, 4))
    p, q = ((mean, covariance) for mean, covariance in zip(means, covariances, strict=True))
    drawn = oracle.conditional_shift(p, q, draws=2000, seed=1)
    np.testing.assert_allclose(conditional_shift(law(*p), law(*q)), drawn, rtol=0.1)


@pytest.mark.parametrize(("rows", "width"), [(200, 3), (12, 20), (50, 1)])
def test_covariances_are_shrunk_by_the_rule_of_ledoit_and_wolf(rows: int, width: int) -> None:
    values = correlated(rows, width, seed=rows)
    wanted, _ = ledoit_wolf(values)
    seen = gaussian(values).covariance
    np.testing.assert_allclose(seen, np.atleast_2d(wanted), atol=1e-5)


def test_laws_that_are_equal_have_not_shifted() -> None:
    p = gaussian(correlated(300, 3, seed=1))
    np.testing.assert_allclose(conditional_shift(p, p), 0.0, atol=1e-12)


def test_a_channel_that_moves_with_an_independent_one_is_not_shifted() -> None:
    p = law(np.zeros(2), np.eye(2))
    q = law(np.array([0.0, 3.0]), np.eye(2))
    np.testing.assert_allclose(conditional_shift(p, q), [0.0, 9.0])


@pytest.mark.parametrize("kind", ["level", "noise", "shuffled"])
def test_the_shifted_sensor_among_correlated_ones_is_named_first(kind: str) -> None:
    named = []
    for seed in range(10):
        rows = correlated(460, 6, seed=seed)
        rng = np.random.default_rng(seed)
        if kind == "level":
            rows[400:, WRONG] += 1.0
        elif kind == "noise":
            rows[400:, WRONG] += rng.normal(size=60)
        else:
            rows[400:, WRONG] = rng.permutation(rows[400:, WRONG])
        found = localise(rows[:400], rows[400:], bootstraps=40)
        named.append(int(found.order[0]))
        assert found.p_value[WRONG] == 1 / 41
    assert named == [WRONG] * 10


def test_three_rows_are_enough_to_name_a_large_shift() -> None:
    rows = correlated(403, 6, seed=3)
    rows[400:, WRONG] += 3.0
    assert localise(rows[:400], rows[400:], bootstraps=60).order[0] == WRONG


def test_p_values_of_no_shift_are_uniform() -> None:
    """Also where rows depend on those before them, for which single rows would be too sure."""
    p_values = []
    for seed in range(60):
        rows = correlated(620, 2, seed=seed, memory=0.7)
        p_values.append(localise(rows[:600], rows[600:], bootstraps=39, seed=seed).p_value)
    share = [(np.array(p_values) <= level).mean() for level in (0.1, 0.5, 0.9)]
    np.testing.assert_allclose(share, [0.1, 0.5, 0.9], atol=0.1)


def test_units_do_not_matter() -> None:
    rows = correlated(350, 3, seed=4)
    rows[300:, 1] += 1.0
    unit, zero = np.array([1e-6, 1e6, 3.0]), np.array([7.0, -1e8, 0.0])
    plain = localise(rows[:300], rows[300:], bootstraps=20)
    other = localise((rows * unit + zero)[:300], (rows * unit + zero)[300:], bootstraps=20)
    np.testing.assert_allclose(other.statistic, plain.statistic, rtol=1e-6)
    assert other.p_value.tolist() == plain.p_value.tolist()


def test_the_same_seed_gives_the_same_answer() -> None:
    rows = correlated(200, 3, seed=5)
    one, two = (localise(rows[:150], rows[150:], bootstraps=20, seed=7) for _ in range(2))
    assert [part.tolist() for part in one] == [part.tolist() for part in two]


def test_a_channel_without_values_has_no_opinion_and_comes_last() -> None:
    rows = correlated(200, 3, seed=6)
    rows[150:, 0] = np.nan
    rows[150:, 1] += 3.0
    found = localise(rows[:150], rows[150:], bootstraps=20)
    assert found.order.tolist() == [1, 2, 0]
    assert np.isnan([found.statistic[0], found.excess[0], found.p_value[0]]).all()


def test_a_channel_that_stood_still_and_moves_is_named() -> None:
    rows = correlated(200, 3, seed=7)
    rows[:, 1] = 5.0
    rows[150:, 1] = 5.1
    found = localise(rows[:150], rows[150:], bootstraps=20)
    assert found.order[0] == 1
    assert not np.isnan(found.excess).any()


@pytest.mark.parametrize(("past", "now"), [(3, 20), (100, 0)])
def test_too_few_rows_have_no_opinion(past: int, now: int) -> None:
    rows = correlated(past + now, 2, seed=8)
    found = localise(rows[:past], rows[past:], bootstraps=5)
    assert np.isnan(found.p_value).all()
    assert found.order.tolist() == [0, 1]


def test_one_channel_has_its_own_shift() -> None:
    rows = np.random.default_rng(9).normal(size=(200, 1))
    found = localise(rows[:150], rows[150:] + 2.0, bootstraps=20)
    assert found.p_value.tolist() == [1 / 21]


def test_other_channels_are_refused() -> None:
    with pytest.raises(TocsinError, match=r"\(M, C\) and \(N, C\)"):
        localise(np.zeros((9, 2)), np.zeros((9, 3)))
    with pytest.raises(ConfigError, match="bootstraps"):
        localise(np.zeros((9, 2)), np.zeros((9, 2)), bootstraps=0)

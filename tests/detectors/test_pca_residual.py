"""The residual of a row is its distance from the subspace of a singular value decomposition."""

import numpy as np
import pytest
from oracles.windows import outside, signal

from tocsin.detectors.classical.pca_residual import PcaResidual


@pytest.mark.parametrize(("width", "variance"), [(2, 0.9), (5, 0.5), (5, 0.999)])
def test_rows_score_as_in_the_slow_version(width: int, variance: float) -> None:
    rows = signal(300, width, seed=width)
    odd = signal(40, width, seed=20) * np.linspace(1.0, 1.2, width)
    scorer = PcaResidual(variance=variance)
    value, blame = scorer.measure(scorer.model(rows), odd[:, None])
    wanted, apart = outside(
        (rows - rows.mean(axis=0)) / rows.std(axis=0),
        (odd - rows.mean(axis=0)) / rows.std(axis=0),
        variance,
    )
    np.testing.assert_allclose(value, wanted, rtol=1e-8)
    np.testing.assert_allclose(blame[:, -1], apart, rtol=1e-6, atol=1e-9)


def test_a_single_channel_is_measured_from_its_mean() -> None:
    rows = np.random.default_rng(0).normal(5.0, 2.0, size=(200, 1))
    scorer = PcaResidual()
    value, _ = scorer.measure(scorer.model(rows), np.array([[[11.0]]]))
    assert value[0] == pytest.approx(abs(11.0 - rows.mean()) / rows.std())


def test_channels_that_move_as_one_are_blamed_when_they_part() -> None:
    one = np.random.default_rng(1).normal(size=(200, 1))
    scorer = PcaResidual()
    value, blame = scorer.measure(
        scorer.model(np.repeat(one, 4, axis=1)), np.array([[[1.0, 1.0, 1.0, 2.0]]])
    )
    assert np.isfinite(value).all()
    assert blame[0, 0].argmax() == 3

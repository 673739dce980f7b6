"""Projection outlyingness is the worst robust z score over the projections."""

from typing import Any

import numpy as np
import pytest

from tocsin.detectors.classical.mahalanobis_train import MahalanobisTrain
from tocsin.detectors.classical.projection_outlyingness import ProjectionOutlyingness
from tocsin.detectors.scaling import robust_scale


def _correlated(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 3)) @ rng.normal(size=(3, 3)) * [1.0, 10.0, 0.1] + 5.0


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_scores_are_those_of_the_definition(share: float) -> None:
    rows, odd = _correlated(300, seed=0), _correlated(20, seed=1)
    scorer = ProjectionOutlyingness(projections=50, share=share)
    model = scorer.model(rows)
    assert model is not None
    scale = robust_scale(rows)
    past, points = ((x - scale.centre) / scale.spread for x in (rows, odd))
    apart = np.empty((20, 50))
    for p in range(50):
        along = past @ model.directions[:, p]
        spread = 1.4826 * np.median(np.abs(along - np.median(along)))
        apart[:, p] = np.abs(points @ model.directions[:, p] - np.median(along)) / spread
    count = max(1, round(share * 50))
    wanted = np.sort(apart, axis=1)[:, -count:].mean(axis=1)
    np.testing.assert_allclose(scorer.measure(model, odd[:, None])[0], wanted, rtol=1e-9)


def test_faults_in_training_hide_themselves_from_moments_but_not_from_medians() -> None:
    rows = _correlated(400, seed=2)
    rows[::4, 0] += 60.0  # all in one place
    ratios = []
    scorers: list[Any] = [ProjectionOutlyingness(), MahalanobisTrain()]
    for scorer in scorers:
        value, _ = scorer.measure(scorer.model(rows), rows[:, None])
        ratios.append(np.median(value[::4]) / np.median(value[1::4]))
    assert ratios[0] > 4.0
    assert ratios[1] < 2.0


def test_linear_maps_of_the_channels_hardly_move_the_scores_with_many_directions() -> None:
    rows, odd = _correlated(400, seed=3), 2.0 * _correlated(30, seed=4)
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    scorer = ProjectionOutlyingness(projections=4000, share=0.0)
    flat = rows / rows.std(axis=0), odd / rows.std(axis=0)
    one = scorer.measure(scorer.model(flat[0]), flat[1][:, None])[0]
    other = scorer.measure(scorer.model(flat[0] @ turn), (flat[1] @ turn)[:, None])[0]
    np.testing.assert_allclose(other, one, rtol=0.15)

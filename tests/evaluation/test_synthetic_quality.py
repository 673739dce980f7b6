"""Realistic synthetic anomalies are told from those that are ordinary or impossible."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.synthetic_quality_slow import slow_density, slow_rarity, slow_smallest_k
from scipy.stats import beta

from tocsin.evaluation.synthetic_quality import (
    Averaging,
    best,
    density,
    expected_posterior,
    posterior,
    rarity,
    smallest_k,
)
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.types import BoolArray, FloatArray

GOLDEN = Path(__file__).parents[1] / "golden" / "synthetic_quality" / "posterior.json"


@pytest.fixture
def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return found


def chance(_: FloatArray, __: BoolArray, points: FloatArray) -> FloatArray:
    """The golden file's classifier: it learns nothing."""
    return 1 / (1 + np.exp(3.0 - points[:, 0] - 0.75 * points[:, 1]))


def cloud(seed: int, rows: int = 14) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(rows, 3))


def planted(seed: int = 0) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Normal rows with a few anomalies in one place; points like those, like normal, and absurd."""
    rng = np.random.default_rng(seed)
    normal, wrong = rng.normal(size=(180, 2)), rng.normal([3.5, 3.0], 0.6, size=(20, 2))
    points = (rng.normal([3.3, 3.0], 0.6, size=(15, 2)), rng.normal(size=(15, 2)) * 0.7,
              rng.normal(0, 60, size=(15, 2)))  # fmt: skip
    return np.concatenate([normal, wrong]), np.arange(200) >= 180, np.concatenate(points)


def test_posterior_is_the_references(golden: dict[str, Any]) -> None:
    rows, wrong = np.array(golden["rows"]), np.array(golden["wrong"], dtype=bool)
    subsets = [np.array([bit == "1" for bit in bits]) for bits in golden["subsets"]]
    found = expected_posterior(
        rows, wrong, np.array(golden["synthetic"]), classify=chance, subsets=subsets
    )
    assert np.abs(found - golden["posterior"]).max() < 1e-8
    ks = [smallest_k(rows[part & ~wrong], rows[wrong], 5) for part in subsets]
    assert ks == golden["k"]


@pytest.mark.parametrize("k", [5, 9, 30])
def test_rarity_is_the_references(golden: dict[str, Any], k: int) -> None:
    normal = np.array(golden["rows"])[np.array(golden["wrong"]) == 0]
    found = rarity(normal, np.array(golden["synthetic"]), k)
    assert np.abs(found - golden["rarity"][str(k)]).max() < 1e-8


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 5])
def test_rarity_and_density_agree_with_brute_force(seed: int, k: int) -> None:
    normal, points = cloud(seed), 2.0 * cloud(seed + 10, 6)
    slow = [slow_rarity(normal, point, k) for point in points]
    assert rarity(normal, points, k) == pytest.approx(slow, abs=1e-12)
    slow = [slow_density(normal, point, k) for point in points]
    assert density(normal, points, k) == pytest.approx(slow, abs=1e-12)


@pytest.mark.parametrize("away", [1.0, 3.0, 50.0])
def test_smallest_k_agrees_with_the_search_from_below(away: float) -> None:
    normal, anomalies = cloud(1), away * cloud(2, 4)

    def quantile(one: float, other: float) -> float:
        return float(beta.ppf(0.95, one, other))

    assert smallest_k(normal, anomalies, 3) == slow_smallest_k(normal, anomalies, 3, quantile)


def test_with_one_opinion_for_all_the_posterior_goes_by_density_alone() -> None:
    dense = np.random.default_rng(0).random(50) * 0.01
    order = np.argsort(dense)
    certain = posterior(np.full(50, 0.9), dense, 180, (0.9, 0.1))
    assert (np.diff(certain[order]) > 0).all()
    doubtful = posterior(np.full(50, 0.02), dense, 180, (0.9, 0.1))
    assert (np.diff(doubtful[order]) < 0).all()


def test_realistic_anomalies_are_kept_and_the_others_thrown_away() -> None:
    value = expected_posterior(*planted(), Averaging(repeats=5))
    assert best(value, 1 / 3)[:15].sum() >= 13


def test_points_far_from_everything_have_the_share_of_anomalies() -> None:
    rows, wrong, _ = planted()
    far = np.full((2, 2), 1e4)
    assert expected_posterior(rows, wrong, far, Averaging(repeats=2)) == pytest.approx([0.1, 0.1])


def test_same_seed_gives_the_same_bits_and_points_do_not_see_each_other() -> None:
    rows, wrong, points = planted()
    averaging = Averaging(repeats=2, seed=4)
    whole = expected_posterior(rows, wrong, points, averaging)
    assert (expected_posterior(rows, wrong, points[10:], averaging) == whole[10:]).all()
    assert (expected_posterior(rows, wrong, points, Averaging(repeats=2, seed=5)) != whole).any()


def test_repeated_rows_have_no_ball_of_their_own() -> None:
    normal = np.zeros((10, 2))
    assert rarity(normal, normal, 3).tolist() == [0.0] * 10
    assert density(normal, normal, 3).tolist() == [0.0] * 10


@pytest.mark.parametrize(
    ("rows", "wrong", "points"),
    [
        (np.zeros((20, 2)), np.arange(20) > 18, np.zeros((3, 1))),
        (np.zeros((20, 2)), np.zeros(20, dtype=bool), np.zeros((3, 2))),
        (np.zeros((20, 2)), np.arange(20) > 2, np.zeros((3, 2))),
        (np.full((20, 2), np.nan), np.arange(20) > 18, np.zeros((3, 2))),
    ],
)
def test_what_cannot_be_judged_is_refused(
    rows: FloatArray, wrong: BoolArray, points: FloatArray
) -> None:
    with pytest.raises(TocsinError):
        expected_posterior(rows, wrong, points)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError):
        Averaging(repeats=0)
    with pytest.raises(TocsinError):
        best(np.zeros(3), 1.5)

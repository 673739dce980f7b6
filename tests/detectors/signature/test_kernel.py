"""Signatures are those of exact arithmetic and of iisignature, and keep the identities."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from oracles import signature as oracle

from tocsin.detectors.signature import engines
from tocsin.detectors.signature.group import inverse, log_signature, logarithm, product
from tocsin.detectors.signature.kernel import signatures
from tocsin.detectors.signature.words import edges, lyndon, size, words
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.types import FloatArray

GOLDEN = Path(__file__).parents[2] / "golden" / "signature" / "iisignature.npz"
SIZES = [(1, 5), (2, 4), (5, 3), (10, 2)]


def paths(rows: int, length: int, width: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((rows, length, width))


def close(seen: FloatArray, wanted: FloatArray, share: float = 1e-12) -> bool:
    """Equal up to a share of each row's largest coordinate."""
    largest = np.abs(wanted).max(axis=1, keepdims=True)
    return bool((np.abs(seen - wanted) <= share * largest).all())


@pytest.mark.parametrize(("width", "depth"), SIZES)
def test_signatures_are_those_of_iisignature(width: int, depth: int) -> None:
    golden = np.load(GOLDEN)
    given = golden[f"paths_{width}_{depth}"].astype(np.float64)
    assert close(signatures(given, depth), golden[f"signatures_{width}_{depth}"])


@pytest.mark.parametrize(("width", "depth"), [(1, 4), (2, 5), (3, 3), (4, 1)])
def test_signatures_are_those_of_exact_arithmetic(width: int, depth: int) -> None:
    given = paths(2, 5, width)
    exact = np.array([[float(x) for x in oracle.signature(path, depth)] for path in given])
    np.testing.assert_allclose(signatures(given, depth), exact, rtol=1e-12, atol=1e-13)


def test_log_signatures_are_those_of_iisignature() -> None:
    golden = np.load(GOLDEN)
    found = logarithm(signatures(golden["paths_log_3_4"].astype(np.float64), 4), 3, 4)
    assert close(found, golden["logs_3_4"])


def test_log_signatures_are_those_of_exact_arithmetic() -> None:
    given = paths(2, 4, 2)
    exact = np.array([[float(x) for x in oracle.logarithm(path, 4)] for path in given])
    found = logarithm(signatures(given, 4), 2, 4)
    np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-12)
    short = log_signature(signatures(given, 4), 2, 4)
    np.testing.assert_array_equal(short, found[:, lyndon(2, 4)])


def test_lyndon_words_are_as_many_as_witt_says() -> None:
    assert len(lyndon(3, 4)) == 3 + 3 + 8 + 18


def test_pysiglib_agrees_where_it_is_installed() -> None:
    pytest.importorskip("pysiglib", reason="pysiglib is not installed")
    given = paths(50, 20, 5)
    assert close(engines.by_pysiglib(given, 3), signatures(given, 3))


def test_without_pysiglib_our_own_kernel_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "has_pysiglib", lambda: False)
    given = paths(3, 5, 2)
    np.testing.assert_array_equal(engines.fast_signatures(given, 3), signatures(given, 3))
    with pytest.raises(ConfigError, match="pysiglib is not installed"):
        engines.by_pysiglib(given, 3)


def test_paths_in_a_row_multiply() -> None:
    given = paths(5, 12, 3)
    first, second = signatures(given[:, :6], 4), signatures(given[:, 5:], 4)
    assert close(product(first, second, 3, 4), signatures(given, 4))


def test_a_path_run_backwards_has_the_inverse() -> None:
    given = paths(5, 12, 3)
    back = signatures(given[:, ::-1], 4)
    there = signatures(given, 4)
    assert close(inverse(there, 3, 4), back)
    assert np.abs(product(there, back, 3, 4)).max() < 1e-9


def test_products_of_coordinates_are_sums_over_shuffles() -> None:
    found = signatures(paths(20, 10, 3), 2)
    level1, level2 = found[:, :3], found[:, 3:].reshape(-1, 3, 3)
    both = level1[:, :, None] * level1[:, None, :]
    np.testing.assert_allclose(level2 + np.swapaxes(level2, 1, 2), both, rtol=1e-11, atol=1e-12)


def test_speed_along_the_path_does_not_matter() -> None:
    given = paths(4, 6, 2)
    slower = np.repeat(given, 3, axis=1)
    halves = np.stack([given[:, :-1], (given[:, :-1] + given[:, 1:]) / 2], axis=2)
    finer = np.concatenate([halves.reshape(4, -1, 2), given[:, -1:]], axis=1)
    assert close(signatures(slower, 4), signatures(given, 4))
    assert close(signatures(finer, 4), signatures(given, 4))


@pytest.mark.parametrize("rows", [1, 7, 64, 65, 130])
def test_a_signature_is_the_same_to_the_bit_in_any_company(rows: int) -> None:
    given = paths(130, 9, 3)
    whole = signatures(given, 3)
    np.testing.assert_array_equal(signatures(given[-rows:], 3), whole[-rows:])


def test_nan_stays_in_its_row() -> None:
    given = paths(5, 6, 2)
    given[2, 3, 0] = np.nan
    found = signatures(given, 2)
    assert np.isnan(found[2]).any()
    assert np.isfinite(found[[0, 1, 3, 4]]).all()


def test_one_point_no_path_and_strange_layouts_are_taken() -> None:
    assert not signatures(paths(3, 1, 2), 2).any()
    assert signatures(paths(0, 4, 2), 2).shape == (0, 6)
    given = paths(3, 4, 2)
    strange = np.asfortranarray(given).astype(">f8")
    np.testing.assert_array_equal(signatures(strange, 2), signatures(given, 2))


def test_words_number_the_coordinates() -> None:
    places = edges(3, 4)
    for level, (first, stop) in enumerate(pairwise(places[1:].tolist()), start=1):
        assert {len(word) for word in words(3, 4)[first:stop]} == {level}
    assert len(words(3, 4)) == size(3, 4) == places[-1]


@pytest.mark.parametrize(("width", "depth"), [(0, 2), (2, 0), (50, 8)])
def test_impossible_sizes_are_refused(width: int, depth: int) -> None:
    with pytest.raises(ConfigError, match="a signature needs"):
        edges(width, depth)


def test_anything_but_paths_is_refused() -> None:
    with pytest.raises(TocsinError, match="paths must be"):
        signatures(np.zeros((3, 2)), 2)
    with pytest.raises(TocsinError, match="tensors must be"):
        product(np.zeros((1, 6)), np.zeros((2, 6)), 2, 2)

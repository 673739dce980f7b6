"""The group that signatures live in: product, inverse and logarithm, one signature a row.

Tensors are rows (B, D) of levels 1 to m as `words` numbers them; level 0 is 1 in a signature and 0
in a logarithm, and is left out in both.
"""

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.signature.words import edges, lyndon, words
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray, IntArray


def product(left: FloatArray, right: FloatArray, width: int, depth: int) -> FloatArray:
    """The signatures (B, D) of paths run through one after the other: Chen's identity.

    TocsinError where the two are not of the same shape, or not of that width and depth.
    """
    places = edges(width, depth)
    _expect(left, right.shape, places)
    _expect(right, left.shape, places)
    found = np.empty(left.shape)
    _multiply_rows(np.ascontiguousarray(left), np.ascontiguousarray(right), places, found)
    return found


def inverse(signature: FloatArray, width: int, depth: int) -> FloatArray:
    """The signatures (B, D) of the paths run backwards, free of rounding.

    The coordinate of a word is that of its mirror image, with the sign of its length: true of
    signatures, and not of tensors in general.
    """
    _expect(signature, signature.shape, edges(width, depth))
    place = {word: number for number, word in enumerate(words(width, depth))}
    mirror = np.array([place[word[::-1]] for word in place])
    sign = np.array([(-1.0) ** len(word) for word in place])
    return np.asarray(sign * signature[:, mirror])


def logarithm(signature: FloatArray, width: int, depth: int) -> FloatArray:
    """The expanded log-signatures (B, D), in the coordinates of the signature itself.

    >>> line = np.array([[3.0, 4.0, 4.5, 6.0, 6.0, 8.0]])
    >>> logarithm(line, 2, 2).tolist()
    [[3.0, 4.0, 0.0, 0.0, 0.0, 0.0]]
    """
    places = edges(width, depth)
    _expect(signature, signature.shape, places)
    found = np.empty(signature.shape)
    _log_rows(np.ascontiguousarray(signature), places, depth, found)
    return found


def log_signature(signature: FloatArray, width: int, depth: int) -> FloatArray:
    """The log-signatures (B, l): the expanded ones at the Lyndon words, which determine the rest.

    These are coordinates in the basis dual to the Lyndon words' monomials, not factors of nested
    brackets; the two differ by a unit triangular matrix.
    """
    return logarithm(signature, width, depth)[:, lyndon(width, depth)]


def _expect(tensor: FloatArray, shape: tuple[int, ...], places: IntArray) -> None:
    if tensor.ndim != 2 or tensor.shape != shape or tensor.shape[1] != places[-1]:
        raise TocsinError(f"tensors must be (B, {places[-1]}); found {tensor.shape} and {shape}")


@compiled
def _multiply_rows(left: FloatArray, right: FloatArray, places: IntArray, out: FloatArray) -> None:
    for row in range(len(left)):
        _multiply(left[row], 1.0, right[row], 1.0, places, out[row])


@compiled
def _log_rows(signature: FloatArray, places: IntArray, depth: int, out: FloatArray) -> None:
    """log(1 + x) = x (1 - x (1/2 - x (1/3 - ...))), in which x has no level 0."""
    rest = np.empty(signature.shape[1])
    for row in range(len(signature)):
        rest[:] = 0.0
        for order in range(depth - 1, 0, -1):
            _multiply(signature[row], 0.0, rest, 1.0 / (order + 1), places, out[row])
            rest[:] = -out[row]
        _multiply(signature[row], 0.0, rest, 1.0, places, out[row])


@compiled
def _multiply(
    left: FloatArray,
    left_zero: float,
    right: FloatArray,
    right_zero: float,
    places: IntArray,
    out: FloatArray,
) -> None:
    """One tensor product less its level 0; the two factors' numbers of level 0 stand apart."""
    for i in range(len(out)):
        out[i] = left_zero * right[i] + right_zero * left[i]
    for level in range(2, len(places) - 1):
        at = places[level]
        for lower in range(1, level):
            first, stop = places[level - lower], places[level - lower + 1]
            wide = stop - first
            for word in range(places[lower + 1] - places[lower]):
                factor = left[places[lower] + word]
                for other in range(wide):
                    out[at + word * wide + other] += factor * right[first + other]

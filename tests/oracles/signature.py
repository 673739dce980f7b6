"""Signatures, slowly: iterated sums in exact rational arithmetic, straight from the definition."""

from fractions import Fraction
from itertools import product
from math import factorial

from tocsin.pipeline.types import FloatArray

Word = tuple[int, ...]
Tensor = dict[Word, Fraction]


def words(width: int, depth: int) -> list[Word]:
    """Words of 1 to `depth` letters, level by level."""
    return [w for level in range(1, depth + 1) for w in product(range(width), repeat=level)]


def signature(path: FloatArray, depth: int) -> list[Fraction]:
    """The signature of one path (L, d), as the product of the exponentials of its steps."""
    width = path.shape[1]
    total: Tensor = {(): Fraction(1)}
    for old, new in zip(path[:-1].tolist(), path[1:].tolist(), strict=True):
        step = [Fraction(b) - Fraction(a) for a, b in zip(old, new, strict=True)]
        total = times(total, exponential(step, depth), width, depth)
    return [total.get(word, Fraction(0)) for word in words(width, depth)]


def exponential(step: list[Fraction], depth: int) -> Tensor:
    """The signature of a straight line."""
    found: Tensor = {(): Fraction(1)}
    for word in words(len(step), depth):
        value = Fraction(1, factorial(len(word)))
        for letter in word:
            value *= step[letter]
        found[word] = value
    return found


def times(left: Tensor, right: Tensor, width: int, depth: int) -> Tensor:
    """The product of two tensors up to level `depth`."""
    none = Fraction(0)
    return {
        word: sum(
            (left.get(word[:k], none) * right.get(word[k:], none) for k in range(len(word) + 1)),
            none,
        )
        for word in [(), *words(width, depth)]
    }


def logarithm(path: FloatArray, depth: int) -> list[Fraction]:
    """The expanded log-signature of one path (L, d): x - x**2 / 2 + x**3 / 3 - ..."""
    width = path.shape[1]
    x: Tensor = dict(zip(words(width, depth), signature(path, depth), strict=True))
    power, total = dict(x), dict(x)
    for order in range(2, depth + 1):
        power = times(power, x, width, depth)
        total = {
            word: total[word] + Fraction((-1) ** (order + 1), order) * power[word] for word in total
        }
    return [total[word] for word in words(width, depth)]

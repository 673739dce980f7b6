"""Stability of a decision by adding up single binomial probabilities, in whole numbers."""

from fractions import Fraction
from math import comb


def at_most(count: int, size: int, chance: Fraction) -> Fraction:
    """P(N <= count) for N of a Binomial(size, chance), exactly."""
    return sum(
        (comb(size, k) * chance**k * (1 - chance) ** (size - k) for k in range(count + 1)),
        Fraction(0),
    )


def unsure(above: int, size: int, needed: int, certainty: Fraction) -> bool:
    """Whether a row with `above` of `size` scores as high decides otherwise too often.

    It alarms in a new draw where at most `needed` scores are as high.
    """
    again = at_most(needed, size, Fraction(1 + above, 2 + size))
    return min(again, 1 - again) > 1 - certainty

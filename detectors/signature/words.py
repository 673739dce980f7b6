"""The words of the truncated tensor algebra: how signature coordinates are numbered.

A signature of paths in d channels up to level m has a coordinate for each word of 1 to m letters
from 0 to d - 1. They stand level by level, and in a level in the order of the words, so that a
level is a tensor of d ** k numbers in C order. The constant 1 of level 0 is left out throughout.
"""

from functools import lru_cache
from itertools import product

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, IntArray

MOST = 1_000_000  # coordinates; more is a mistake in the settings, not a wish


def size(width: int, depth: int) -> int:
    """Coordinates of levels 1 to `depth` over `width` channels.

    >>> size(2, 3)
    14
    """
    return sum(width**level for level in range(1, depth + 1))


@lru_cache(maxsize=64)
def edges(width: int, depth: int) -> IntArray:
    """Where each level begins, (depth + 2,), so that level k stands at edges[k] : edges[k + 1].

    Level 0 is empty. ConfigError for a width or depth under 1 and for over a million coordinates.

    >>> edges(2, 3).tolist()
    [0, 0, 2, 6, 14]
    """
    if width < 1 or depth < 1 or depth > 20 or size(width, depth) > MOST:
        raise ConfigError(
            f"a signature needs 1 channel or more and depth 1 to 20 with at most {MOST:,} "
            f"coordinates; found {width} channels and depth {depth}"
        )
    found = np.array([0, 0, *(size(width, level) for level in range(1, depth + 1))])
    found.flags.writeable = False  # it is shared by all who ask
    return found


def words(width: int, depth: int) -> list[tuple[int, ...]]:
    """All words in the order of the coordinates.

    >>> words(2, 2)
    [(0,), (1,), (0, 0), (0, 1), (1, 0), (1, 1)]
    """
    return [word for level in range(1, depth + 1) for word in product(range(width), repeat=level)]


def lyndon(width: int, depth: int) -> IntArray:
    """The coordinates whose words are Lyndon words: strictly less than each of their rotations.

    The expanded log-signature is determined by these coordinates (Reutenauer, Free Lie algebras,
    1993, ISBN 978-0-19-853679-8).

    >>> [words(2, 3)[place] for place in lyndon(2, 3)]
    [(0,), (1,), (0, 1), (0, 0, 1), (0, 1, 1)]
    """
    chosen = [place for place, word in enumerate(words(width, depth)) if _is_lyndon(word)]
    return np.array(chosen, dtype=np.int64)


def shares(width: int, depth: int) -> FloatArray:
    """The share of each letter in each word, (coordinates, width); rows sum to 1.

    >>> shares(2, 2).tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [0.0, 1.0]]
    """
    found = np.zeros((size(width, depth), width))
    for place, word in enumerate(words(width, depth)):
        for letter in word:
            found[place, letter] += 1.0 / len(word)
    return found


def _is_lyndon(word: tuple[int, ...]) -> bool:
    return all(word < word[cut:] + word[:cut] for cut in range(1, len(word)))

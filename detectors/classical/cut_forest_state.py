"""The arrays of random cut forests, as the compiled parts see them.

A tree of n points has n leaves and n - 1 inner nodes. A reference of 0 or more is an inner node, a
negative one, -(slot + 1), the leaf of a stored point. Points that are equal share one leaf, that of
their `twin`. A box keeps no coordinates: `bounds` names the points that reach farthest.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.types import FloatArray, IntArray

ShortArray = NDArray[np.int16]


class Forest(NamedTuple):
    """The forests of K keys: n points of D = T C coordinates each, oldest frame first."""

    points: FloatArray  # (K, n, D)
    twin: ShortArray  # (K, n), the slot whose leaf a point shares; mostly its own
    copies: ShortArray  # (K, n), the points that share a slot's leaf
    weight: FloatArray  # (K, C), one over the spread of a channel, 0 where it is flat
    links: ShortArray  # (K, trees, n - 1, 5), the children, node above, points below, coordinate
    cut: FloatArray  # (K, trees, n - 1), coordinates up to it lie on the left
    bounds: ShortArray  # (K, trees, n - 1, 2, D), the slots with least and greatest coordinates
    above: ShortArray  # (K, trees, n), the node above each leaf
    heads: ShortArray  # (K, trees, 2)
    seen: IntArray  # (K,)


class Tree(NamedTuple):
    """One tree of one key, and what it shares with the key's other trees."""

    points: FloatArray
    copies: ShortArray
    links: ShortArray
    cut: FloatArray
    bounds: ShortArray
    above: ShortArray
    heads: ShortArray


class Desk(NamedTuple):
    """Room to work in."""

    weight: FloatArray  # (D,), one over the spread of each coordinate
    beyond: FloatArray  # (D,), how far the point lies outside of a box, in spreads

"""The truncated signature of many paths at once, by Chen's identity in Horner's form.

A signature is multiplied by the exponential of each increment in turn. Level k of the product is
evaluated from the left, (((z/k + S1) z/(k-1) + S2) z/(k-2) + ...) z + Sk, which takes one product
with z a level instead of all powers of z. Many paths are worked on side by side, as the innermost
axis, so that the machine takes several in one stroke; each path's arithmetic is its own and in the
same order whatever stands beside it, so a signature is the same to the bit in any company.
"""

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.signature.words import edges
from tocsin.pipeline.errors import TocsinError
from tocsin.pipeline.types import FloatArray, IntArray

_LANES = 64  # paths side by side


def signatures(paths: FloatArray, depth: int) -> FloatArray:
    """The iterated integrals of levels 1 to `depth` of piecewise linear paths (B, L, d).

    Gives (B, d + d**2 + ... + d**depth), level by level; `words.words` names the coordinates. A
    path of one point has a signature of zeros; NaN in a path gives NaN in its row alone. Cost a
    path: about 2 L d**depth multiplications. ConfigError for a depth under 1, TocsinError for
    anything but (B, L, d) with L of at least 1.

    Reference: Chen, Integration of paths, geometric invariants and a generalized Baker-Hausdorff
    formula, 1957, doi:10.2307/1969671; the evaluation is as in Kidger and Lyons, Signatory, 2021,
    arXiv:2001.00706.

    >>> corner = np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]])
    >>> signatures(corner, 2).tolist()
    [[1.0, 1.0, 0.5, 1.0, 0.0, 0.5]]
    """
    if paths.ndim != 3 or paths.shape[1] < 1:
        raise TocsinError(f"paths must be (B, L, d) with a point or more; found {paths.shape}")
    places = edges(paths.shape[2], depth)
    found = np.empty((len(paths), places[-1]))  # (B, D)
    _walk(np.ascontiguousarray(paths, dtype=np.float64), depth, places, found)
    return found


@compiled
def _walk(paths: FloatArray, depth: int, places: IntArray, found: FloatArray) -> None:
    rows, length, width = paths.shape
    total = places[depth + 1]
    sig = np.empty((total, _LANES))
    room = np.empty((places[depth] + width + 1, _LANES))
    step = np.zeros((width, _LANES))
    for first in range(0, rows, _LANES):
        count = min(_LANES, rows - first)
        sig[:] = 0.0
        for t in range(1, length):
            for lane in range(count):
                for c in range(width):
                    step[c, lane] = paths[first + lane, t, c] - paths[first + lane, t - 1, c]
            _extend(sig, step, room, depth, places)
        for lane in range(count):
            for place in range(total):
                found[first + lane, place] = sig[place, lane]


@compiled
def _extend(
    sig: FloatArray, step: FloatArray, room: FloatArray, depth: int, places: IntArray
) -> None:
    """Multiply (D, lanes) signatures by the exponentials of increments (d, lanes) from the right.

    Levels are done from the highest down, since each needs the lower ones as they were. `room`
    holds what is in the brackets so far; its last row is one word's value.
    """
    width = step.shape[0]
    for level in range(depth, 1, -1):
        room[-1] = 1.0 / level
        _put(room, 0, step)
        for lower in range(1, level - 1):
            share = 1.0 / (level - lower)
            # From the end, so that what is written lies beyond what is still to be read.
            for word in range(places[lower + 1] - places[lower] - 1, -1, -1):
                _open(sig, places[lower], room, word, share)
                _put(room, word * width, step)
        for word in range(places[level] - places[level - 1]):
            _open(sig, places[level - 1], room, word, 1.0)
            _add(sig, places[level] + word * width, room, step)
    room[-1] = 1.0
    _add(sig, 0, room, step)


@compiled
def _open(sig: FloatArray, begin: int, room: FloatArray, word: int, share: float) -> None:
    for lane in range(_LANES):
        room[-1, lane] = (sig[begin + word, lane] + room[word, lane]) * share


@compiled
def _put(room: FloatArray, at: int, step: FloatArray) -> None:
    for c in range(step.shape[0]):
        for lane in range(_LANES):
            room[at + c, lane] = room[-1, lane] * step[c, lane]


@compiled
def _add(sig: FloatArray, at: int, room: FloatArray, step: FloatArray) -> None:
    for c in range(step.shape[0]):
        for lane in range(_LANES):
            sig[at + c, lane] += room[-1, lane] * step[c, lane]

"""The signature of the last points of a stream, kept up by the group law."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.detectors.signature.words import edges
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.types import FloatArray, IntArray

_FADED = 1e-4  # a signature that has shrunk to this share of its height is taken anew


@dataclass(slots=True)
class RollingState:
    """The last points as a ring, the signature of the path through them, and three numbers."""

    ring: FloatArray  # (frames, d)
    signature: FloatArray  # (D,)
    seen: int = 0
    since: int = 0  # steps since the signature was taken from scratch
    height: float = 0.0  # the largest coordinate since then


@dataclass(frozen=True, slots=True)
class RollingSignature:
    """Signatures of levels 1 to `depth` of the last `frames` points, at a cost free of `frames`.

    A point that comes multiplies from the right by the exponential of its increment, and the one
    that goes from the left by the exponential of minus its increment: S' = exp(-a) S exp(b). Each
    step adds rounding, so that every `resync` steps the signature is taken from the points anew; so
    it is when its largest coordinate has fallen far, as when a wild point leaves, since what is
    left is then mostly rounding. Points must be finite: NaN stays in for up to `resync` steps.

    Cost a step: about 2 m D multiplications for D coordinates of m levels. Memory: 8 (frames d + D)
    bytes.

    Reference: Chen, Integration of paths, geometric invariants and a generalized Baker-Hausdorff
    formula, 1957, doi:10.2307/1969671.

    >>> rolling = RollingSignature(frames=3, depth=1)
    >>> state = rolling.start(1)
    >>> rolling.push(state, np.array([[0.0], [1.0], [4.0], [9.0]])).ravel().tolist()
    [nan, nan, 4.0, 8.0]
    """

    frames: int
    depth: int = 2
    resync: int = 4096

    def __post_init__(self) -> None:
        if self.frames < 2 or self.resync < 1:
            raise ConfigError(
                f"a rolling signature needs 2 frames and a resync of 1 step or more; found {self}"
            )

    def start(self, width: int) -> RollingState:
        """The state before any point of `width` channels."""
        total = int(edges(width, self.depth)[-1])
        return RollingState(np.zeros((self.frames, width)), np.zeros(total))

    def push(self, state: RollingState, points: FloatArray) -> FloatArray:
        """Take points (N, d), in place; the signature after each, (N, D), NaN while too few."""
        if points.ndim != 2 or points.shape[1] != state.ring.shape[1]:
            raise TocsinError(f"points must be (N, {state.ring.shape[1]}); found {points.shape}")
        width = state.ring.shape[1]
        places = edges(width, self.depth)
        room = np.empty((3, places[-1]))
        desk = _Desk(state.ring, state.signature, places, room[0], room[1], room[2])
        found = np.full((len(points), places[-1]), np.nan)
        counts = np.array([state.seen, state.since])
        height = _walk(desk, points.astype(np.float64), counts, (state.height, self.resync), found)
        state.seen, state.since, state.height = int(counts[0]), int(counts[1]), float(height)
        return found


class _Desk(NamedTuple):
    ring: FloatArray  # (frames, d)
    signature: FloatArray  # (D,)
    places: IntArray  # (depth + 2,)
    power: FloatArray  # (D,)
    spare: FloatArray  # (D,)
    step: FloatArray  # (D,), of which d are used


@compiled
def _walk(
    desk: _Desk,
    points: FloatArray,
    counts: IntArray,
    limits: tuple[float, int],
    found: FloatArray,
) -> float:
    frames, width = desk.ring.shape
    height, resync = limits
    for row in range(len(points)):
        seen = counts[0]
        place = seen % frames
        if seen >= frames:
            _exponential(desk, desk.ring[place], desk.ring[(place + 1) % frames])
            _multiply(desk.power, desk.signature, desk.places, desk.spare)
            desk.signature[:] = desk.spare
        if seen:
            _exponential(desk, points[row], desk.ring[(seen - 1) % frames])
            _multiply(desk.signature, desk.power, desk.places, desk.spare)
            desk.signature[:] = desk.spare
        for c in range(width):
            desk.ring[place, c] = points[row, c]
        counts[0] += 1
        counts[1] += 1
        now = _largest(desk.signature)
        height = max(height, now)
        if counts[0] >= frames:
            if counts[1] >= resync or not now > _FADED * height:
                _afresh(desk, counts[0] % frames)
                counts[1] = 0
                height = _largest(desk.signature)
            found[row] = desk.signature
    return height


@compiled
def _afresh(desk: _Desk, oldest: int) -> None:
    """The signature of the ring's points from scratch."""
    frames = len(desk.ring)
    desk.signature[:] = 0.0
    for t in range(1, frames):
        new, old = desk.ring[(oldest + t) % frames], desk.ring[(oldest + t - 1) % frames]
        _exponential(desk, new, old)
        _multiply(desk.signature, desk.power, desk.places, desk.spare)
        desk.signature[:] = desk.spare


@compiled
def _exponential(desk: _Desk, new: FloatArray, old: FloatArray) -> None:
    """The signature of the straight line from `old` to `new`, into the desk."""
    width = len(new)
    for c in range(width):
        desk.step[c] = new[c] - old[c]
        desk.power[c] = desk.step[c]
    for level in range(2, len(desk.places) - 1):
        below, at = desk.places[level - 1], desk.places[level]
        for word in range(at - below):
            for c in range(width):
                desk.power[at + word * width + c] = desk.power[below + word] * desk.step[c] / level


@compiled
def _multiply(left: FloatArray, right: FloatArray, places: IntArray, out: FloatArray) -> None:
    for i in range(len(out)):
        out[i] = left[i] + right[i]
    for level in range(2, len(places) - 1):
        for lower in range(1, level):
            first = places[level - lower]
            wide = places[level - lower + 1] - first
            for word in range(places[lower + 1] - places[lower]):
                factor, at = left[places[lower] + word], places[level] + word * wide
                for other in range(wide):
                    out[at + other] += factor * right[first + other]


@compiled
def _largest(signature: FloatArray) -> float:
    largest = 0.0
    for value in signature:
        largest = max(largest, abs(value))
    return largest

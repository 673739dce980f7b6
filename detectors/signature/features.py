"""Which coordinates describe a window: a signature that is as rich as its size allows."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from tocsin.detectors.signature import words
from tocsin.detectors.signature.augment import MADE, augmented, letters
from tocsin.detectors.signature.group import logarithm
from tocsin.detectors.signature.kernel import signatures
from tocsin.pipeline.types import FloatArray, IntArray

Form = Literal["joint", "log", "apart"]
Offer = tuple[Form, int, tuple[str, ...]]  # a form, its depth and its augmentations

_FAR_TOO_MANY = 20_000
_BY_RICHNESS: tuple[tuple[Form, int], ...] = (
    ("joint", 3),
    ("joint", 2),
    ("log", 2),
    ("apart", 3),
    ("apart", 2),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a window of C channels becomes D numbers.

    `joint`: the signature of all channels together. `log`: its log-signature at the Lyndon words,
    which leaves out what follows from the rest. `apart`: the log-signature of each channel by
    itself, with what is made beside it such as time; nothing of how channels move together.
    """

    channels: int
    augment: tuple[str, ...]
    form: Form
    depth: int

    def size(self) -> int:
        """The number D of coordinates."""
        return len(_made(self).shares)

    def shares(self) -> FloatArray:
        """How much of each coordinate is each channel's doing, (D, C); rows sum to 1.

        A coordinate belongs in equal parts to the letters of its word that are channels.
        """
        return _made(self).shares


@lru_cache(maxsize=256)
def plan(channels: int, augment: tuple[str, ...], depth: int, most: int) -> Plan:
    """The richest plan of at most `most` coordinates; the plainest where none is so small.

    In order: the signature of depth 3, of depth 2, the log-signature of depth 2, and that of each
    channel apart of depth 3 and 2; then without lead-lag, which doubles the channels, each apart of
    depth 2 and 1. A `depth` other than 0 is taken as it is, in the richest form in that order.

    >>> [plan(c, ("time", "basepoint"), 0, 96).form for c in (1, 3, 8, 10, 20, 38)]
    ['joint', 'joint', 'joint', 'log', 'apart', 'apart']
    """
    plain = tuple(name for name in augment if name != "lead_lag")
    offers: list[Offer] = [(form, level, augment) for form, level in _BY_RICHNESS]
    last: tuple[Offer, Offer] = (("apart", 2, plain), ("apart", 1, plain))
    offers.extend(last)
    if depth:
        offers = [("joint", depth, augment), ("log", depth, augment), ("apart", depth, augment)]
    for form, level, names in offers:
        if _size(channels, names, form, level) <= most:
            return Plan(channels, names, form, level)
    form, level, names = offers[-1]
    return Plan(channels, names, form, level)


def features(described: Plan, paths: FloatArray) -> FloatArray:
    """The coordinates (B, D) of paths (B, L, C), row by row."""
    rows, length, _ = paths.shape
    made = _made(described)
    if described.form == "apart":
        paths = np.swapaxes(paths, 1, 2).reshape(-1, length, 1)
    found = signatures(augmented(paths, described.augment), described.depth)
    if described.form != "joint":
        found = logarithm(found, made.width, described.depth)
    return found[:, made.chosen].reshape(rows, -1)


class _Made(NamedTuple):
    width: int  # channels of an augmented path
    chosen: IntArray  # which of a path's coordinates are kept: those that a channel is in
    shares: FloatArray  # (D, C)


@lru_cache(maxsize=64)
def _made(described: Plan) -> _Made:
    """What follows from a plan; it is asked for at every batch."""
    channels = 1 if described.form == "apart" else described.channels
    names = letters(channels, described.augment)
    width = len(names)
    belongs = np.zeros((width, channels))
    belongs[names != MADE, names[names != MADE]] = 1.0
    parts = words.shares(width, described.depth) @ belongs
    has_channel = parts.sum(axis=1) > 0
    chosen = np.flatnonzero(has_channel)
    if described.form != "joint":
        lyndon = words.lyndon(width, described.depth)
        chosen = lyndon[has_channel[lyndon]]
    shares = parts[chosen] / parts[chosen].sum(axis=1, keepdims=True)
    if described.form == "apart":
        shares = np.kron(np.eye(described.channels), shares)
    shares.flags.writeable = chosen.flags.writeable = False
    return _Made(width, chosen, shares)


def _size(channels: int, augment: tuple[str, ...], form: Form, depth: int) -> int:
    """The number of coordinates of a plan, told at once for one that is far too large."""
    width = len(letters(1 if form == "apart" else channels, augment))
    if words.size(width, depth) > _FAR_TOO_MANY:
        return words.MOST
    return Plan(channels, augment, form, depth).size()

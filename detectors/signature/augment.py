"""What is done to a path before its signature is taken: time, lead-lag, where it begins and ends.

Each takes paths (B, L, d) and gives paths; each path is treated on its own. `letters` says which
channel each channel of the augmented path came from.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tocsin.pipeline.errors import ConfigError
from tocsin.pipeline.types import FloatArray, IntArray

MADE = -1  # the letter of a channel that was made here, such as time


def augmented(paths: FloatArray, names: Sequence[str]) -> FloatArray:
    """The paths after each augmentation of `names` in turn; ConfigError for an unknown name.

    >>> augmented(np.array([[[5.0], [7.0]]]), ("time", "basepoint"))[0].tolist()
    [[0.0, 0.0], [0.0, 5.0], [1.0, 7.0]]
    """
    check_names(names)
    for name in names:
        paths = _AUGMENTATIONS[name](paths)
    return paths


def letters(width: int, names: Sequence[str]) -> IntArray:
    """The channel of the input that each channel of the augmented path shows, or `MADE`.

    >>> letters(2, ("time", "lead_lag")).tolist()
    [-1, 0, 1, -1, 0, 1]
    """
    check_names(names)
    found = np.arange(width)
    for name in names:
        if name == "time":
            found = np.concatenate([[MADE], found])
        elif name == "lead_lag":
            found = np.concatenate([found, found])
        elif name == "reset":
            found = np.concatenate([found, [MADE]])
    return found.astype(np.int64)


def check_names(names: Sequence[str]) -> None:
    """Raise a ConfigError unless all are names of augmentations."""
    unknown = [name for name in names if name not in _AUGMENTATIONS]
    if unknown:
        raise ConfigError(
            f"augment must be of {', '.join(sorted(_AUGMENTATIONS))}; found {unknown[0]!r}"
        )


def with_time(paths: FloatArray) -> FloatArray:
    """A first channel that rises evenly from 0 to 1: speed matters then, not shape alone."""
    rows, length, width = paths.shape
    found = np.empty((rows, length, width + 1))
    found[:, :, 0] = np.linspace(0.0, 1.0, length)
    found[:, :, 1:] = paths
    return found


def lead_lag(paths: FloatArray) -> FloatArray:
    """Twice the channels, (B, 2 L - 1, 2 d): the path a step ahead of itself, then itself.

    The area between the two is the quadratic variation: level 2 then knows the roughness.

    Reference: Gyurko, Lyons, Kontkowski and Field, Extracting information from the signature of a
    financial data stream, 2013, arXiv:1307.7244.
    """
    twice = np.repeat(paths, 2, axis=1)
    return np.concatenate([twice[:, 1:], twice[:, :-1]], axis=2)


def with_basepoint(paths: FloatArray) -> FloatArray:
    """A first point at the origin: the level of the path then counts, not its moves alone."""
    return np.concatenate([np.zeros_like(paths[:, :1]), paths], axis=1)


def with_reset(paths: FloatArray) -> FloatArray:
    """The invisibility reset, (B, L + 2, d + 1): seen to its end, then unseen, then at the origin.

    Another way to make the level count, from the path's end.

    Reference: Wu, Zhang, Yang and Lyons, Signature features with the visibility transformation,
    2020, arXiv:2004.04006.
    """
    rows, length, width = paths.shape
    found = np.zeros((rows, length + 2, width + 1))
    found[:, :length, :width] = paths
    found[:, :length, width] = 1.0
    found[:, length, :width] = paths[:, -1]
    return found


def cumulative(paths: FloatArray) -> FloatArray:
    """The running sums of the points."""
    return np.cumsum(paths, axis=1)


_AUGMENTATIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "time": with_time,
    "lead_lag": lead_lag,
    "basepoint": with_basepoint,
    "reset": with_reset,
    "cumulative": cumulative,
}

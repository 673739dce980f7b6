"""How a scorer reads its rows: the newest frame of each window, tidied for arithmetic.

Infinities count as missing. Magnitudes over 1e150 are cut to 1e150 and those under 1e-150 count as
0, so that a square of a difference neither overflows nor vanishes; no instrument resolves either.
"""

from typing import NamedTuple

import numpy as np

from tocsin.detectors.compiled import compiled
from tocsin.pipeline.errors import ConfigError, TocsinError
from tocsin.pipeline.types import Batch, FloatArray, IntArray, Spec

LARGEST = 1e150
SMALLEST = 1e-150

_NO_KEYS = np.empty(0, dtype=np.int64)


class Rows(NamedTuple):
    """What a kernel works on: `key` and `frame` to read, `value` and `blame` to write."""

    key: IntArray  # (B,)
    frame: FloatArray  # (B, *item), NaN where missing
    value: FloatArray  # (B,), NaN until scored
    blame: FloatArray  # (B, T, *item), 0 until scored


def newest(batch: Batch, keys: int, item: tuple[int, ...]) -> Rows:
    """The newest frame of each row, as copies in C order, for a state with room for `keys` keys.

    Takes any float type, byte order and layout. Raises TocsinError for a key without room and for
    frames that are not of shape `item`: a kernel would read beyond its arrays.
    """
    if batch.values.ndim < 2 or batch.values.shape[2:] != item or batch.values.shape[1] < 1:
        raise TocsinError(f"values must be (B, T, *{item}); found {batch.values.shape}")
    key = np.array(batch.key, dtype=np.int64, order="C")  # (B,)
    frame = np.array(batch.values[:, -1], dtype=np.float64, order="C")  # (B, *item)
    if not _tidy(frame.reshape(-1), key, keys):
        raise TocsinError(f"keys {key.min()} to {key.max()} in a state with room for {keys}")
    return Rows(key, frame, np.full(len(key), np.nan), np.zeros(batch.values.shape))


def tidied(values: FloatArray) -> FloatArray:
    """A copy of values of any shape in C order: infinities missing, magnitudes within the limits.

    >>> tidied(np.array([[1.0, np.inf], [1e200, 1e-200]])).tolist()
    [[1.0, nan], [1e+150, 0.0]]
    """
    copy = np.array(values, dtype=np.float64, order="C")
    _tidy(copy.reshape(-1), _NO_KEYS, 0)
    return copy


def channels(spec: Spec) -> int:
    """The number of channels; a ConfigError where a frame is not a row of channels."""
    if len(spec.item) != 1:
        raise ConfigError(f"this detector takes rows of channels (C,); a frame is {spec.item}")
    return spec.item[0]


def need(claim: bool, setting: str, wanted: str, found: float) -> None:  # noqa: FBT001 - the claim
    """Raise a ConfigError naming the setting unless the claim holds."""
    if not claim:
        raise ConfigError(f"{setting} must be {wanted}; found {found}")


@compiled
def _tidy(frame: FloatArray, key: IntArray, keys: int) -> bool:
    for i in range(len(frame)):
        size = abs(frame[i])
        if size == np.inf:
            frame[i] = np.nan
        elif size > LARGEST:
            frame[i] = np.copysign(LARGEST, frame[i])
        elif size < SMALLEST:
            frame[i] = 0.0
    has_room = True
    for row in range(len(key)):
        has_room &= 0 <= key[row] < keys
    return has_room

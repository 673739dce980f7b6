"""Plain values as compact bytes with a checksum: how the store keeps blocks of state."""

import json
import struct
import zlib
from typing import Any

import numpy as np

from tocsin.pipeline.errors import StateError
from tocsin.pipeline.state import Plain

_MAGIC = b"TCSN"
_HEAD = struct.Struct("<4sII")  # magic, checksum of the rest, length of the JSON header
# The checksum starts from that length, so that it covers it too.


def encode(plain: Plain) -> bytes:
    """Arrays and numbers by name as bytes; the same values give the same bytes.

    >>> decode(encode({"mean": np.arange(3.0), "ticks": 7}), "here")
    {'ticks': 7, 'mean': array([0., 1., 2.])}
    """
    arrays = {name: value for name, value in plain.items() if isinstance(value, np.ndarray)}
    layout = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    numbers = {name: value for name, value in plain.items() if name not in arrays}
    head = json.dumps({"arrays": layout, "numbers": numbers}).encode()
    body = b"".join([head, *(np.ascontiguousarray(array).tobytes() for array in arrays.values())])
    return _HEAD.pack(_MAGIC, zlib.crc32(body, len(head)), len(head)) + body


def decode(data: bytes, where: str) -> Plain:
    """The inverse of `encode`; StateError if a byte has changed."""
    if len(data) < _HEAD.size:
        raise StateError(f"{where}: {len(data)} bytes are too few to be saved state")
    magic, checksum, length = _HEAD.unpack_from(data)
    body = memoryview(data)[_HEAD.size :]
    if magic != _MAGIC or zlib.crc32(body, length) != checksum:
        raise StateError(f"{where}: saved state is damaged (its checksum does not fit)")
    head: dict[str, Any] = json.loads(bytes(body[:length]))
    plain: Plain = dict(head["numbers"])
    offset = length
    for name, dtype, shape in head["arrays"]:
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(body, dtype=dtype, count=count, offset=offset)
        plain[name] = array.reshape(shape).copy()
        offset += array.nbytes
    return plain

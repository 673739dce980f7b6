"""Saving and comparing state: plain files, no pickle, refused by name when they do not fit.

A saved state is a zip of `.npy` files, one an array, and a `header.json` with the stage, the
version of its layout, the settings it was learned under and the numbers that are not arrays. The
same state always gives the same bytes.
"""

import dataclasses
import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tocsin.pipeline.errors import StateError
from tocsin.pipeline.keyed import keyed_fields, write_field

Array = NDArray[Any]
Scalar = bool | int | float | str | list[str]
Plain = dict[str, Array | Scalar]
Upgrade = Callable[[int, Plain], Plain]
S = TypeVar("S")

FORMAT = 1
_HEAD = {"format": int, "stage": str, "version": int, "settings": str}
_DAMAGE = (  # what reading a damaged or foreign zip can raise
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    KeyError,
    ValueError,
    EOFError,
    TypeError,
)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time a zip member can bear


@dataclass(frozen=True, slots=True)
class Header:
    """Whose state it is: the stage's name, its layout's version, and `settings_of` the stage."""

    stage: str
    version: int
    settings: str


def settings_of(settings: Any) -> str:
    """Frozen settings as canonical JSON, so that two runs can be compared by what they were.

    >>> @dataclass(frozen=True)
    ... class Ewma:
    ...     half_life: float = 50.0
    >>> settings_of(Ewma())
    '{"half_life": 50.0, "kind": "Ewma"}'
    """
    return json.dumps(_plain_settings(settings), sort_keys=True)


def flatten(state: Any) -> Plain:
    """Every array and number of a state by its dotted path; StateError for anything else."""
    found: Plain = {}
    for spec in dataclasses.fields(state):
        value = getattr(state, spec.name)
        if is_dataclass(value) and not isinstance(value, type):
            found |= {f"{spec.name}.{path}": part for path, part in flatten(value).items()}
        elif _is_plain(value):
            found[spec.name] = value
        else:
            raise StateError(
                f"{type(state).__name__}.{spec.name} holds a {type(value).__name__}; state may "
                "hold arrays of numbers, numbers, strings, lists of strings and dataclasses of them"
            )
    return found


def fill(state: S, plain: Plain, where: str) -> S:
    """Put flattened values into a fresh state of the same layout; refuses by field name."""
    want = flatten(state)
    missing, unknown = sorted(want.keys() - plain.keys()), sorted(plain.keys() - want.keys())
    if missing or unknown:
        raise StateError(f"{where}: fields missing {missing}, fields unknown {unknown}")
    keyed = keyed_fields(state)
    for path, fresh in want.items():
        _check_like(fresh, plain[path], where=f"{where}: {path}", keyed=path in keyed)
        write_field(state, path, plain[path])
    return state


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal to the bit; NaN equals NaN."""
    left, right = flatten(one), flatten(other)
    return left.keys() == right.keys() and all(_equal(left[path], right[path]) for path in left)


def save(path: Path, header: Header, state: Any) -> None:
    """Write a state to a file, whole or not at all."""
    data = pack(header, state)
    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}") from error


def load(path: Path, header: Header, state: S, upgrade: Upgrade | None = None) -> S:
    """Fill a fresh `state` from a file; StateError if it is damaged or another stage's.

    A file of an older version goes through `upgrade(version, values)` first.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror}") from error
    return unpack(data, header, state, upgrade, where=str(path))


def pack(header: Header, state: Any) -> bytes:
    """A state as bytes, the same bytes for the same state."""
    plain = flatten(state)
    arrays = {path: value for path, value in plain.items() if isinstance(value, np.ndarray)}
    scalars = {path: value for path, value in plain.items() if path not in arrays}
    head = {"format": FORMAT, **dataclasses.asdict(header), "scalars": scalars}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        _write(file, "header.json", json.dumps(head, sort_keys=True).encode())
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, arrays[name], allow_pickle=False)
            _write(file, f"{name}.npy", member.getvalue())
    return buffer.getvalue()


def unpack(
    data: bytes, header: Header, state: S, upgrade: Upgrade | None = None, *, where: str = "state"
) -> S:
    """The inverse of `pack`, into a fresh state."""
    head, plain = _read(data, where)
    _check_header(head, header, where, can_upgrade=upgrade is not None)
    if head["version"] < header.version and upgrade is not None:
        plain = upgrade(int(head["version"]), plain)
    return fill(state, plain, where)


def refuse_other_settings(have: str, want: str, where: str) -> None:
    """StateError that names the first setting by which two `settings_of` texts differ."""
    if have == want:
        return
    try:
        old, new = dict(json.loads(have)), dict(json.loads(want))
    except (ValueError, TypeError) as error:
        raise StateError(
            f"{where}: the state was learned with {have}, this run needs {want}"
        ) from error
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            raise StateError(
                f"{where}: the state was learned with {name} {old.get(name)!r}, "
                f"this run needs {new.get(name)!r}"
            )


def _check_header(head: dict[str, Any], want: Header, where: str, *, can_upgrade: bool) -> None:
    if head["format"] != FORMAT:
        raise StateError(f"{where}: file format {head['format']}, this version reads {FORMAT}")
    if head["stage"] != want.stage:
        raise StateError(f"{where}: holds state of {head['stage']!r}, wanted {want.stage!r}")
    have = int(head["version"])
    if have > want.version or (have < want.version and not can_upgrade):
        raise StateError(f"{where}: state has version {have}, this run needs {want.version}")
    refuse_other_settings(head["settings"], want.settings, where)


def _read(data: bytes, where: str) -> tuple[dict[str, Any], Plain]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            head = _checked_head(json.loads(file.read("header.json")))
            plain: Plain = dict(head["scalars"])
            for name in file.namelist():
                if name.endswith(".npy"):
                    member = io.BytesIO(file.read(name))
                    plain[name[:-4]] = np.lib.format.read_array(member, allow_pickle=False)
    except _DAMAGE as error:
        raise StateError(f"{where}: not a saved state, or a damaged one ({error})") from error
    return head, plain


def _checked_head(head: dict[str, Any]) -> dict[str, Any]:
    for name, kind in _HEAD.items():
        if type(head[name]) is not kind:
            raise TypeError(f"its {name} is no {kind.__name__}")
    return head


def _write(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    file.writestr(zipfile.ZipInfo(name, _EPOCH), data)


def _check_like(fresh: Array | Scalar, found: Array | Scalar, *, where: str, keyed: bool) -> None:
    if isinstance(fresh, np.ndarray) and isinstance(found, np.ndarray):
        if fresh.dtype != found.dtype or fresh.ndim != found.ndim:
            raise StateError(
                f"{where}: found {found.dtype} of {found.ndim} axes, "
                f"wanted {fresh.dtype} of {fresh.ndim}"
            )
        if keyed and fresh.shape[1:] != found.shape[1:]:
            raise StateError(f"{where}: rows of {found.shape[1:]}, wanted {fresh.shape[1:]}")
    elif type(fresh) is not type(found):
        raise StateError(f"{where}: found {type(found).__name__}, wanted {type(fresh).__name__}")


def _equal(left: Array | Scalar, right: Array | Scalar) -> bool:
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        if left.dtype != right.dtype or left.shape != right.shape:
            return False
        return bool(np.array_equal(left, right, equal_nan=left.dtype.kind == "f"))
    return type(left) is type(right) and repr(left) == repr(right)


def _is_plain(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufSU"
    if isinstance(value, list):
        return all(isinstance(name, str) for name in value)
    return isinstance(value, bool | int | float | str)


def _plain_settings(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        named = {f.name: _plain_settings(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **named}
    if isinstance(value, tuple | list):
        return [_plain_settings(part) for part in value]
    if isinstance(value, frozenset):
        return sorted(_plain_settings(part) for part in value)
    if isinstance(value, dict):
        return {str(name): _plain_settings(part) for name, part in value.items()}
    return value

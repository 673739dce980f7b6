"""Saved state comes back to the bit, is the same bytes each time, and is refused by name."""

import io
import itertools
import json
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.pipeline.errors import StateError
from tocsin.pipeline.keyed import grow, per_key
from tocsin.pipeline.state import (
    FORMAT,
    Header,
    Plain,
    fill,
    flatten,
    load,
    pack,
    refuse_other_settings,
    same,
    save,
    settings_of,
    unpack,
)
from tocsin.pipeline.types import FloatArray

HEADER = Header("ewma", 2, '{"half_life": 50.0, "kind": "Ewma"}')


@dataclass
class Inner:
    count: int = 0


@dataclass
class Model:
    pool: FloatArray  # (3,)
    inner: Inner
    names: list[str]
    rate: float
    is_warm: bool
    mean: FloatArray = per_key(np.nan)  # (K, 2)


def fresh() -> Model:
    return Model(np.zeros(3), Inner(), [], rate=0.5, is_warm=False, mean=np.empty((0, 2)))


def learned() -> Model:
    model = fresh()
    grow(model, 2)
    model.mean[0] = [1.5, -0.0]
    model.pool[:] = [np.nan, np.inf, 5e-324]
    model.inner.count, model.names, model.rate, model.is_warm = 7, ["ä", "b"], 0.1 + 0.2, True
    return model


def test_a_state_comes_back_to_the_bit() -> None:
    assert same(unpack(pack(HEADER, learned()), HEADER, fresh()), learned())


@given(st.lists(st.floats(), min_size=3, max_size=3), st.floats(allow_nan=False), st.integers())
def test_any_numbers_come_back(pool: list[float], rate: float, count: int) -> None:
    model = learned()
    model.pool, model.rate, model.inner.count = np.array(pool), rate, count
    assert same(unpack(pack(HEADER, model), HEADER, fresh()), model)


def test_a_file_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "state.zip"
    save(path, HEADER, learned())
    assert same(load(path, HEADER, fresh()), learned())
    assert [each.name for each in tmp_path.iterdir()] == ["state.zip"]


def test_the_same_state_gives_the_same_bytes() -> None:
    assert pack(HEADER, learned()) == pack(HEADER, learned())


def test_another_state_gives_other_bytes() -> None:
    other = learned()
    other.mean[1, 1] = 0.0
    assert pack(HEADER, other) != pack(HEADER, learned())


def test_saving_again_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state.zip"
    save(path, HEADER, fresh())
    save(path, HEADER, learned())
    assert load(path, HEADER, fresh()).inner.count == 7


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Header("moving_z", 2, HEADER.settings), "holds state of 'ewma', wanted 'moving_z'"),
        (Header("ewma", 3, HEADER.settings), "state has version 2, this run needs 3"),
        (Header("ewma", 1, HEADER.settings), "state has version 2, this run needs 1"),
        (
            Header("ewma", 2, '{"half_life": 20.0, "kind": "Ewma"}'),
            "the state was learned with half_life 50.0, this run needs 20.0",
        ),
        (
            Header("ewma", 2, '{"kind": "Ewma", "half_life": 50.0, "clip": 3}'),
            "the state was learned with clip None, this run needs 3",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(wanted: Header, message: str) -> None:
    with pytest.raises(StateError, match=f"here: {message}"):
        unpack(pack(HEADER, learned()), wanted, fresh(), where="here")


def test_a_refused_state_leaves_the_fresh_one_alone() -> None:
    model = fresh()
    with pytest.raises(StateError):
        unpack(pack(HEADER, learned()), Header("other", 2, HEADER.settings), model)
    assert same(model, fresh())


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, part in parts.items():
            file.writestr(name, part)
    return buffer.getvalue()


def changed(**header: Any) -> bytes:
    """A saved state whose header was altered; None takes a field away."""
    parts = members(pack(HEADER, learned()))
    head = json.loads(parts["header.json"]) | header
    kept = {name: value for name, value in head.items() if value is not None}
    return zipped(parts | {"header.json": json.dumps(kept).encode()})


def refused(data: bytes, message: str) -> None:
    with pytest.raises(StateError, match=message):
        unpack(data, HEADER, fresh(), where="here")


def test_another_file_format_is_refused() -> None:
    refused(changed(format=FORMAT + 1), f"here: file format {FORMAT + 1}, this version reads")


def test_a_file_cut_short_is_refused() -> None:
    data = pack(HEADER, learned())
    for size in range(0, len(data), 97):
        refused(data[:size], "not a saved state, or a damaged one")


def test_a_changed_byte_is_refused_or_changes_nothing() -> None:
    data = pack(HEADER, learned())
    for place, flip in itertools.product(range(len(data)), (0x01, 0x08, 0xFF)):
        harmed = bytearray(data)
        harmed[place] ^= flip
        try:
            found = unpack(bytes(harmed), HEADER, fresh())
        except StateError:
            continue
        assert same(found, learned())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a zip",
        zipped({}),
        zipped({"header.json": b"{"}),
        zipped({"header.json": b"[1]"}),
        zipped({"header.json": b"\xff"}),
        zipped({"word/document.xml": b"<xml/>"}),
    ],
    ids=["empty", "text", "empty zip", "no json", "no table", "no text", "a document"],
)
def test_a_foreign_file_is_refused(data: bytes) -> None:
    refused(data, "not a saved state, or a damaged one")


@pytest.mark.parametrize("name", ["format", "stage", "version", "settings", "scalars"])
def test_a_header_without_one_of_its_fields_is_refused(name: str) -> None:
    refused(changed(**{name: None}), "here: ")


@pytest.mark.parametrize(
    "header", [{"version": "two"}, {"settings": "no json"}, {"settings": 5}, {"settings": "[]"}]
)
def test_a_header_of_other_types_is_refused(header: dict[str, Any]) -> None:
    refused(changed(**header), "here: ")


def test_no_pickle_is_taken_in() -> None:
    member = io.BytesIO()
    np.save(member, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    parts = members(pack(HEADER, learned()))
    refused(zipped(parts | {"pool.npy": member.getvalue()}), "not a saved state")
    refused(zipped(parts | {"pool.npy": pickle.dumps([1])}), "not a saved state")


def with_array(name: str, array: Any) -> bytes:
    member = io.BytesIO()
    np.save(member, array)
    return zipped(members(pack(HEADER, learned())) | {f"{name}.npy": member.getvalue()})


def test_a_field_of_another_layout_is_refused_by_its_name() -> None:
    refused(with_array("pool", np.zeros(3, dtype=np.float32)), "here: pool: found float32 of 1")
    refused(with_array("pool", np.zeros((3, 1))), "here: pool: found float64 of 2 axes")
    refused(with_array("mean", np.zeros((8, 3))), r"here: mean: rows of \(3,\), wanted \(2,\)")


def test_missing_and_unknown_fields_are_refused_by_their_names() -> None:
    parts = members(pack(HEADER, learned()))
    del parts["pool.npy"]
    refused(zipped(parts), r"fields missing \['pool'\], fields unknown \[\]")
    refused(with_array("more", np.zeros(1)), r"fields missing \[\], fields unknown \['more'\]")


def test_a_number_of_another_type_is_refused_by_its_name() -> None:
    scalars = {"inner.count": "7", "names": [], "rate": 0.5, "is_warm": False}
    refused(changed(scalars=scalars), "here: inner.count: found str, wanted int")


def test_an_array_where_a_number_belongs_is_refused() -> None:
    parts = members(with_array("rate", np.zeros(1)))
    head = json.loads(parts["header.json"])
    del head["scalars"]["rate"]
    parts["header.json"] = json.dumps(head).encode()
    refused(zipped(parts), "here: rate: found ndarray, wanted float")


def older() -> bytes:
    """A file of version 1, which had no `rate` and called `pool` something else."""
    parts = members(pack(Header("ewma", 1, HEADER.settings), learned()))
    parts["reserve.npy"] = parts.pop("pool.npy")
    head = json.loads(parts["header.json"])
    head["scalars"] = {k: v for k, v in head["scalars"].items() if k != "rate"}
    return zipped(parts | {"header.json": json.dumps(head).encode()})


def raised(version: int, values: Plain) -> Plain:
    assert version == 1
    rest = {name: value for name, value in values.items() if name != "reserve"}
    return rest | {"pool": values["reserve"], "rate": 0.1 + 0.2}


def test_an_older_version_is_upgraded() -> None:
    assert same(unpack(older(), HEADER, fresh(), raised), learned())


def test_an_older_version_without_an_upgrade_is_refused() -> None:
    refused(older(), "state has version 1, this run needs 2")


def test_an_upgrade_is_not_asked_about_its_own_version() -> None:
    def never(version: int, values: Plain) -> Plain:
        raise AssertionError(version, values)

    assert same(unpack(pack(HEADER, learned()), HEADER, fresh(), never), learned())


def test_a_newer_version_is_refused_with_an_upgrade_too() -> None:
    newer = pack(Header("ewma", 3, HEADER.settings), learned())
    with pytest.raises(StateError, match="state has version 3, this run needs 2"):
        unpack(newer, HEADER, fresh(), raised)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"none\.zip: cannot be read: No such file"):
        load(tmp_path / "none.zip", HEADER, fresh())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"state\.zip: cannot be written: No such file"):
        save(tmp_path / "nowhere" / "state.zip", HEADER, fresh())


def test_a_failed_save_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.zip"
    save(path, HEADER, learned())
    (tmp_path / "state.zip.part").mkdir()
    with pytest.raises(StateError, match="cannot be written"):
        save(path, HEADER, fresh())
    assert load(path, HEADER, fresh()).inner.count == 7


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, None, (1, 2), [1], np.array([None]), np.random.default_rng(0), np.int64(3)],
    ids=lambda value: type(value).__name__,
)
def test_a_state_of_anything_else_is_refused(value: Any) -> None:
    model = learned()
    model.rate = value
    with pytest.raises(StateError, match=f"Model.rate holds a {type(value).__name__}"):
        flatten(model)


def test_states_differ_by_any_bit() -> None:
    changes: list[tuple[str, Any]] = [
        ("rate", 0.3),
        ("names", ["b", "ä"]),
        ("is_warm", 1),
        ("pool", np.zeros(3, dtype=np.float32)),
        ("pool", np.zeros(4)),
        ("inner", Inner(8)),
    ]
    for name, value in changes:
        other = learned()
        setattr(other, name, value)
        assert not same(other, learned()), name


def test_missing_numbers_are_the_same() -> None:
    one, other = learned(), learned()
    one.rate = other.rate = float("nan")
    assert same(one, other)


def test_states_of_other_layouts_are_not_the_same() -> None:
    assert not same(Inner(), learned())


def test_filling_needs_the_same_fields() -> None:
    with pytest.raises(StateError, match=r"here: fields missing \['count'\]"):
        fill(Inner(), {}, "here")


def test_settings_are_told_as_canonical_json() -> None:
    @dataclass(frozen=True)
    class Settings:
        b: tuple[int, ...] = (1, 2)
        a: frozenset[str] = frozenset({"y", "x"})
        c: dict[str, Inner] | None = None

    text = settings_of(Settings(c={"k": Inner(3)}))
    wanted = '{"a": ["x", "y"], "b": [1, 2], "c": {"k": {"count": 3, "kind": "Inner"}}'
    assert text == wanted + ', "kind": "Settings"}'


def test_equal_settings_are_not_refused() -> None:
    refuse_other_settings(HEADER.settings, HEADER.settings, "here")


def test_settings_told_in_another_order_are_not_refused() -> None:
    refuse_other_settings('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', "here")

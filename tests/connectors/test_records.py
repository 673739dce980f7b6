"""Messages into rows, and every way in which a message can be no row."""

import json
import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.connectors.records import FieldMap, Stored, decode, read_record
from tocsin.pipeline.errors import ConfigError

NOON = 1_700_000_000
FIELDS = FieldMap(time="ts", channels=("a", "b"), key=("id",))
GOOD = {"id": "p1", "ts": NOON, "a": 1.5, "b": 2}


def sent(*bodies, key=None):
    return [
        Stored(body if body is None or isinstance(body, bytes) else orjson.dumps(body), i, key)
        for i, body in enumerate(bodies)
    ]


def reading(*bodies, fields=FIELDS, key=None):
    messages = sent(*bodies, key=key)
    return decode(messages, "t/0", len(messages), fields)


def reason(body, fields=FIELDS, key=None):
    """Why a message is refused, with good ones about it that must come through."""
    good = orjson.dumps(GOOD)
    found = decode(
        [Stored(good, 0, b"k"), *sent(body, key=key), Stored(good, 2, b"k")], "t/0", 3, fields
    )
    assert found.time.tolist() == [NOON * 10**9] * 2
    (letter,) = found.rejected
    assert letter.stage == "decode"
    return letter.reason


def test_good_records_become_columns():
    found = reading(GOOD, {"id": 7, "ts": NOON + 1, "b": None, "a": -1, "more": "x"})

    assert list(found.series) == ["p1", "7"]
    assert found.time.tolist() == [NOON * 10**9, (NOON + 1) * 10**9]
    np.testing.assert_array_equal(found.values, [[1.5, 2.0], [-1.0, np.nan]])
    assert found.offset.tolist() == [0, 1]
    assert found.raw[0] == orjson.dumps(GOOD)
    assert (found.part, found.position, list(found.rejected)) == ("t/0", 2, [])


def test_no_messages_give_an_empty_reading():
    found = reading()

    assert (list(found.series), found.values.shape, found.time.shape) == ([], (0, 2), (0,))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (None, "tombstone"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"id":"p","ts":1700000000,"a":NaN}', "not JSON"),
        (b'{"id":"p","ts":1700000000,"a":-Infinity}', "not JSON"),
        (b'{"id":"p","ts":1700000000,"a":1e999}', "not JSON"),
        (b"3", "a number"),
        (b'"x"', "text"),
        (b"null", "null"),
        ({**GOOD, "a": "3.5"}, "'a' holds text"),
        ({**GOOD, "b": True}, "'b' holds true or false"),
        ({**GOOD, "a": [1]}, "'a' holds a list"),
        ({**GOOD, "a": {}}, "'a' holds an object"),
        ({"id": "p1", "ts": NOON, "c": 1}, "wanted a, b; found c, id, ts"),
        ({"id": "p1", "a": 1}, "'ts' is missing"),
        ({**GOOD, "ts": None}, "'ts' is missing or null"),
        ({**GOOD, "ts": True}, "True"),
        ({**GOOD, "ts": 12}, "implausible"),
        ({**GOOD, "ts": "3024-01-01T00:00:00Z"}, "implausible"),
        ({**GOOD, "id": None}, "'id' is null"),
        ({**GOOD, "id": ""}, "'id' is empty"),
        ({**GOOD, "id": 1.5}, "'id' is a number"),
        ({**GOOD, "id": False}, "'id' is true or false"),
        ({**GOOD, "id": ["x"]}, "'id' is a list"),
        ({**GOOD, "id": "x" * 2000}, "2000 characters"),
        ({"ts": NOON, "a": 1}, "'id' is null"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_alone_with_its_reason(body, why):
    assert why in reason(body)


def test_a_dead_letter_keeps_the_message_whole():
    odd = Stored(b"{", 41, b"k", 1234, [("trace", b"1"), ("empty", None)])

    (letter,) = decode([odd], "t/3", 42, FIELDS).rejected

    assert (letter.part, letter.position, letter.index) == ("t/3", 41, 0)
    assert (letter.value, letter.key, letter.timestamp) == (b"{", b"k", 1234)
    assert letter.headers == (("trace", b"1"), ("empty", b""))


def test_a_message_over_the_limit_is_refused_unread():
    fields = FieldMap(time="ts", channels=("a",), key=("id",), max_bytes=100)

    assert "is over max_bytes, 100" in reason(b"{" * 101, fields)


def test_a_record_whose_channels_are_null_is_a_row_of_nan():
    found = reading({"id": "p1", "ts": NOON, "a": None}, GOOD)

    assert np.isnan(found.values[0]).all()
    assert not found.rejected


def test_a_message_may_hold_a_list_of_records_and_one_bad_is_refused_alone():
    found = reading([GOOD, 5, {**GOOD, "a": "x"}, GOOD], [], GOOD)

    assert found.offset.tolist() == [0, 0, 2]
    assert [(letter.position, letter.index) for letter in found.rejected] == [(0, 1), (0, 2)]


def test_records_may_lie_at_a_path_and_share_fields_of_the_message():
    fields = FieldMap(time="t", channels=("v.x",), key=("$.site", "n"), records="data.rows")
    body = {"site": "S", "data": {"rows": [{"t": NOON, "n": 1, "v": {"x": 3}}, {"t": NOON}]}}

    found = reading(body, fields=fields)

    assert list(found.series) == ["S/1"]
    assert found.values.tolist() == [[3.0]]
    assert found.rejected[0].index == 1


def test_a_message_without_the_list_of_records_is_refused():
    fields = FieldMap(time="ts", channels=("a",), records="rows")

    (letter,) = reading({"rows": 3}, fields=fields).rejected

    assert letter.reason == "found a number, wanted a list at 'rows'"


def test_an_escaped_dot_is_part_of_a_name():
    fields = FieldMap(time="ts", channels=(r"cpu\.load",), unkeyed="host")

    found = reading({"ts": NOON, "cpu.load": 0.5}, fields=fields)

    assert found.values.tolist() == [[0.5]]


def test_joined_names_of_different_keys_stay_apart():
    fields = FieldMap(time="ts", channels=("a",), key=("x", "y"))
    rows = [{"ts": NOON, "a": 1, "x": x, "y": y} for x, y in [("a/b", "c"), ("a", "b/c"), ("1", 2)]]

    assert list(reading(*rows, fields=fields).series) == ["a%2Fb/c", "a/b%2Fc", "1/2"]


class TestMessageKeys:
    FIELDS = FieldMap(time="ts", channels=("a",))

    def test_name_the_series_where_no_field_does(self):
        assert list(reading(GOOD, fields=self.FIELDS, key="pümp".encode()).series) == ["pümp"]

    def test_that_are_missing_give_the_default_name(self):
        fields = FieldMap(time="ts", channels=("a",), unkeyed="boiler")

        assert list(reading(GOOD, fields=fields).series) == ["boiler"]

    def test_that_are_missing_are_refused_without_a_default(self):
        fields = FieldMap(time="ts", channels=("a",), unkeyed="")

        assert "no key" in reason(GOOD, fields)

    def test_that_are_empty_or_not_utf8_are_refused(self):
        assert "0 characters" in reason(GOOD, self.FIELDS, key=b"")
        assert "not UTF-8" in reason(GOOD, self.FIELDS, key=b"\xff")


@pytest.mark.parametrize(
    "settings",
    [
        {"time": "", "channels": ("a",)},
        {"time": "t", "channels": ()},
        {"time": "t", "channels": ("a", "a")},
        {"time": "t", "channels": ("a",), "key": ("",)},
        {"time": "t", "channels": ("a",), "zone": "Mars"},
        {"time": "t", "channels": ("a",), "max_bytes": 0},
    ],
)
def test_a_field_map_that_cannot_work_is_a_config_error(settings):
    with pytest.raises(ConfigError):
        FieldMap(**settings)


def test_the_spec_names_the_channels():
    assert FIELDS.spec().item == (2,)
    assert FIELDS.spec().channels == ("a", "b")


names = st.sampled_from(["ts", "a", "b", "id", "n", "rows", "x"])
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "x", "3.5", "a/b", "%", "2023-11-14T22:13:20Z", NOON, NOON * 1000, 1.5]),
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2)
)
likely = st.fixed_dictionaries(
    {"ts": st.sampled_from([NOON, NOON * 1000, "2023-11-14T22:13:20Z", 5, None])},
    optional={"a": leaves, "b": leaves, "id": leaves, "n": values, "rows": values},
)
records = likely | st.dictionaries(names, values) | values
bodies = st.one_of(records, st.lists(records, max_size=3), likely.map(lambda r: {"rows": [r, 1]}))
raws = st.one_of(
    bodies.map(lambda body: json.dumps(body).encode()), st.binary(max_size=4), st.none()
)
messages = st.lists(st.tuples(raws, st.sampled_from([None, b"", b"k", b"\xff"])), max_size=8)
maps = st.sampled_from(
    [
        FIELDS,
        FieldMap("ts", ("a",)),
        FieldMap("ts", ("n.a", "b"), ("n.id", "id")),
        FieldMap("ts", ("a", "$.b"), ("$.id",), records="rows"),
        FieldMap("n.ts", ("a",), records="n.rows", unkeyed=""),
        FieldMap("ts", ("a", "b"), ("id",), time_unit="s", zone="Europe/Berlin", max_bytes=80),
    ]
)


def one_by_one(found, fields):
    """What `decode` must give, by looking at one record after another."""
    rows, refused = [], []
    for i, (raw, key) in enumerate(found):
        for j, record, body in unpacked(raw, fields):
            row = read_record(record, body, key, fields) if isinstance(record, dict) else ""
            if isinstance(row, str):
                refused.append((i, j))
            else:
                rows.append((i, *row))
    return rows, refused


def unpacked(raw, fields):
    try:
        body = None if raw is None or len(raw) > fields.max_bytes else orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict) and not fields.records:
        return [(0, body, body)]
    outer = body if isinstance(body, dict) else {}
    inner = outer
    for name in fields.records.split("."):
        inner = inner.get(name) if isinstance(inner, dict) else None
    inner = body if isinstance(body, list) else inner
    if not isinstance(inner, list):
        return [(0, None, outer)]
    return [(j, record, outer) for j, record in enumerate(inner)]


@given(messages, maps)
def test_columns_give_what_records_give_one_by_one(found, fields):
    got = decode([Stored(raw, i, key) for i, (raw, key) in enumerate(found)], "t/0", 9, fields)

    rows, refused = one_by_one(found, fields)
    assert got.offset.tolist() == [row[0] for row in rows]
    assert list(got.series) == [row[1] for row in rows]
    assert got.time.tolist() == [row[2] for row in rows]
    np.testing.assert_array_equal(
        got.values, np.array([row[3] for row in rows]).reshape(-1, len(fields.channels))
    )
    assert [(letter.position, letter.index) for letter in got.rejected] == refused
    assert all(letter.reason for letter in got.rejected)
    assert [raw == found[i][0] for raw, i in zip(got.raw, got.offset, strict=True)] == [True] * len(
        rows
    )
    assert not any(math.isinf(value) for value in got.values.flat)

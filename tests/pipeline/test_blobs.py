"""State as bytes: what was put in comes out, and a changed byte never does."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tocsin.pipeline.blobs import decode, encode
from tocsin.pipeline.errors import StateError
from tocsin.pipeline.state import Plain

NAMES = st.text(min_size=1, max_size=8)
ARRAYS = arrays.arrays(
    st.sampled_from([np.float64, np.int64, np.int8, np.bool_, np.float32]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
NUMBERS = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
PLAINS = st.dictionaries(NAMES, ARRAYS | NUMBERS | st.lists(st.text(max_size=4)))


def something() -> Plain:
    return {"mean": np.linspace(0.0, 1.0, 7), "seen": np.arange(3), "ticks": 9, "names": ["a", "ä"]}


@given(PLAINS)
def test_what_is_encoded_is_decoded(plain: Plain) -> None:
    found = decode(encode(plain), "here")
    assert found.keys() == plain.keys()
    for name, value in plain.items():
        other = found[name]
        assert type(other) is type(value)
        if isinstance(value, np.ndarray) and isinstance(other, np.ndarray):
            assert (other.dtype, other.shape) == (value.dtype, value.shape)
            assert other.tobytes() == value.tobytes()
        else:
            assert other == value


def test_nan_and_infinities_come_back_as_numbers_of_their_own() -> None:
    found = decode(encode({"low": float("-inf"), "rows": np.array([np.nan, np.inf])}), "here")
    assert found["low"] == float("-inf")
    np.testing.assert_array_equal(found["rows"], [np.nan, np.inf])


def test_the_same_values_give_the_same_bytes() -> None:
    assert encode(something()) == encode(something())


def test_arrays_of_any_layout_come_back_in_order() -> None:
    turned = np.arange(6.0).reshape(2, 3).T
    np.testing.assert_array_equal(decode(encode({"turned": turned}), "here")["turned"], turned)


def test_what_is_decoded_may_be_written_to() -> None:
    array = decode(encode(something()), "here")["mean"]
    assert isinstance(array, np.ndarray)
    array[:] = 5.0
    assert array.flags.owndata


@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_any_changed_byte_is_a_state_error_that_says_where(flip: int) -> None:
    whole = encode(something())
    for place in range(len(whole)):
        harmed = bytearray(whole)
        harmed[place] ^= flip
        with pytest.raises(StateError, match=r"^shelf 3: saved state is damaged"):
            decode(bytes(harmed), "shelf 3")


def test_any_lost_end_is_a_state_error() -> None:
    whole = encode(something())
    for size in range(len(whole)):
        with pytest.raises(StateError, match=r"^here: "):
            decode(whole[:size], "here")


def test_a_header_length_that_was_made_up_is_a_state_error() -> None:
    whole = bytearray(encode(something()))
    struct.pack_into("<I", whole, 8, 1)
    with pytest.raises(StateError, match="damaged"):
        decode(bytes(whole), "here")

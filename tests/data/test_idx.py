"""IDX files: what is written comes back, and what is wrong is told."""

import contextlib
import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.base.errors import UserError
from pipeline.data.idx import encode, parse_idx, unpack

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
HEADER = struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 3, 4)


def test_a_worked_example_of_the_format() -> None:
    np.testing.assert_array_equal(parse_idx(HEADER + IMAGES.tobytes(), name="x"), IMAGES)
    assert encode(IMAGES) == HEADER + IMAGES.tobytes()


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=6)))
def test_arrays_come_back(array: np.ndarray) -> None:
    np.testing.assert_array_equal(parse_idx(encode(array), name="x"), array)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(UserError, match="^x: "):
        parse_idx(content, name="x")


@given(st.binary(max_size=40))
def test_a_true_header_before_arbitrary_bytes(rest: bytes) -> None:
    if len(rest) == IMAGES.size:
        assert parse_idx(HEADER + rest, name="x").tobytes() == rest
    else:
        with pytest.raises(UserError, match="^x: "):
            parse_idx(HEADER + rest, name="x")


WRONG = {
    "empty file": (b"", "magic number is missing"),
    "gzip": (gzip.compress(HEADER), "magic number is 1f8b0800"),
    "magic": (
        b"\0\0\x09\x03" + HEADER[4:] + IMAGES.tobytes(),
        "magic number is 00000903; expected 00000801 to 00000804",
    ),
    "cut header": (HEADER[:9], "the file ends within its 3 dimensions"),
    "short": (HEADER + bytes(23), "expected 24 values, got 23"),
    "long": (HEADER + bytes(25), "expected 24 values, got 25"),
    "no images": (
        struct.pack(">BBBBIII", 0, 0, 8, 3, 0, 28, 28),
        r"dimensions are \(0, 28, 28\); none may be 0",
    ),
    "lying header": (
        struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 28),
        "expected 516508833823349276700 values, got 0",
    ),
}


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_damaged_file_names_file_field_and_value(content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"^x: .*({message})"):
        parse_idx(content, name="x")


# --- gzip ---

PACKED = gzip.compress(HEADER + IMAGES.tobytes(), mtime=0)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_what_gzip_packs_is_unpacked(first: bytes, second: bytes) -> None:
    """Also of several streams one after the other, as some parallel packers write them."""
    assert unpack(gzip.compress(first) + gzip.compress(second), name="x") == first + second


DAMAGED = {
    "plain": HEADER + IMAGES.tobytes(),
    "cut off": PACKED[:-6],
    "checksum": PACKED[:-8] + bytes(8),
    "appended": PACKED + b"more",
    "deflate": PACKED[:10] + b"\xff" * 20,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_gzip_file_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match="^x: not a gzip file, or a damaged one"):
        unpack(content, name="x")


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_gzip_file(content: bytes) -> None:
    with contextlib.suppress(UserError):
        unpack(content, name="x")
    with contextlib.suppress(UserError):
        unpack(PACKED[:10] + content, name="x")


def test_a_bomb_is_not_inflated() -> None:
    """A megabyte that would be a gigabyte: left after the last byte that is allowed."""
    bomb = gzip.compress(bytes(2**24)) * 64
    with pytest.raises(UserError, match="x: gives more than 134217728 bytes"):
        unpack(bomb, name="x")

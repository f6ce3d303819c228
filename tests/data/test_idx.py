"""IDX files: what is written comes back, and what is wrong is told."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.data.idx import encode, parse_images, parse_labels
from pipeline.errors import UserError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
HEADER = struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 3, 4)


def test_a_worked_example_of_the_format() -> None:
    content = gzip.compress(HEADER + IMAGES.tobytes())
    np.testing.assert_array_equal(parse_images(content, name="x"), IMAGES.reshape(2, 12))


@given(arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=6)))
def test_images_come_back(images: np.ndarray) -> None:
    found = parse_images(encode(images), name="x")
    np.testing.assert_array_equal(found, images.reshape(len(images), -1))


@given(arrays(np.uint8, st.integers(1, 30), elements=st.integers(0, 9)))
def test_labels_come_back(labels: np.ndarray) -> None:
    np.testing.assert_array_equal(parse_labels(encode(labels), name="x", classes=10), labels)


@pytest.mark.parametrize("count", [1, 65_526, 65_527, 65_528, 200_000])
def test_gzip_itself_reads_what_is_written(count: int) -> None:
    """Also where the values fill several of the stream's blocks, or just one of them."""
    values = np.arange(count).astype(np.uint8)
    expected = struct.pack(">BBBBI", 0, 0, 8, 1, count) + values.tobytes()
    assert gzip.decompress(encode(values)) == expected


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(content: bytes) -> None:
    for compressed in (content, gzip.compress(content)):
        with pytest.raises(UserError, match="^x: "):
            parse_images(compressed, name="x")


@given(st.binary(max_size=40))
def test_a_true_header_before_arbitrary_bytes(rest: bytes) -> None:
    content = gzip.compress(HEADER + rest)
    if len(rest) == IMAGES.size:
        assert parse_images(content, name="x").tobytes() == rest
    else:
        with pytest.raises(UserError, match="^x: "):
            parse_images(content, name="x")


GOOD = gzip.compress(HEADER + IMAGES.tobytes(), mtime=0)
WRONG = {
    "": (b"", "magic number: expected 4 bytes, the file ends after 0"),
    "no gzip": (HEADER + IMAGES.tobytes(), "no gzip file, or a damaged one"),
    "magic": (
        gzip.compress(b"\0\0\x09\x03" + HEADER[4:] + IMAGES.tobytes()),
        "magic number is 00000903; expected 00000803",
    ),
    "short": (gzip.compress(HEADER + bytes(23)), "expected 24 bytes, the file ends after 23"),
    "long": (gzip.compress(HEADER + bytes(25)), "more values than the dimensions say"),
    "empty": (
        gzip.compress(struct.pack(">BBBBIII", 0, 0, 8, 3, 0, 28, 28)),
        r"dimensions are \(0, 28, 28\); none may be 0",
    ),
    "lying header": (
        gzip.compress(struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 28)),
        "at most 268435456 bytes are read",
    ),
    "cut off": (GOOD[:-6], "the gzip stream is cut off|file ends after"),
    "checksum": (GOOD[:-8] + bytes(8), "damaged one"),
    "appended": (GOOD + b"more", "4 bytes follow the gzip stream"),
}


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_damaged_file_names_file_field_and_value(content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"^x: .*({message})"):
        parse_images(content, name="x")


def test_a_bomb_is_not_inflated() -> None:
    """100 MB of zeros behind a header that declares 24 bytes: refused after the 25th."""
    bomb = gzip.compress(HEADER + bytes(10**8))
    with pytest.raises(UserError, match="more values than the dimensions say"):
        parse_images(bomb, name="x")


def test_a_label_outside_its_range() -> None:
    content = encode(np.array([0, 9, 10], np.uint8))
    with pytest.raises(UserError, match="x: label 2 is 10; allowed is 0 to 9"):
        parse_labels(content, name="x", classes=10)

"""The IDX file format: arrays of bytes with their dimensions in front; and its gzip wrapping.

Convention: bytes in, arrays out; no file is opened here. The header is
`00 00 08 d`, then d dimensions as big-endian 32-bit numbers, then the values (Y. LeCun,
C. Cortes, C. Burges, "The MNIST database", section "File formats"). Nothing a header claims is
believed before it is checked: no array is allocated by it.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import UserError

UNSIGNED_BYTE = 0x08
GZIP_MAGIC = bytes((0x1F, 0x8B))
# Of a file, packed or not. The largest of the data sets here has 47 MB.
MOST_BYTES = 2**27


def parse_images(content: bytes, *, name: str) -> NDArray[np.uint8]:
    """Return images of shape (N, height · width) from an IDX file.

    Raises:
        UserError: the file is not what it should be; names file, field and value.
    """
    images = _parse(content, name=name, dimensions=3)
    return images.reshape(len(images), math.prod(images.shape[1:]))


def parse_labels(content: bytes, *, name: str, classes: int) -> NDArray[np.uint8]:
    """Return labels of shape (N,), each from 0 to classes − 1, from an IDX file.

    Raises:
        UserError: the file is not what it should be; names file, field and value.
    """
    labels = _parse(content, name=name, dimensions=1)
    wrong = np.flatnonzero(labels >= classes)
    if len(wrong):
        raise UserError(
            f"{name}: label {wrong[0]} is {labels[wrong[0]]}; allowed is 0 to {classes - 1}"
        )
    return labels


def encode(array: NDArray[np.uint8]) -> bytes:
    """Return the IDX file of an array."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, UNSIGNED_BYTE, array.ndim, *array.shape)
    return header + array.tobytes()


def unpack(packed: bytes, *, name: str) -> bytes:
    """Return what a gzip file holds.

    Raises:
        UserError: the file is damaged, or holds more than `MOST_BYTES`.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{name}: no gzip file, or a damaged one ({error})") from None
    if len(content) > MOST_BYTES:
        raise UserError(f"{name}: gives more than {MOST_BYTES} bytes")
    return content


def _parse(content: bytes, *, name: str, dimensions: int) -> NDArray[np.uint8]:
    magic = content[:4]
    if magic != bytes((0, 0, UNSIGNED_BYTE, dimensions)):
        raise UserError(
            f"{name}: magic number is {magic.hex() or 'missing'}; expected "
            f"000008{dimensions:02x}, unsigned bytes in {dimensions} dimensions"
        )
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise UserError(f"{name}: the file ends within its {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    count = math.prod(shape)
    if count == 0:
        raise UserError(f"{name}: dimensions are {shape}; none may be 0")
    if len(content) - start != count:
        raise UserError(
            f"{name}: dimensions are {shape}; expected {count} values, got {len(content) - start}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)

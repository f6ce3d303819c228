"""Reads and writes the IDX file format, and unpacks gzip.

Convention: no file is opened here; contents are passed as bytes. An IDX file is `00 00 08 d`, then
d dimensions as big-endian 32-bit numbers, then the values (Y. LeCun, C. Cortes, C. Burges, "The
MNIST database", section "File formats"). A header is checked against the file's size before use.
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
MOST_DIMENSIONS = 4
GZIP_MAGIC = bytes((0x1F, 0x8B))
# The largest file that is read, packed or unpacked. The largest in the catalogue has 47 MB.
MOST_BYTES = 2**27


def parse_idx(content: bytes, *, name: str) -> NDArray[np.uint8]:
    """Return the array of an IDX file.

    Raises:
        UserError: it is not a valid IDX file; the message names file, field and value.
    """
    magic = content[:4]
    dimensions = magic[-1] if len(magic) == 4 else 0
    if magic[:3] != bytes((0, 0, UNSIGNED_BYTE)) or not 1 <= dimensions <= MOST_DIMENSIONS:
        raise UserError(
            f"{name}: magic number is {magic.hex() or 'missing'}; expected 00000801 to "
            f"0000080{MOST_DIMENSIONS}, unsigned bytes in that many dimensions"
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


def encode(array: NDArray[np.uint8]) -> bytes:
    """Return the IDX file of an array."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, UNSIGNED_BYTE, array.ndim, *array.shape)
    return header + array.tobytes()


def unpack(packed: bytes, *, name: str) -> bytes:
    """Return the content of a gzip file.

    Raises:
        UserError: the file is damaged, or holds more than `MOST_BYTES`.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{name}: not a gzip file, or a damaged one ({error})") from None
    if len(content) > MOST_BYTES:
        raise UserError(f"{name}: gives more than {MOST_BYTES} bytes")
    return content

"""The IDX file format: arrays of bytes with their dimensions in front, gzipped.

Convention: bytes in, arrays out; no file is opened here. The header is
`00 00 08 d`, then d dimensions as big-endian 32-bit numbers, then the values (Y. LeCun,
C. Cortes, C. Burges, "The MNIST database", section "File formats"). Nothing a header claims is
believed before it is checked: no array is allocated by it, nothing is inflated beyond it.
"""

from __future__ import annotations

import math
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError

UNSIGNED_BYTE = 0x08
# Deflate, no name, no time, unknown system.
GZIP_HEADER = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255))
LARGEST_BLOCK = 2**16 - 1  # of a stored block
# Far above any of the data sets here, far below what fills a memory.
MOST_BYTES = 2**28


def parse_images(compressed: bytes, *, name: str) -> NDArray[np.uint8]:
    """Return images of shape (N, height · width) from a gzipped IDX file.

    Raises:
        UserError: the file is not what it should be; names file, field and value.
    """
    images = _parse(compressed, name=name, dimensions=3)
    return images.reshape(len(images), math.prod(images.shape[1:]))


def parse_labels(compressed: bytes, *, name: str, classes: int) -> NDArray[np.uint8]:
    """Return labels of shape (N,), each from 0 to classes − 1, from a gzipped IDX file.

    Raises:
        UserError: the file is not what it should be; names file, field and value.
    """
    labels = _parse(compressed, name=name, dimensions=1)
    wrong = np.flatnonzero(labels >= classes)
    if len(wrong):
        raise UserError(
            f"{name}: label {wrong[0]} is {labels[wrong[0]]}; allowed is 0 to {classes - 1}"
        )
    return labels


def encode(array: NDArray[np.uint8]) -> bytes:
    """Return the gzipped IDX file of an array, the same bytes with every Python and zlib.

    The stream stores and does not compress, and is put together here (RFC 1952, RFC 1951 3.2.4):
    what zlib makes of the same values differs between its releases, and these files are known
    by their hash.
    """
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, UNSIGNED_BYTE, array.ndim, *array.shape)
    values = header + array.tobytes()
    stream = [GZIP_HEADER]
    for start in range(0, len(values), LARGEST_BLOCK):
        block = values[start : start + LARGEST_BLOCK]
        last = start + LARGEST_BLOCK >= len(values)
        stream += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    stream.append(struct.pack("<II", zlib.crc32(values), len(values) % 2**32))
    return b"".join(stream)


def _parse(compressed: bytes, *, name: str, dimensions: int) -> NDArray[np.uint8]:
    stream = _Inflating(compressed, name)
    magic = stream.read(4, "magic number")
    if magic != bytes((0, 0, UNSIGNED_BYTE, dimensions)):
        raise UserError(
            f"{name}: magic number is {magic.hex()}; expected 000008{dimensions:02x}, "
            f"unsigned bytes in {dimensions} dimensions"
        )
    shape = struct.unpack(f">{dimensions}I", stream.read(4 * dimensions, "dimensions"))
    count = math.prod(shape)
    if count == 0:
        raise UserError(f"{name}: dimensions are {shape}; none may be 0")
    if count > MOST_BYTES:
        raise UserError(f"{name}: dimensions are {shape}; at most {MOST_BYTES} bytes are read")
    values = stream.read(count, f"values of dimensions {shape}")
    stream.end()
    return np.frombuffer(values, np.uint8).reshape(shape)


class _Inflating:
    """A gzip stream that gives just as many bytes as are asked for."""

    def __init__(self, compressed: bytes, name: str) -> None:
        self._rest, self._name = compressed, name
        self._inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def read(self, count: int, what: str) -> bytes:
        parts: list[bytes] = []
        missing = count
        while missing:
            part = self._inflate(missing)
            if not part:
                raise UserError(
                    f"{self._name}: {what}: expected {count} bytes, the file ends after "
                    f"{count - missing}"
                )
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def end(self) -> None:
        """Check that the stream ends here, and with the right checksum."""
        if self._inflate(1):
            raise UserError(f"{self._name}: more values than the dimensions say")
        if not self._inflater.eof:
            raise UserError(f"{self._name}: the gzip stream is cut off")
        if self._inflater.unused_data:
            raise UserError(
                f"{self._name}: {len(self._inflater.unused_data)} bytes follow the gzip stream"
            )

    def _inflate(self, most: int) -> bytes:
        if self._inflater.eof:
            return b""
        try:
            part = self._inflater.decompress(self._rest, most)
        except zlib.error as error:
            raise UserError(f"{self._name}: no gzip file, or a damaged one ({error})") from None
        self._rest = self._inflater.unconsumed_tail
        return part

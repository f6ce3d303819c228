"""Where training reads its inputs from, a batch at a time, into a buffer it owns.

Convention: `take` and `block` fill `out` of shape (b, n) and return nothing.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.network.activations import Array

# Rows that stay in a core's cache between one operation on them and the next.
CACHED_ROWS = 200


class Inputs(Protocol):
    """N inputs of n features each."""

    @property
    def shape(self) -> tuple[int, int]:
        """(N, n)."""

    def take(self, indices: NDArray[np.integer[Any]], out: Array) -> None:
        """Fill `out` with the inputs at `indices`."""

    def block(self, start: int, out: Array) -> None:
        """Fill `out` with the inputs from `start` on."""


class ArrayInputs:
    """Inputs that lie ready in an array X of shape (N, n)."""

    def __init__(self, X: Array) -> None:
        self._X = X

    @property
    def shape(self) -> tuple[int, int]:
        """(N, n)."""
        N, n = self._X.shape
        return N, n

    def take(self, indices: NDArray[np.integer[Any]], out: Array) -> None:
        """Fill `out` with the inputs at `indices`."""
        # mode="clip" skips the bounds check and the copy it would need; the indices are ours.
        np.take(self._X, indices, axis=0, out=out, mode="clip")

    def block(self, start: int, out: Array) -> None:
        """Fill `out` with the inputs from `start` on."""
        np.copyto(out, self._X[start : start + len(out)])


class PixelInputs:
    """Inputs (pixels − shift) · scale, computed from 8-bit pixels as they are read.

    Keeping the pixels takes a quarter of the memory of float32 inputs, and moving fewer bytes
    pays for the arithmetic.

    Args:
        pixels: shape (N, n), uint8.
        shift: a number or shape (n,), in the training's dtype.
        scale: the same.
        rows: the largest batch or block that will be asked for.
    """

    def __init__(self, pixels: NDArray[np.uint8], shift: Array, scale: Array, rows: int) -> None:
        self._pixels = pixels
        self._shift = shift
        self._scale = scale
        self._buffer = np.empty((rows, pixels.shape[1]), np.uint8)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, n)."""
        N, n = self._pixels.shape
        return N, n

    def take(self, indices: NDArray[np.integer[Any]], out: Array) -> None:
        """Fill `out` with the inputs at `indices`."""
        rows = self._buffer[: len(out)]
        np.take(self._pixels, indices, axis=0, out=rows, mode="clip")
        self._scaled(rows, out)

    def block(self, start: int, out: Array) -> None:
        """Fill `out` with the inputs from `start` on."""
        self._scaled(self._pixels[start : start + len(out)], out)

    def _scaled(self, pixels: NDArray[np.uint8], out: Array) -> None:
        for start in range(0, len(out), CACHED_ROWS):
            rows = out[start : start + CACHED_ROWS]
            np.copyto(rows, pixels[start : start + CACHED_ROWS])
            np.subtract(rows, self._shift, out=rows)
            np.multiply(rows, self._scale, out=rows)

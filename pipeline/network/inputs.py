"""What training reads: inputs in batches and in blocks, without what is empty in all of them.

Convention: an input is x = z + e. z is the input that an empty image gives, the same for all; e is
zero where the image is empty, so that a batch of e needs only the features, columns here, in
which any of its images is not. Two thirds of MNIST's pixels are left in a batch of 100, and half
of them in a block of 1,000 that look alike. What is gained by it is in `first_layer`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.network.activations import Array

Indices = NDArray[np.intp]

# Rows evaluated at once: large enough for the products to run at the machine's peak. Part of
# every result, since the size of a product can change its last bits.
EVALUATION_ROWS = 1000
# A feature is frequent if fewer batches than this share are expected to do without it.
SELDOM_MISSING = 0.1
# Rows that stay in a core's cache between one operation on them and the next.
CACHED_ROWS = 200


class Block(NamedTuple):
    """Some inputs to evaluate: which ones, shape (b,); features, shape (k,); e, shape (b, k)."""

    rows: Indices
    features: Indices
    E: Array


class Inputs(Protocol):
    """N inputs of n features each."""

    @property
    def shape(self) -> tuple[int, int]:
        """(N, n)."""

    @property
    def empty(self) -> Array:
        """The input z of an empty image, shape (n,)."""

    @property
    def features(self) -> Indices:
        """All features, the frequent ones first, shape (n,)."""

    @property
    def frequent(self) -> int:
        """How many features are frequent: read in every batch."""

    def take(self, indices: Indices, out: Array) -> Indices:
        """Read a batch.

        Args:
            indices: of its inputs, shape (b,).
            out: shape (b, n + 2); its first columns become e of the frequent features, then
                e·z and 1, then e of the rare features that are not empty in all of the batch.

        Returns:
            The latter's places in `features[frequent:]`.
        """

    def blocks(self) -> Iterator[Block]:
        """Yield all inputs, in blocks that last until the next one is asked for."""


class Examples(NamedTuple):
    """Inputs, their one-hot labels of shape (N, m), and the labels as numbers, shape (N,)."""

    inputs: Inputs
    Y: Array
    labels: NDArray[np.integer[Any]]


class ArrayInputs:
    """Inputs that lie ready in an array X of shape (N, n): z is zero, every feature frequent."""

    def __init__(self, X: Array) -> None:
        self._X = X
        self.frequent = X.shape[1]
        self.features = np.arange(self.frequent)
        self.empty = np.zeros(self.frequent, X.dtype)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, n)."""
        N, n = self._X.shape
        return N, n

    def take(self, indices: Indices, out: Array) -> Indices:
        """Read a batch; see `Inputs`."""
        # mode="clip" skips a check of the indices, which are ours.
        out[:, :-2] = np.take(self._X, indices, axis=0, mode="clip")
        out[:, -2:] = (0, 1)
        return self.features[:0]

    def blocks(self) -> Iterator[Block]:
        """Yield all inputs; see `Inputs`."""
        for start in range(0, len(self._X), EVALUATION_ROWS):
            E = self._X[start : start + EVALUATION_ROWS]
            yield Block(np.arange(start, start + len(E)), self.features, E)


class PixelInputs:
    """Inputs (pixels − shift) · scale, computed from 8-bit pixels as they are read.

    So z = −shift · scale, and e = pixels · scale. Keeping pixels takes a quarter of the memory of
    float32 inputs, and moving fewer bytes pays for the arithmetic.

    Args:
        pixels: shape (N, n); copied.
        shift: a number or shape (n,), in the training's dtype.
        scale: the same.
        batch_size: of the batches to be read.
        order: what looks alike is close together in it, shape (N,); as they lie if None.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        shift: Array,
        scale: Array,
        *,
        batch_size: int,
        order: Indices | None = None,
    ) -> None:
        N, n = self.shape = pixels.shape
        self._scale = np.broadcast_to(scale, n)
        self.empty = np.ascontiguousarray(np.broadcast_to(-shift * scale, n))
        missing = (1 - np.count_nonzero(pixels, axis=0) / N) ** batch_size
        rare = missing >= SELDOM_MISSING
        self.features = np.concatenate([np.flatnonzero(~rare), np.flatnonzero(rare)])
        self.frequent = n - np.count_nonzero(rare)
        self._pixels = np.take(pixels, self.features, axis=1)
        self._scale_of = self._scale[self.features]
        self._e_z = np.empty(N, scale.dtype)
        self._blocks = []
        order = np.arange(N) if order is None else order
        for start in range(0, N, EVALUATION_ROWS):
            rows = order[start : start + EVALUATION_ROWS]
            block = pixels[rows]
            self._e_z[rows] = block.astype(np.float64) @ (self._scale * self.empty)
            features = np.flatnonzero(block.any(axis=0))
            self._blocks.append((rows, features, np.take(block, features, axis=1)))
        self._room = np.empty((min(N, EVALUATION_ROWS), n), scale.dtype)

    def take(self, indices: Indices, out: Array) -> Indices:
        """Read a batch; see `Inputs`."""
        f = self.frequent
        # mode="clip" skips a check of the indices, which are ours.
        pixels = np.take(self._pixels, indices, axis=0, mode="clip")
        rare = np.flatnonzero(pixels[:, f:].any(axis=0))
        np.multiply(pixels[:, :f], self._scale_of[:f], out=out[:, :f])
        out[:, f] = self._e_z[indices]
        out[:, f + 1] = 1
        np.multiply(
            np.take(pixels, f + rare, axis=1, mode="clip"),
            self._scale_of[f + rare],
            out=out[:, f + 2 : f + 2 + len(rare)],
        )
        return rare

    def blocks(self) -> Iterator[Block]:
        """Yield all inputs; see `Inputs`."""
        for rows, features, pixels in self._blocks:
            E, scale = self._room[: len(rows), : len(features)], self._scale[features]
            for start in range(0, len(rows), CACHED_ROWS):
                cached = slice(start, start + CACHED_ROWS)
                np.multiply(pixels[cached], scale, out=E[cached])
            yield Block(rows, features, E)

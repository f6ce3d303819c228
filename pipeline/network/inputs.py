"""What training reads: inputs in batches, what is always empty or nearly so kept sparse.

Convention: an input is x = z + e. z is the input that an empty image gives, the same for all; e is
zero where the image is empty. A feature, a column here, is frequent or rare: most of MNIST's
pixels are lit in fewer than a tenth of its images, and of an image's 150 lit pixels seven are
among them. So e of the frequent features is an array and e of the rare ones a sparse one. What is
gained by it is in `first_layer`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.network.activations import Array
from pipeline.network.sparse import SparseRows

Indices = NDArray[np.intp]

# A feature is rare if at most this share of the images has it: below, SciPy's loop over entries
# is faster than a product that multiplies zeros. Part of every result, like all here.
RARE = 0.1
# Rows converted to float64 at once, so that a worker's memory does not grow by it.
CONVERTED_ROWS = 1000


class Batch(NamedTuple):
    """Some inputs, until the next ones are asked for.

    Attributes:
        rows: where they stand in the order that was asked for.
        E: e of the f frequent features, then e·z and 1, shape (b, f + 2).
        rare: e of the rare features, b rows.
    """

    rows: slice
    E: Array
    rare: SparseRows


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
        """How many features are frequent."""

    def batches(self, size: int, order: Indices | None = None) -> Iterator[Batch]:
        """Yield inputs.

        Args:
            size: of a batch; the last one takes what is left.
            order: which, and in which order; all as they lie if None.
        """


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

    def batches(self, size: int, order: Indices | None = None) -> Iterator[Batch]:
        """Yield inputs; see `Inputs`."""
        N, n = self.shape
        count = N if order is None else len(order)
        room = np.empty((min(count, size), n + 2), self._X.dtype)
        none = SparseRows.of(np.zeros((count, 0), self._X.dtype))
        for rows in _slices(count, size):
            E = room[: rows.stop - rows.start]
            E[:, :n], E[:, n:] = self._X[rows] if order is None else self._X[order[rows]], (0, 1)
            yield Batch(rows, E, none.at(rows))


class PixelInputs:
    """Inputs (pixels − shift) · scale, computed from 8-bit pixels as they are read.

    So z = −shift · scale, and e = pixels · scale. Keeping pixels takes a quarter of the memory of
    float32 inputs, and moving fewer bytes pays for the arithmetic.

    Args:
        pixels: shape (N, n); copied.
        shift: a number or shape (n,), in the training's dtype.
        scale: the same.
    """

    def __init__(self, pixels: NDArray[np.uint8], shift: Array, scale: Array) -> None:
        N, n = self.shape = pixels.shape
        scale = np.broadcast_to(scale, n)
        self.empty = np.ascontiguousarray(np.broadcast_to(-shift * scale, n))
        rare = np.count_nonzero(pixels, axis=0) <= RARE * N
        self.features = np.concatenate([np.flatnonzero(~rare), np.flatnonzero(rare)])
        self.frequent = f = n - np.count_nonzero(rare)
        self._pixels = np.take(pixels, self.features[:f], axis=1)
        # Of e·z and 1, which are beside them, too.
        self._scale = np.append(scale[self.features[:f]], np.ones(2, scale.dtype))
        rest = SparseRows.of(np.take(pixels, self.features[f:], axis=1))
        factors = scale[self.features[f:]][rest.columns]
        self._rare = rest._replace(values=rest.values * factors)
        self._e_z = np.empty(N, scale.dtype)
        for rows in _slices(N, CONVERTED_ROWS):
            self._e_z[rows] = pixels[rows].astype(np.float64) @ (scale * self.empty)

    def batches(self, size: int, order: Indices | None = None) -> Iterator[Batch]:
        """Yield inputs; see `Inputs`."""
        f, rare, e_z = self.frequent, self._rare, self._e_z
        if order is not None:
            rare, e_z = rare.take(order), e_z[order]
        room = np.empty((min(len(e_z), size), f + 2), e_z.dtype)
        for rows in _slices(len(e_z), size):
            E = room[: rows.stop - rows.start]
            if order is None:
                E[:, :f] = self._pixels[rows]
            else:
                # mode="clip" skips a check of the indices, which are ours.
                E[:, :f] = np.take(self._pixels, order[rows], axis=0, mode="clip")
            E[:, f], E[:, f + 1] = e_z[rows], 1
            # Faster than multiplying bytes by floats above.
            np.multiply(E, self._scale, out=E)
            yield Batch(rows, E, rare.at(rows))


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))

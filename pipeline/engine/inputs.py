"""The inputs of training and evaluation; nearly constant pixels are stored as sparse rows.

Convention: most of MNIST's pixels are empty in nearly every image. A pixel is rare if at most a
share `RARE` of the training images differ there from its usual value; the other pixels are
frequent. A frequent pixel's input is x = (pixel − shift) · scale. A rare one's is x = z + e, where
z is the input of the usual value. e is 0 in most images; only its other values, the entries, are
stored. `descent` shows what this saves.

Each pixel has its own usual value, which need not be 0. So z is small for standardised data whether
the background is black or white, and no digits are lost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.data.preprocessing import AffineMap
from pipeline.engine import kernels
from pipeline.engine.program import Matrix, Program, laid_out, matrix, vectors

Indices = NDArray[np.int64]

# Every result depends on it. Time hardly does: from 0.1 to 0.4 it changes by less than 5 %, since
# more rare pixels save time in products but cost time in entries.
RARE = 0.2
# Entries are added to a weight one by one, each addition rounded. For batches of 50 to 1,000 the
# first layer's rounding error is some four times the readable network's; beyond, it grows.
LARGEST_SPARSE_BATCH = 1000
# Rows processed at a time when examples are made, to save memory.
ROWS = 1000


class Sparse(NamedTuple):
    """e of the rare pixels.

    Attributes:
        starts: where each image's entries start, then where the last one's end: shape (N + 1,).
        entries: index of the rare pixel, and value, image by image.
    """

    starts: Indices
    entries: NDArray[Any]


class Inputs:
    """N inputs of n features each.

    Attributes:
        shape: (N, n).
        dtype: of the inputs.
        frequent: the frequent features, shape (f,).
        rare: the rare ones, ascending too, shape (n − f,).
        z: of the rare ones, shape (n − f,).
        sparse: e of the rare ones.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    frequent: Indices
    rare: Indices
    z: Matrix
    sparse: Sparse

    def gather(self, program: Program, rows: int, index: Indices, E: Matrix) -> None:
        """Add to a program: fill E with inputs of the frequent features, then e·z and 1.

        Args:
            program: the program.
            rows: number of inputs.
            index: their indices, followed by `kernels.AHEAD` other valid ones.
            E: shape (rows, f + 2).
        """
        raise NotImplementedError


class ArrayInputs(Inputs):
    """Inputs stored as an array: every feature is frequent.

    Args:
        E: N rows of n inputs, then 0 and 1: shape (N, n + 2), as `matrix` makes it; not copied.
    """

    def __init__(self, E: Matrix) -> None:
        N, n = self.shape = len(E), E.shape[1] - 2
        self.dtype = E.dtype
        self.frequent, self.rare = np.arange(n), np.arange(0)
        self.z = np.zeros(0, E.dtype)
        self.sparse = Sparse(np.zeros(N + 1, np.int64), np.zeros(1, _entry(E.dtype)))
        self._E = E

    def gather(self, program: Program, rows: int, index: Indices, E: Matrix) -> None:
        """See `Inputs`."""
        count = vectors(self._E.shape[1], self.dtype)
        program.call(kernels.take, (), rows, count, index, self._E, E)


class PixelInputs(Inputs):
    """Inputs (pixels − shift) · scale, computed from 8-bit pixels as they are read.

    Args:
        pixels: shape (N, n); copied.
        shift: a number or shape (n,).
        scale: the same.
        dtype: of the inputs.
        rare: the largest share of images in which a rare pixel differs; 0 means no pixel is rare.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        shift: NDArray[Any],
        scale: NDArray[Any],
        dtype: DTypeLike,
        *,
        rare: float,
    ) -> None:
        N, n = self.shape = pixels.shape
        self.dtype = np.dtype(dtype)
        shift, scale = (np.broadcast_to(each, n).astype(dtype) for each in (shift, scale))
        usual, is_rare = np.zeros(n, np.uint8), np.zeros(n, np.bool_)
        if rare > 0:
            usual = _usual(pixels)
            is_rare = np.count_nonzero(pixels != usual, axis=0) <= rare * N
        self.frequent, self.rare = np.flatnonzero(~is_rare), np.flatnonzero(is_rare)
        f, rest = len(self.frequent), self.rare
        self._shift, self._scale = (
            laid_out(each[np.newaxis, self.frequent]) for each in (shift, scale)
        )
        self._pixels = matrix((N, f), np.uint8)
        np.take(pixels, self.frequent, axis=1, out=self._pixels, mode="clip")
        self.z = (usual[rest].astype(dtype) - shift[rest]) * scale[rest]
        self.sparse = _sparse(pixels, rest, usual[rest], scale[rest])
        e_z, program = matrix((N, 1), dtype), Program(dtype)
        times(program, self, N, np.arange(N), laid_out(self.z[:, np.newaxis]), e_z)
        program.run()
        self._e_z = e_z[:, 0].copy()

    def gather(self, program: Program, rows: int, index: Indices, E: Matrix) -> None:
        """See `Inputs`."""
        f = len(self.frequent)
        program.call(
            kernels.gather,
            (),
            *(rows, vectors(f, self.dtype), index, self._pixels),
            *(self._shift[0], self._scale[0], E, self._e_z, f),
        )


def inputs_of(
    preprocessor: AffineMap, raw: NDArray[Any], dtype: DTypeLike, *, rare: float = 0.0
) -> Inputs:
    """Return the inputs that a preprocessor makes of raw examples.

    From 8-bit pixels without a matrix, inputs are computed whenever they are read. All others are
    computed once: repeated products with the matrix would cost more than the network.

    Args:
        preprocessor: the map.
        raw: pixels or features, shape (N, n).
        dtype: of the inputs.
        rare: see `PixelInputs`. If it is 0, each row depends on no other row of `raw`.
    """
    shift, scale, N = preprocessor.shift, preprocessor.scale, len(raw)
    if preprocessor.matrix is None and raw.dtype == np.uint8:
        return PixelInputs(raw, shift, scale, dtype, rare=rare)
    rotation = None if preprocessor.matrix is None else laid_out(preprocessor.matrix, dtype)
    k = raw.shape[1] if rotation is None else rotation.shape[1]
    inputs = matrix((N, k + 2), dtype)
    for start in range(0, N, ROWS):
        rows = slice(start, start + ROWS)
        X = AffineMap(shift, scale).apply(raw[rows], dtype)
        if rotation is None:
            inputs[rows, :k] = X
        else:
            program = Program(dtype)
            program.product(laid_out(X, dtype), rotation, inputs[rows, :k], "store")
            program.run()
    inputs[:, k:] = 0, 1  # after the products, which write beyond column k, by whole vectors
    return ArrayInputs(inputs)


def times(
    program: Program,
    inputs: Inputs,
    rows: int,
    index: Indices,
    U: Matrix,
    H: Matrix,
    start: Matrix | None = None,
) -> None:
    """Add to a program: H = start + e U, for e of the rare features.

    Args:
        program: the program.
        inputs: whose e is multiplied.
        rows: number of its rows.
        index: indices of these rows, shape (rows,) or longer.
        U: shape (n − f, m).
        H: shape (rows, m).
        start: shape (1, m); zeros if None.
    """
    m = U.shape[1]
    first = matrix((1, m), program.dtype) if start is None else start
    program.call(
        kernels.sparse_product,
        (),
        *(rows, vectors(m, program.dtype), index, *inputs.sparse, U, first[0], H),
    )


def add_transposed_times(
    program: Program, inputs: Inputs, rows: int, index: Indices, G: Matrix, U: Matrix
) -> None:
    """Add to a program: U = U + eᵀ G, for e of the rare features; see `times`."""
    program.call(
        kernels.add_sparse_product,
        (),
        *(rows, vectors(U.shape[1], program.dtype), index, *inputs.sparse, U, G),
    )


def _usual(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return each pixel's median over some 1,000 images: the value of most, if most agree."""
    sample = np.sort(pixels[:: -(-len(pixels) // ROWS)], axis=0)
    return sample[len(sample) // 2]


def _entry(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype([("column", f"u{dtype.itemsize}"), ("value", dtype)])


def _sparse(
    pixels: NDArray[np.uint8], rare: Indices, usual: NDArray[np.uint8], scale: NDArray[Any]
) -> Sparse:
    """Return e = (pixels − usual) · scale of the rare pixels."""
    dtype = scale.dtype
    parts, counts = [], [np.zeros(1, np.int64)]
    for start in range(0, len(pixels), ROWS):
        block = np.take(pixels[start : start + ROWS], rare, axis=1)
        lit = block != usual
        counts.append(np.count_nonzero(lit, axis=1))
        places = np.flatnonzero(lit)
        columns = places % len(rare)
        part = np.empty(len(places), _entry(dtype))
        part["column"] = columns
        difference = block.ravel()[places].astype(dtype) - usual[columns].astype(dtype)
        part["value"] = difference * scale[columns]
        parts.append(part)
    none = np.zeros(1, _entry(dtype))
    return Sparse(np.cumsum(np.concatenate(counts)), np.concatenate([*parts, none]))

"""Programs: lists of kernel calls that run without Python in between."""

from __future__ import annotations

import ctypes
from array import array
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.engine import kernels
from pipeline.engine.code import LINE, machine

Matrix = NDArray[np.floating[Any]]
Indices = NDArray[np.int64]


def matrix(shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    """Return zeros of shape (rows, columns), with room for whole vectors beside and below.

    Rows begin at cache lines. The stride is an odd number of lines, so that a column of vectors
    spreads over the whole cache. One row is added: a transposition, which reads whole vectors of
    rows, may begin at row 1.
    """
    rows, columns = shape
    lines = -(-columns * np.dtype(dtype).itemsize // LINE) | 1
    block = LINE // np.dtype(dtype).itemsize
    stored = -(-rows // block) * block + 1
    room = np.empty((stored * lines + 1) * LINE, np.uint8)  # NumPy asks for huge pages here
    room[:] = 0
    start = -room.ctypes.data % LINE
    whole = room[start : start + stored * lines * LINE].view(dtype).reshape(stored, -1)
    return whole[:rows, :columns]


def laid_out(X: NDArray[Any], dtype: DTypeLike | None = None) -> Matrix:
    """Return a copy of a two-dimensional array in the layout of `matrix`."""
    copy = matrix(X.shape, dtype or X.dtype)
    copy[:] = X
    return copy


class Program:
    """A list of kernel calls on some rows of examples; it keeps the arrays that they use.

    Matrices are as `matrix` makes them; those that a call writes may change beside their last
    column and below their last row, by up to a vector.

    Args:
        dtype: of the numbers that it computes with.
        rows: number of rows.

    Attributes:
        index: indices of the rows, shape (rows,), which `run` sets.
        names: of the kernels that it calls, with sizes of products, for profiling.
        words: the number of calls, then the calls, as `kernels.run` reads them.
    """

    def __init__(self, dtype: DTypeLike, rows: int = 0) -> None:
        self.dtype = np.dtype(dtype)
        self.index: Indices = np.zeros(rows, np.int64)
        self.names: list[str] = []
        self.words = array("q", [0])
        self._kept: list[Any] = []

    def _call(self, name: str, kernel: int, *arguments: Any) -> None:
        """Add a kernel call: an array is passed by address, a matrix by address and stride."""
        words: list[int] = []
        for each in arguments:
            if isinstance(each, int):
                words.append(each)
            else:
                words += [each.ctypes.data, *each.strides[: each.ndim - 1]]
        self.words.extend([kernel, len(words), *words])
        self.words[0] += 1
        self.names.append(name)
        self._kept += arguments

    def _vectors(self, columns: int) -> int:
        return -(-columns * self.dtype.itemsize // machine().vector_bytes)

    def product(
        self,
        A: Matrix,
        B: Matrix,
        C: Matrix,
        start: Matrix | None = None,
        *,
        added: bool = False,
    ) -> None:
        """Add C = A B, each element of A B a chain along k.

        Args:
            A: shape (m, k), any strides.
            B: shape (k, n).
            C: shape (m, n).
            start: what the chains start from: shape (1, n), for all rows, or (m, n); zeros if None.
            added: whether to add to C instead: C = C + A B.
        """
        (m, k), n = A.shape, B.shape[1]
        assert B.shape[0] == k
        assert C.shape == (m, n)
        start = np.broadcast_to(matrix((1, n), self.dtype) if start is None else start, C.shape)
        assert all(X.dtype == self.dtype for X in (A, B, C, start))
        assert all(X.strides[0] % LINE == 0 for X in (B, C, start))
        self._call(
            f"product {m} x {k} x {n}",
            kernels.product(self.dtype, added),
            *(m, self._vectors(n), k, A, A.strides[1], B, start, C),
        )

    def apply(
        self, formula: tuple[Any, ...], C: Matrix, *operands: Matrix | tuple[Matrix, Indices]
    ) -> None:
        """Add C = a formula of operands.

        Args:
            formula: a function of rows, such as those in `formulas`, and its further arguments.
            C: shape (m, n); may be an operand.
            operands: of C's shape, or of shape (1, n), for all rows; or a matrix, which may be of
                bytes, and the indices of the m rows of it that are meant.
        """
        every = np.arange(len(C))
        pairs: list[tuple[Matrix, Indices]] = [
            each if isinstance(each, tuple) else (np.broadcast_to(each, C.shape), every)
            for each in operands
        ]
        are_bytes = tuple(X.dtype == np.uint8 for X, _ in pairs)
        assert all(X.dtype in (self.dtype, np.uint8) for X, _ in pairs)
        assert C.dtype == self.dtype
        self._call(
            formula[0].__name__,
            kernels.apply(self.dtype, formula, are_bytes),
            *(*C.shape, C, *(word for pair in pairs for word in pair)),
        )

    def sparse_product(self, sparse: tuple[Any, Any], U: Matrix, start: Matrix, H: Matrix) -> None:
        """Add H = start + S U for the program's rows of a sparse S, see `inputs.Inputs`."""
        start = np.broadcast_to(start, H.shape)
        self._call(
            "sparse_product",
            kernels.sparse_product(self.dtype, False),
            *(len(H), self._vectors(H.shape[1]), self.index, *sparse, U, start, H),
        )

    def add_sparse_product(self, sparse: tuple[Any, Any], G: Matrix, U: Matrix) -> None:
        """Add U = U + Sᵀ G for the program's rows of a sparse S, see `inputs.Inputs`."""
        self._call(
            "add_sparse_product",
            kernels.sparse_product(self.dtype, True),
            *(len(G), self._vectors(G.shape[1]), self.index, *sparse, U, G, G),
        )

    def fetch(self, sparse: tuple[Any, Any], X: NDArray[Any], Y: NDArray[Any]) -> None:
        """Add: prefetch the program's rows of S, X and Y."""
        self._call("fetch", kernels.fetch(self.dtype), len(self.index), self.index, *sparse, X, Y)

    def transpose(self, W: Matrix, T: Matrix) -> None:
        """Add T = Wᵀ."""
        counts = map(self._vectors, W.shape)
        self._call("transpose", kernels.transpose(self.dtype), *counts, W, T)

    def run(self, index: Indices | None = None) -> None:
        """Run all calls, without the GIL, on the rows at `index`."""
        if index is not None:
            self.index[:] = index
        address, _ = self.words.buffer_info()
        _run()(address)


@cache
def _run() -> Any:
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(kernels.run(np.float64))


def times(A: Matrix, B: Matrix, start: Matrix | None = None) -> Matrix:
    """Return A B; see `Program.product`."""
    C, program = matrix((len(A), B.shape[1]), B.dtype), Program(B.dtype)
    program.product(A, B, C, start)
    program.run()
    return C


def applied(formula: tuple[Any, ...], X: Matrix, *operands: Matrix) -> Matrix:
    """Return a formula of X and other operands; see `Program.apply`."""
    C, program = matrix(X.shape, X.dtype), Program(X.dtype)
    program.apply(formula, C, X, *operands)
    program.run()
    return C

"""Programs: lists of kernel calls that run without Python in between."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.engine import kernels
from pipeline.engine.code import LINE, Writer, kernel, machine

Matrix = NDArray[np.floating[Any]]


def matrix(shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    """Return zeros of shape (rows, columns), with room for whole vectors beside and below.

    Rows begin at cache lines. The stride is an odd number of lines, so that a column of vectors
    spreads over the whole cache.
    """
    rows, columns = shape
    itemsize = np.dtype(dtype).itemsize
    lines = -(-columns * itemsize // LINE) | 1
    block = LINE // itemsize
    stored = -(-max(rows, 1) // block) * block
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


def vectors(columns: int, dtype: DTypeLike) -> int:
    """Return the number of vectors that hold `columns` numbers."""
    return -(-columns * np.dtype(dtype).itemsize // machine().vector_bytes)


class Program:
    """A list of kernel calls; it keeps the arrays that they read and write.

    Args:
        dtype: of the numbers that it computes with.

    Attributes:
        names: of the kernels that it calls, with sizes of products, for profiling.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self._words: list[int] = []
        self.names: list[str] = []
        self._kept: list[Any] = []
        self._packed: NDArray[np.int64] | None = None
        self.zero = np.zeros(1, dtype)

    def call(self, writer: Writer, options: tuple[Any, ...], *arguments: Any) -> None:
        """Add a kernel call: an array is passed by address, a matrix by address and stride."""
        words: list[int] = []
        for each in arguments:
            if isinstance(each, int):
                words.append(each)
            else:
                words += [each.ctypes.data, *each.strides[: each.ndim - 1]]
        self._words += [kernel(writer, self.dtype, *options), len(words), *words]
        self.names.append(writer.__name__)
        self._kept += arguments
        self._packed = None

    def product(
        self,
        A: Matrix,
        B: Matrix,
        C: Matrix,
        *epilogue: str,
        start: Matrix | None = None,
        D: Matrix | None = None,
        scalar: NDArray[Any] | None = None,
    ) -> None:
        """Add a product A B, followed by one of `kernels.EPILOGUES`.

        Args:
            A: shape (m, k), any strides.
            B: shape (k, n), as `matrix` makes it.
            C: shape (m, n), likewise; the padding beside its last column is overwritten.
            epilogue: its name and options.
            start: what the chains start from: shape (1, n), for all rows, or (m, n); zeros if None.
            D: the epilogue's second matrix, as C.
            scalar: the epilogue's number, one element.
        """
        (m, k), n = A.shape, B.shape[1]
        assert B.shape[0] == k
        assert C.shape == (m, n)
        start = np.broadcast_to(matrix((1, n), self.dtype) if start is None else start, C.shape)
        D = C if D is None else D
        # Kernels read and write whole vectors, beyond the last column: `matrix` leaves room there.
        assert all(X.dtype == self.dtype for X in (A, B, C, D, start))
        assert all(X.strides[0] % LINE == 0 for X in (B, C, D, start))
        self.call(
            kernels.product,
            (),
            *(m, vectors(n, self.dtype), k),
            *(A, A.strides[1], B, start),
            kernel(kernels.epilogue, self.dtype, *epilogue),
            *(C, D, self.zero if scalar is None else scalar),
        )
        self.names[-1] = f"product {m} x {k} x {n}, {' '.join(epilogue)}"

    def run(self) -> None:
        """Run all calls, without the GIL."""
        if self._packed is None:
            self._packed = np.array(self._words, np.int64)
        _run()(self._packed.ctypes.data, len(self.names))


@cache
def _run() -> Any:
    address = kernel(kernels.run, np.dtype(np.float64))
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(address)

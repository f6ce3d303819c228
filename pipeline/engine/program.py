"""Programs: lists of kernel calls that run without Python in between."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.engine import kernels
from pipeline.engine.code import LINE, compiled

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


def laid_out(X: NDArray[Any], dtype: DTypeLike | None = None) -> Any:
    """Return a copy of a two-dimensional array in the layout of `matrix`."""
    copy = matrix(X.shape, dtype or X.dtype)
    copy[:] = X
    return copy


class Program:
    """A list of kernel calls on some rows of examples.

    Matrices are as `matrix` makes them; those that a call writes may change beside their last
    column and below their last row, by up to a vector.

    Args:
        dtype: of the numbers that it computes with.
        rows: number of rows.

    Attributes:
        index: indices of the rows, shape (rows,), which `run` sets.
        calls: of each call the function of `kernels`, the arguments, which it keeps alive, and the
            options.
        words: the number of calls, then the calls, as `kernels.run` reads them.
        start: `kernels.run`, compiled: takes the address of words.
    """

    def __init__(self, dtype: DTypeLike, rows: int = 0) -> None:
        self.dtype = np.dtype(dtype)
        self.index: Indices = np.zeros(rows, np.int64)
        self.calls: list[tuple[Callable[..., None], tuple[Any, ...], dict[str, Any]]] = []
        self.words = array("q", [0])
        self.start = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(compiled(kernels.run, "i", self.dtype))

    def call(self, write: Callable[..., None], *arguments: Any, **options: Any) -> None:
        """Add a kernel call: an array is passed by address, a matrix by address and stride."""
        kinds, words = "", list[int]()
        for each in arguments:
            if isinstance(each, int):
                kinds += "i"
                words.append(each)
            else:
                kinds += "p" if each.ndim == 1 else "b" if each.dtype == np.uint8 else "m"
                words += [each.ctypes.data, *each.strides[: each.ndim - 1]]
        self.words.extend([compiled(write, kinds, self.dtype, **options), len(words), *words])
        self.words[0] += 1
        self.calls.append((write, arguments, options))

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
        nothing = np.broadcast_to(laid_out(np.full((1, n), -0.0, self.dtype)), C.shape)
        assert all(X.dtype == self.dtype for X in (A, B, C, start))
        assert all(X.strides[0] % LINE == 0 for X in (B, C, start))
        words = A, A.strides[1], B, start, C if added else nothing, C
        self.call(kernels.product, m, n, k, *words)

    def apply(
        self,
        formula: tuple[Any, ...],
        C: Matrix,
        *operands: Matrix | tuple[NDArray[Any], Indices] | float,
    ) -> None:
        """Add C = a formula of operands.

        Args:
            formula: a function of rows, such as an activation, and its further arguments.
            C: shape (m, n); may be an operand.
            operands: of C's shape, or of shape (1, n), for all rows; or a number, which is rounded
                to the dtype; or a matrix, which may be of bytes, and the indices of the m rows of
                it that are meant.
        """
        every, words = np.arange(len(C)), list[Any]()
        for each in operands:
            if isinstance(each, int | float):
                each = laid_out(np.full((1, C.shape[1]), each, self.dtype))
            words += each if isinstance(each, tuple) else (np.broadcast_to(each, C.shape), every)
        assert all(X.dtype in (self.dtype, np.uint8) for X in words[::2])
        assert C.dtype == self.dtype
        self.call(kernels.apply, *C.shape, C, *words, formula=formula)

    def sparse_product(self, sparse: tuple[Any, Any], U: Matrix, start: Matrix, H: Matrix) -> None:
        """Add H = start + S U for the program's rows of a sparse S, see `inputs.Inputs`."""
        words = (self.index, *sparse, U, np.broadcast_to(start, H.shape), H)
        self.call(kernels.sparse_product, *H.shape, *words, transposed=False)

    def run(self, index: Indices | None = None) -> None:
        """Run all calls, without the GIL, on the rows at `index`."""
        if index is not None:
            self.index[:] = index
        self.start(self.words.buffer_info()[0])


def times(A: Matrix, B: Matrix, start: Matrix | None = None) -> Matrix:
    """Return A B; see `Program.product`."""
    C, program = matrix((len(A), B.shape[1]), B.dtype), Program(B.dtype)
    program.product(A, B, C, start)
    program.run()
    return C


def applied(formula: tuple[Any, ...], *operands: NDArray[Any]) -> Matrix:
    """Return a formula of arrays; see `Program.apply`."""
    X, *others = map(laid_out, operands)
    C, program = matrix(X.shape, X.dtype), Program(X.dtype)
    program.apply(formula, C, X, *others)
    program.run()
    return C

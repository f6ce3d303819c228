"""Products of a sparse matrix with an array, added to another array in place.

Convention: rows are kept compressed (CSR): of each one the columns that are not zero, and their
values. SciPy's `csr_array` multiplies the same way, but into a new array each time, which takes
three times as long as multiplying when it is small; its two loops are therefore called directly.
They are private to SciPy, as old as its sparse arrays, and called nowhere else.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import _sparsetools, csr_array

from pipeline.network.activations import Array


class SparseRows(NamedTuple):
    """A sparse matrix of b rows and k columns.

    Attributes:
        starts: where each row's entries start, then where the last one's end: shape (b + 1,).
        columns: of the entries, row by row.
        values: theirs.
    """

    starts: NDArray[np.integer[Any]]
    columns: NDArray[np.integer[Any]]
    values: Array

    @classmethod
    def of(cls, X: NDArray[Any]) -> SparseRows:
        """Return the entries of an array of shape (b, k) that are not zero."""
        found = csr_array(X)
        return cls(found.indptr, found.indices, found.data)

    def at(self, rows: slice) -> SparseRows:
        """Return consecutive rows, which share these entries' memory."""
        starts = self.starts[rows.start : rows.stop + 1]
        entries = slice(starts[0], starts[-1])
        return SparseRows(starts - starts[0], self.columns[entries], self.values[entries])

    def take(self, indices: NDArray[np.intp]) -> SparseRows:
        """Return the rows at `indices`, copied."""
        shape = (len(self.starts) - 1, self.columns.max(initial=0) + 1)
        found = csr_array((self.values, self.columns, self.starts), shape)[indices]
        return SparseRows(found.indptr, found.indices, found.data)

    def add_product(self, B: Array, out: Array) -> None:
        """Add S B to `out`.

        Args:
            B: shape (k, m), contiguous.
            out: shape (b, m), contiguous.

        Raises:
            ValueError: one of them is not contiguous.
        """
        flat = (each.reshape(-1, copy=False) for each in (B, out))
        _sparsetools.csr_matvecs(len(out), *B.shape, *self, *flat)

    def add_transposed_product(self, B: Array, out: Array) -> None:
        """Add Sᵀ B to `out`; B of shape (b, m), `out` of shape (k, m), else as `add_product`."""
        flat = (each.reshape(-1, copy=False) for each in (B, out))
        # Rows, compressed, are the columns of the transpose.
        _sparsetools.csc_matvecs(len(out), *B.shape, *self, *flat)

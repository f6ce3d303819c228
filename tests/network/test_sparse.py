"""Sparse rows are an array's, and their products are added in place."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from pipeline.network.sparse import SparseRows

_RNG = np.random.default_rng(2)
S = np.where(_RNG.random((7, 5)) < 0.3, _RNG.normal(size=(7, 5)), 0)
TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def arrays(*shapes: tuple[int, int], dtype: type) -> list[np.ndarray]:
    return [_RNG.normal(size=shape).astype(dtype) for shape in shapes]


def array(rows: SparseRows) -> np.ndarray:
    shape = (len(rows.starts) - 1, S.shape[1])
    return np.asarray(csr_array((rows.values, rows.columns, rows.starts), shape).toarray())


def test_rows_are_those_of_the_array() -> None:
    found = SparseRows.of(S)
    order = _RNG.permutation(7)
    np.testing.assert_array_equal(array(found), S)
    np.testing.assert_array_equal(array(found.at(slice(2, 5))), S[2:5])
    np.testing.assert_array_equal(array(found.take(order)), S[order])
    np.testing.assert_array_equal(array(found.take(order).at(slice(5, 7))), S[order][5:7])


@TYPES
def test_a_product_is_added_to_what_is_there(dtype: type) -> None:
    B, out = arrays((5, 4), (7, 4), dtype=dtype)
    expected = out + S.astype(dtype) @ B
    SparseRows.of(S.astype(dtype)).add_product(B, out)
    np.testing.assert_allclose(out, expected, atol=10 * float(np.finfo(dtype).eps))


@TYPES
def test_a_transposed_product_is_added_to_what_is_there(dtype: type) -> None:
    B, out = arrays((7, 4), (5, 4), dtype=dtype)
    expected = out + S.astype(dtype).T @ B
    SparseRows.of(S.astype(dtype)).add_transposed_product(B, out)
    np.testing.assert_allclose(out, expected, atol=10 * float(np.finfo(dtype).eps))


def test_without_columns_nothing_is_added() -> None:
    out = np.ones((3, 4))
    SparseRows.of(np.zeros((3, 0))).add_product(np.empty((0, 4)), out)
    np.testing.assert_array_equal(out, 1)


def test_an_array_that_is_not_contiguous_is_refused() -> None:
    """The product would be added to a copy, and lost."""
    out = np.zeros((7, 8))[:, :4]
    with pytest.raises(ValueError, match="copy"):
        SparseRows.of(S).add_product(np.ones((5, 4)), out)

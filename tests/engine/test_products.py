"""Products against exact rationals, rounded once a term: the specification, element by element."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pipeline.engine import kernels
from pipeline.engine.code import LINE
from pipeline.engine.program import Program, applied, laid_out, matrix, times
from pipeline.network.activations import relu

FLOATS = [np.float32, np.float64]
# m, k, n: one of each; tiles and vectors that are filled, nearly filled, and just not.
SHAPES = [
    (1, 1, 1),
    (5, 0, 3),
    (1, 40, 17),
    (3, 2, 16),
    (6, 7, 8),
    (12, 3, 32),
    (13, 5, 33),
    (17, 9, 31),
    (31, 4, 49),
]


def rounded(exact: Fraction, dtype: Any) -> Any:
    """Return the number of a dtype that is nearest, of two the one whose last digit is even.

    Numerator and denominator are divided as whole numbers: by way of float64 a float32 would be
    rounded twice.
    """
    if exact == 0:
        return dtype(0)
    info = np.finfo(dtype)
    magnitude = abs(exact)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    exponent -= magnitude < Fraction(2) ** exponent  # 2^exponent ≤ magnitude
    unit = Fraction(2) ** (max(exponent, int(info.minexp)) - info.nmant)
    digits = round(magnitude / unit)  # ties to even
    shift = unit.numerator.bit_length() - unit.denominator.bit_length()
    scaled = np.ldexp(dtype(digits), shift)  # exact
    return scaled if exact > 0 else -scaled


def fma(x: Any, y: Any, z: Any) -> Any:
    """Return x y + z of finite numbers, rounded once; signs of zero as IEEE 754 has them."""
    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
    if exact == 0:
        return x * y + z if x == 0 or y == 0 or z == 0 else type(x)(0)
    return rounded(exact, type(x))


def chains(A: np.ndarray, B: np.ndarray, start: np.ndarray) -> np.ndarray:
    C = np.array(np.broadcast_to(start, (len(A), B.shape[1])))
    for i, j in np.ndindex(*C.shape):
        for k in range(A.shape[1]):
            C[i, j] = fma(A[i, k], B[k, j], C[i, j])
    return C


def numbers(rng: np.random.Generator, shape: tuple[int, int], dtype: Any) -> np.ndarray:
    """Numbers of many sizes, some of them zeros of both signs, some so small that they vanish."""
    X = rng.normal(size=shape) * 10.0 ** rng.integers(-8, 8, shape)
    X[rng.random(shape) < 0.1] = 0.0
    X[rng.random(shape) < 0.1] = -0.0
    small = rng.random(shape) < 0.1
    X[small] = rng.normal(size=shape)[small] * float(np.finfo(dtype).tiny)
    return X.astype(dtype)


def product(A: np.ndarray, B: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    return np.array(times(A, laid_out(B), None if start is None else laid_out(start)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_element_is_a_chain_of_fused_multiply_adds(
    shape: tuple[int, int, int], dtype: Any
) -> None:
    m, k, n = shape
    rng = np.random.default_rng(m + k + n)
    A, B, start = (numbers(rng, size, dtype) for size in ((m, k), (k, n), (1, n)))
    for transposed in (False, True):
        # Rows or columns of A lie side by side, within a larger array.
        room = np.full((2 * m + 2, 2 * k + 2), np.nan, dtype)
        room = room.T if transposed else room
        inside = room[1 : 1 + k, 1 : 1 + m].T if transposed else room[1 : 1 + m, 1 : 1 + k]
        inside[:] = A
        found = product(inside, B, start=start)
        assert found.tobytes() == chains(A, B, start).tobytes()
    zero = np.zeros((1, n), dtype)
    assert product(A, B).tobytes() == chains(A, B, zero).tobytes()
    every = numbers(rng, (m, n), dtype)
    assert product(A, B, start=every).tobytes() == chains(A, B, every).tobytes()


@pytest.mark.parametrize("dtype", FLOATS)
def test_steps_are_added_after_the_chain_not_along_it(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    A, B, W, start = (numbers(rng, size, dtype) for size in ((13, 9), (9, 17), (13, 17), (1, 17)))
    moved, program = laid_out(W), Program(dtype)
    program.product(A, laid_out(B), moved, laid_out(start), added=True)
    program.run()
    assert moved.tobytes() == (W + chains(A, B, start)).tobytes()


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_relu_keeps_nan_and_makes_every_zero_positive(dtype: Any) -> None:
    special = np.array([[np.nan, -0.0, 0.0, -1.0, 2.0, np.inf, -np.inf]], dtype)
    found = applied((relu,), special)
    np.testing.assert_array_equal(found, [[np.nan, 0, 0, 0, 2, np.inf, 0]])
    assert not np.signbit(found[0, 1:]).any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_not_a_number_stays_in_its_row(dtype: Any) -> None:
    A, B = np.ones((13, 3), dtype), np.ones((3, 20), dtype)
    A[4, 1] = np.nan
    found = product(A, B)
    np.testing.assert_array_equal(
        found, np.where(np.arange(13)[:, None] == 4, np.nan, 3) + 0 * found
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_product_writes_no_row_that_is_not_its_own(dtype: Any) -> None:
    C = matrix((30, 5), dtype)
    C[:] = 7
    program = Program(dtype)
    program.product(np.ones((13, 2), dtype), laid_out(np.ones((2, 5), dtype)), C[:13])
    program.run()
    np.testing.assert_array_equal(C, np.where(np.arange(30)[:, None] < 13, 2, 7) + np.zeros((1, 5)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rows", range(1, 40))
def test_whole_vectors_of_rows_from_row_1_on_lie_in_a_matrix(rows: int, dtype: Any) -> None:
    """A transposition of weights reads so many; row 0 holds the biases."""
    W = matrix((1 + rows, 3), dtype)[1:]
    height = LINE // W.itemsize
    end = W.ctypes.data + (-(-rows // height) * height - 1) * W.strides[0] + LINE
    assert end <= W.base.ctypes.data + W.base.nbytes


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (37, 70), (256, 10)])
def test_a_transposition_moves_every_element(shape: tuple[int, int], dtype: Any) -> None:
    W = laid_out(np.random.default_rng(1).normal(size=shape).astype(dtype))
    Wt, program = matrix(W.T.shape, dtype), Program(dtype)
    program.call(kernels.transpose, *W.shape, W, Wt)
    program.run()
    np.testing.assert_array_equal(Wt, W.T)

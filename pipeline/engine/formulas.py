"""Compiles the formulas of `network`, and defines exp, tanh and logarithms.

A formula such as `sigmoid` is called with `Row`s in place of arrays. Each NumPy operation that it
uses then writes the same operation on vectors. So every activation and cost is defined once, in
`network`. A formula that uses an operation which is not in `_OPERATIONS` raises
NotImplementedError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from math import factorial
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.lib.mixins import NDArrayOperatorsMixin

from pipeline.engine.code import Code
from pipeline.network.activations import Activation

where: Any = np.where  # of rows, too


class Row(NDArrayOperatorsMixin):
    """A row of numbers, or of truth values, in a kernel that is being written.

    Its maximum and its sum write their loops immediately; all else is written by `at`.

    Args:
        code: the kernel.
        columns: length of the row.
        at: reads or computes the j-th vector of the row; called once for each j.
    """

    def __init__(self, code: Code, columns: ir.Value, at: Callable[[ir.Value], ir.Value]) -> None:
        self.code, self.columns, self.at = code, columns, cache(at)
        self.dtype, self.info = code.dtype, np.finfo(code.dtype)

    def each(self, write: Callable[..., ir.Value], *others: Any) -> Row:
        """Return the row that `write` makes of the vectors of this row, and of other operands."""
        rows = [self, *(self.row(other) for other in others)]
        return Row(self.code, self.columns, lambda j: write(*(row.at(j) for row in rows)))

    def fma(self, y: Any, z: Any) -> Row:
        """Return x y + z, rounded once."""
        return self.each(self.code.fma, y, z)

    def astype(self, dtype: np.dtype[Any]) -> Row:
        """Return 1 where true, else 0; a formula converts to its own dtype only."""
        return _OPERATIONS[np.where](self, self.row(1), self.row(0))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Row:
        if method != "__call__":
            options["method"] = method
        return self.__array_function__(ufunc, (), inputs, options)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Row:
        known = {"axis": -1, "keepdims": True} if function in (np.max, np.sum) else {}
        if function not in _OPERATIONS or options != known:
            words = "".join(f", {key}={value}" for key, value in options.items())
            raise NotImplementedError(f"the engine has no np.{function.__name__}(...{words})")
        return _OPERATIONS[function](*map(self.row, inputs))

    def row(self, operand: Any) -> Row:
        """Return the row whose vectors are all one vector, or a number in all lanes."""
        if isinstance(operand, Row):
            return operand
        vector = operand if isinstance(operand, ir.Value) else self.code.all(operand)
        return Row(self.code, self.columns, lambda _: vector)


def _along(operation: np.ufunc, start: float) -> Callable[[Row], Row]:
    """Return a function: `operation(... operation(operation(start, x_0), x_1) ...)`."""

    def write(x: Row) -> Row:
        code, builder = x.code, x.code.builder

        def vector(j: ir.Value, total: ir.Value) -> list[ir.Value]:
            numbers = x.at(j)
            left = builder.sub(x.columns, code.scale(j, code.width))
            full = builder.icmp_signed(">", left, code.whole(code.width))

            def number(k: ir.Value, total: ir.Value) -> list[ir.Value]:
                x_k = code.spread(builder.extract_element(numbers, k))
                return [operation(x.row(total), x.row(x_k)).at(k)]

            count = builder.select(full, code.whole(code.width), left)
            return code.loop(count, number, [total])

        (total,) = code.loop(code.vectors(x.columns), vector, [code.all(start)])
        return x.row(total)

    return write


def _instruction(name: str, *words: str) -> Callable[..., Row]:
    def write(x: Row, *others: Row) -> Row:
        instruction = getattr(x.code.builder, name)
        return x.each(lambda *vectors: instruction(*words, *vectors), *others)

    return write


def _absolute(x: Row) -> Row:
    name = f"llvm.fabs.v{x.code.width}f{8 * x.dtype.itemsize}"
    return x.each(lambda vector: x.code.intrinsic(name, x.code.vector, vector))


def _maximum(x: Row, y: Row) -> Row:
    # Unordered: also true if x or y is NaN, which a ReLU must not hide. −0 > +0 is false.
    return where(_instruction("fcmp_unordered", ">")(x, y), x, y)


def _polynomial(x: Row, coefficients: list[float]) -> Row:
    """Return Σ c_k x^k by Horner's rule, one fused multiply-add per coefficient."""
    total: Any
    *rest, total = coefficients
    for coefficient in reversed(rest):
        total = x.fma(total, coefficient)
    return total


# What exp, tanh and logarithms need to know of a format, by the bytes of its numbers. ln 2 has two
# parts; the first has so few digits that its multiples by n are exact.
_LN2 = {
    4: ("0x1.62e4p-1", "0x1.7f7d1dp-20"),
    8: ("0x1.62e42fefap-1", "0x1.cf79abc9e3b3ap-40"),
}
_EXP_RANGE = {4: (-104, 89), 8: (-746, 710)}  # exp of a smaller number is 0, of a larger one ∞
_EXP_DEGREE, _LOG1P_DEGREE = {4: 7, 8: 13}, {4: 7, 8: 16}  # of the polynomials


def _integers(x: Row, value: int) -> ir.Constant:
    kind = ir.VectorType(ir.IntType(8 * x.dtype.itemsize), x.code.width)
    return ir.Constant(kind, [value] * x.code.width)


def _bits(x: Row) -> Row:
    """Return the numbers' bits as integers."""
    return x.each(lambda vector: x.code.builder.bitcast(vector, _integers(x, 0).type))


def _reduced(x: Row) -> tuple[Row, Row]:
    """Return integers n, and r with x = n ln 2 + r, |r| ≤ ½ ln 2."""
    # Adding 1.5 · 2^nmant rounds x / ln 2 to an integer, which the last bits then hold.
    shifter = 1.5 * 2.0**x.info.nmant
    shifted = x * (1 / math.log(2)) + shifter
    n, r = shifted - shifter, x
    for part in _LN2[x.dtype.itemsize]:
        r = (-n).fma(float.fromhex(part), r)
    return _bits(shifted).each(x.code.builder.sub, _bits(x.row(shifter))), r


def _power_of_two(n: Row) -> Row:
    """Return 2^n for integers n for which 2^n is a normal number."""
    builder = n.code.builder

    def power(vector: ir.Value) -> ir.Value:
        biased = builder.add(vector, _integers(n, n.info.maxexp - 1))
        return builder.bitcast(builder.shl(biased, _integers(n, n.info.nmant)), n.code.vector)

    return n.each(power)


def _between(low: float, x: Row, high: float) -> Any:
    return where(x < low, low, where(x > high, high, x))  # NaN stays


def exp(x: Row) -> Row:
    """Return e^x = 2^n e^r, where n is a whole number and r = x − n ln 2, |r| ≤ ½ ln 2."""
    builder, (low, high) = x.code.builder, _EXP_RANGE[x.dtype.itemsize]
    n, r = _reduced(_between(low, x, high))
    degree = _EXP_DEGREE[x.dtype.itemsize]
    power = _polynomial(r, [1 / factorial(k) for k in range(degree + 1)])
    # 2^n in two factors: a single one would overflow, or underflow, before the result does.
    half = n.each(lambda vector: builder.ashr(vector, _integers(x, 1)))
    return power * _power_of_two(half) * _power_of_two(n.each(builder.sub, half))


def tanh(x: Row) -> Row:
    """Return the hyperbolic tangent, t / (t + 2) with the sign of x, where t = e^(2 |x|) − 1.

    With 2 |x| = n ln 2 + r, t = 2^n (e^r − 1) + (2^n − 1), in which no digits are lost. From
    |x| = 20 on, the result is 1 in both formats.
    """
    n, r = _reduced(2 * _between(0.0, np.abs(x), 20.0))
    degree = _EXP_DEGREE[x.dtype.itemsize]
    series = r * _polynomial(r, [1 / factorial(k) for k in range(1, degree + 1)])
    scale = _power_of_two(n)
    t = scale.fma(series, scale - 1)
    return where(x < 0, -t, t) / (t + 2)


def log(x: Row) -> Row:
    """Return ln(x) = n ln 2 + ln(1 + f) for x = 2^n (1 + f) ≥ 1, and NaN for smaller numbers."""
    builder = x.code.builder

    def exponent(bits: ir.Value) -> ir.Value:
        shifted = builder.lshr(bits, _integers(x, x.info.nmant))
        return builder.sub(shifted, _integers(x, x.info.maxexp - 1))

    n = _bits(x).each(exponent)
    whole = n.each(lambda vector: builder.sitofp(vector, x.code.vector))
    total = log1p(x / _power_of_two(n) - 1)
    for part in reversed(_LN2[x.dtype.itemsize]):
        total = whole.fma(float.fromhex(part), total)
    return where(x < np.inf, where(x >= 1, total, np.nan), x)  # NaN and infinity stay


def log1p(x: Row) -> Row:
    """Return ln(1 + x) for 0 ≤ x ≤ 1.

    With s = x / (2 + x), ln(1 + x) = 2 (s + s³/3 + s⁵/5 + ...) = x − s (x − R), where 2 s is
    x − s x and R = 2 (s²/3 + s⁴/5 + ...): what is subtracted from x is the smaller part.
    """
    s = x / (x + 2)
    square = s * s
    degree = _LOG1P_DEGREE[x.dtype.itemsize]
    series = _polynomial(square, [2 / (2 * k + 3) for k in range(degree + 1)])
    return (-s).fma((-square).fma(series, x), x)


_OPERATIONS: dict[Any, Callable[..., Row]] = {
    np.add: _instruction("fadd"),
    np.subtract: _instruction("fsub"),
    np.multiply: _instruction("fmul"),
    np.divide: _instruction("fdiv"),
    np.negative: _instruction("fneg"),
    np.absolute: _absolute,
    np.maximum: _maximum,
    np.greater: _instruction("fcmp_ordered", ">"),
    np.greater_equal: _instruction("fcmp_ordered", ">="),
    np.less: _instruction("fcmp_ordered", "<"),
    np.where: _instruction("select"),
    np.ones_like: lambda x: x.row(1),
    np.max: _along(np.maximum, -np.inf),  # both with axis=-1 and keepdims=True
    np.sum: _along(np.add, 0.0),
    np.exp: exp,
    np.tanh: tanh,
    np.log: log,
    np.log1p: log1p,
}


# --- what training and evaluation compute besides the formulas of `network` ---


def affine(X: Any, shift: Any, scale: Any) -> Any:
    """Return (X − shift) · scale, a preprocessor's map."""
    return (X - shift) * scale


def derive(delta: Any, H: Any, f: Activation) -> Any:
    """Return f' · Δ, equation (8); f' is computed from H = f(H_bar)."""
    return f.derivative(H) * delta

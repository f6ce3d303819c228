"""Compiles the formulas of `network`, and defines exp, tanh and logarithms.

A formula such as `sigmoid` is called with `Numbers` in place of an array. Each NumPy operation that
it uses then writes the same operation on vectors. So every activation and cost is defined
once, in `network`. A formula that uses an operation which is not in `_OPERATIONS` raises
NotImplementedError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from math import factorial
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numpy.lib.mixins import NDArrayOperatorsMixin

from pipeline.engine.code import Code


class Row(NDArrayOperatorsMixin):
    """A row of numbers, which `at` reads or computes vector by vector.

    Its maximum and its sum write their loops immediately; all else is written by `at`.

    Args:
        code: the function that is being written.
        columns: length of the row.
        at: returns the j-th vector of the row.
    """

    def __init__(self, code: Code, columns: ir.Value, at: Callable[[ir.Value], Numbers]) -> None:
        self.code, self.columns, self.at, self.dtype = code, columns, at, code.dtype

    def astype(self, dtype: np.dtype[Any]) -> Row:
        """See `Numbers`."""
        return self._each(lambda numbers: numbers.astype(dtype), self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any) -> Row:
        return self._each(ufunc, *inputs)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Row:
        if function is np.max:
            return self._along(np.maximum, -np.inf)
        if function is np.sum:
            return self._along(np.add, 0.0)
        return self._each(function, *inputs)

    def _each(self, function: Callable[..., Any], *inputs: Any) -> Row:
        def at(j: ir.Value) -> Numbers:
            numbers = function(*(each.at(j) if isinstance(each, Row) else each for each in inputs))
            assert isinstance(numbers, Numbers)
            return numbers

        return Row(self.code, self.columns, at)

    def _along(self, operation: np.ufunc, start: float) -> Row:
        """Return `operation(... operation(operation(start, x_0), x_1) ...)` in all lanes."""
        code, size = self.code, self.code.dtype.itemsize
        place = code.room(1)

        def vector(j: ir.Value, total: ir.Value) -> list[ir.Value]:
            code.store(self.at(j).value, place)
            left = code.builder.sub(self.columns, code.scale(j, code.width))
            full = code.builder.icmp_signed(">", left, code.whole(code.width))
            count = code.builder.select(full, code.whole(code.width), left)

            def number(k: ir.Value, total: ir.Value) -> list[ir.Value]:
                x = code.spread(code.load(code.at(place, code.scale(k, size)), code.number))
                return [operation(Numbers(code, total), Numbers(code, x)).value]

            return code.loop(count, number, [total])

        (total,) = code.loop(code.vectors(self.columns), vector, [code.all(start)])
        return Row(code, self.columns, lambda j: Numbers(code, total))


class Numbers(NDArrayOperatorsMixin):
    """A vector of numbers or of truth values in a function that is being written."""

    def __init__(self, code: Code, value: ir.Value) -> None:
        self.code, self.value, self.dtype = code, value, code.dtype

    def astype(self, dtype: np.dtype[Any]) -> Numbers:
        """Return 1 where true, else 0; a formula converts to its own dtype only."""
        return where(self, 1, 0)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any) -> Numbers:
        if method != "__call__" or ufunc.__name__ not in _OPERATIONS:
            raise NotImplementedError(f"the engine has no np.{ufunc.__name__}")
        return _OPERATIONS[ufunc.__name__](*_numbers(self.code, *inputs))

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Numbers:
        if function is np.where:
            return where(*inputs)
        if function is np.ones_like:
            return Numbers(self.code, self.code.all(1))
        raise NotImplementedError(f"the engine has no np.{function.__name__}")


def _numbers(code: Code, *inputs: Any) -> list[Numbers]:
    return [each if isinstance(each, Numbers) else Numbers(code, code.all(each)) for each in inputs]


def where(condition: Numbers, yes: Any, no: Any) -> Numbers:
    """Return `yes` where true, else `no`."""
    code = condition.code
    values = [each.value for each in _numbers(code, yes, no)]
    return Numbers(code, code.builder.select(condition.value, *values))


def _instruction(name: str) -> Callable[..., Numbers]:
    def write(*inputs: Numbers) -> Numbers:
        code = inputs[0].code
        return Numbers(code, getattr(code.builder, name)(*(each.value for each in inputs)))

    return write


def _comparison(word: str) -> Callable[[Numbers, Numbers], Numbers]:
    def write(x: Numbers, y: Numbers) -> Numbers:
        return Numbers(x.code, x.code.builder.fcmp_ordered(word, x.value, y.value))

    return write


def _absolute(x: Numbers) -> Numbers:
    return Numbers(x.code, x.code.intrinsic("fabs", x.value))


def _maximum(x: Numbers, y: Numbers) -> Numbers:
    # Unordered: also true if x or y is NaN, which a ReLU must not hide. −0 > +0 is false.
    greater = x.code.builder.fcmp_unordered(">", x.value, y.value)
    return where(Numbers(x.code, greater), x, y)


def fma(x: Numbers, y: Numbers, z: Numbers) -> Numbers:
    """Return x y + z, rounded once."""
    return Numbers(x.code, x.code.fma(x.value, y.value, z.value))


def _polynomial(x: Numbers, coefficients: list[float]) -> Numbers:
    """Return Σ c_k x^k by Horner's rule, one fused multiply-add per coefficient."""
    *rest, total = _numbers(x.code, *coefficients)
    for coefficient in reversed(rest):
        total = fma(total, x, coefficient)
    return total


def _parts(*hexadecimal: str) -> tuple[float, float]:
    first, second = map(float.fromhex, hexadecimal)
    return first, second


class _Format(NamedTuple):
    """The properties of a floating-point format that exp and log1p use.

    Attributes:
        integer: the integer type of the same size.
        fraction: number of bits of its fraction.
        bias: of its exponent.
        ln2: ln 2 in two parts; the first has so few digits that its multiples by n are exact.
        smallest: exp of a smaller number is 0.
        largest: exp of a larger number is infinite.
        exp_degree: of exp's polynomial.
        log_degree: of log1p's.
    """

    integer: ir.IntType
    fraction: int
    bias: int
    ln2: tuple[float, float]
    smallest: float
    largest: float
    exp_degree: int
    log_degree: int


_FORMATS = {
    4: _Format(ir.IntType(32), 23, 127, _parts("0x1.62e4p-1", "0x1.7f7d1dp-20"), -104, 89, 7, 7),
    8: _Format(
        ir.IntType(64),
        52,
        1023,
        _parts("0x1.62e42fefap-1", "0x1.cf79abc9e3b3ap-40"),
        -746,
        710,
        13,
        16,
    ),
}


def _reduced(x: Numbers) -> tuple[ir.Value, Numbers]:
    """Return integers n, and r with x = n ln 2 + r, |r| ≤ ½ ln 2."""
    code, form = x.code, _FORMATS[x.dtype.itemsize]
    # Adding 1.5 · 2^fraction rounds x / ln 2 to an integer, which the last bits then hold.
    (shifter,) = _numbers(code, 1.5 * 2.0**form.fraction)
    shifted = x * (1 / math.log(2)) + shifter
    n = shifted - shifter
    r = x
    for part in form.ln2:
        (ln2,) = _numbers(code, part)
        r = fma(-n, ln2, r)
    integer = ir.VectorType(form.integer, code.width)
    bits = [code.builder.bitcast(each.value, integer) for each in (shifted, shifter)]
    return code.builder.sub(*bits), r


def _integers(x: Numbers, value: int) -> ir.Constant:
    kind = ir.VectorType(_FORMATS[x.dtype.itemsize].integer, x.code.width)
    return ir.Constant(kind, [value] * x.code.width)


def _power_of_two(x: Numbers, n: ir.Value) -> Numbers:
    """Return 2^n in the format of x, for integers n for which 2^n is a normal number."""
    code, form = x.code, _FORMATS[x.dtype.itemsize]
    biased = code.builder.add(n, _integers(x, form.bias))
    bits = code.builder.shl(biased, _integers(x, form.fraction))
    return Numbers(code, code.builder.bitcast(bits, code.vector))


def _between(low: float, x: Numbers, high: float) -> Numbers:
    lowest, highest = _numbers(x.code, low, high)
    return where(x < lowest, lowest, where(x > highest, highest, x))  # NaN stays


def exp(x: Numbers) -> Numbers:
    """Return e^x = 2^n e^r, where n is a whole number and r = x − n ln 2, |r| ≤ ½ ln 2."""
    form = _FORMATS[x.dtype.itemsize]
    n, r = _reduced(_between(form.smallest, x, form.largest))
    power = _polynomial(r, [1 / factorial(k) for k in range(form.exp_degree + 1)])
    # 2^n in two factors: a single one would overflow, or underflow, before the result does.
    half = x.code.builder.ashr(n, _integers(x, 1))
    return power * _power_of_two(x, half) * _power_of_two(x, x.code.builder.sub(n, half))


def tanh(x: Numbers) -> Numbers:
    """Return the hyperbolic tangent, t / (t + 2) with the sign of x, where t = e^(2 |x|) − 1.

    With 2 |x| = n ln 2 + r, t = 2^n (e^r − 1) + (2^n − 1), in which no digits are lost. From
    |x| = 20 on, the result is 1 in both formats.
    """
    n, r = _reduced(2 * _between(0.0, np.abs(x), 20.0))
    degree = _FORMATS[x.dtype.itemsize].exp_degree
    series = r * _polynomial(r, [1 / factorial(k) for k in range(1, degree + 1)])
    scale = _power_of_two(x, n)
    t = fma(scale, series, scale - 1)
    return where(x < 0, -t, t) / (t + 2)


def log(x: Numbers) -> Numbers:
    """Return ln(x) = n ln 2 + ln(1 + f) for x = 2^n (1 + f) ≥ 1, and NaN for smaller numbers."""
    code, form = x.code, _FORMATS[x.dtype.itemsize]
    bits = code.builder.bitcast(x.value, ir.VectorType(form.integer, code.width))
    n = code.builder.sub(
        code.builder.lshr(bits, _integers(x, form.fraction)), _integers(x, form.bias)
    )
    whole = Numbers(code, code.builder.sitofp(n, code.vector))
    total = log1p(x / _power_of_two(x, n) - 1)
    for part in reversed(form.ln2):
        total = fma(whole, _numbers(code, part)[0], total)
    infinity, nan = _numbers(code, np.inf, np.nan)
    return where(x < infinity, where(x >= 1, total, nan), x)  # NaN and infinity stay


def log1p(x: Numbers) -> Numbers:
    """Return ln(1 + x) for 0 ≤ x ≤ 1.

    With s = x / (2 + x), ln(1 + x) = 2 (s + s³/3 + s⁵/5 + ...) = x − s (x − R), where 2 s is
    x − s x and R = 2 (s²/3 + s⁴/5 + ...): what is subtracted from x is the smaller part.
    """
    s = x / (x + 2)
    square = s * s
    degree = _FORMATS[x.dtype.itemsize].log_degree
    series = _polynomial(square, [2 / (2 * k + 3) for k in range(degree + 1)])
    return fma(-s, fma(-square, series, x), x)


_OPERATIONS: dict[str, Callable[..., Numbers]] = {
    "add": _instruction("fadd"),
    "subtract": _instruction("fsub"),
    "multiply": _instruction("fmul"),
    "divide": _instruction("fdiv"),
    "negative": _instruction("fneg"),
    "absolute": _absolute,
    "maximum": _maximum,
    "greater": _comparison(">"),
    "greater_equal": _comparison(">="),
    "less": _comparison("<"),
    "exp": exp,
    "tanh": tanh,
    "log": log,
    "log1p": log1p,
}

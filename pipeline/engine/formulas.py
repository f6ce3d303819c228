"""The formulas of `network`, compiled as they stand, and exp and ln(1 + x).

A formula such as `sigmoid` is called with `Numbers` in place of an array. Each NumPy operation that
it uses then writes the instruction that does the same to a vector. So every activation and cost is
defined once, in `network`. A formula that uses an operation which is not in `_OPERATIONS` raises
NotImplementedError.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial, log
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numpy.lib.mixins import NDArrayOperatorsMixin

from pipeline.engine.code import Code


class Numbers(NDArrayOperatorsMixin):
    """A vector of numbers or of truth values in a function that is being written."""

    def __init__(self, code: Code, value: ir.Value) -> None:
        self.code, self.value, self.dtype = code, value, code.dtype

    def astype(self, dtype: np.dtype[Any]) -> Numbers:
        """Return 1 where true, 0 where not; a formula only asks for its own dtype."""
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
    """Return Σ c_k x^k by Horner's rule, one fused multiply-add a coefficient."""
    *rest, total = _numbers(x.code, *coefficients)
    for coefficient in reversed(rest):
        total = fma(total, x, coefficient)
    return total


def _parts(*hexadecimal: str) -> tuple[float, float]:
    first, second = map(float.fromhex, hexadecimal)
    return first, second


class _Format(NamedTuple):
    """What exp and log1p need to know of a floating-point format.

    Attributes:
        integer: the whole number of its size.
        fraction: bits of its fraction.
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


def exp(x: Numbers) -> Numbers:
    """Return e^x = 2^n e^r, where n is a whole number and r = x − n ln 2, |r| ≤ ½ ln 2."""
    code, form = x.code, _FORMATS[x.dtype.itemsize]
    builder, integer = code.builder, ir.VectorType(form.integer, code.width)
    low, high = _numbers(code, form.smallest, form.largest)
    x = where(x < low, low, where(x > high, high, x))  # NaN stays
    # Added to 1.5 · 2^fraction, a number is rounded to a whole one, which its last bits hold.
    (shifter,) = _numbers(code, 1.5 * 2.0**form.fraction)
    shifted = x * (1 / log(2)) + shifter
    n = shifted - shifter
    r = x
    for part in form.ln2:
        (ln2,) = _numbers(code, part)
        r = fma(-n, ln2, r)
    power = _polynomial(r, [1 / factorial(k) for k in range(form.exp_degree + 1)])
    bits = [builder.bitcast(each.value, integer) for each in (shifted, shifter)]
    whole = builder.sub(*bits)  # n

    def integers(value: int) -> ir.Constant:
        return ir.Constant(integer, [value] * code.width)

    # 2^n in two factors: a single one would overflow, or underflow, before the result does.
    half = builder.ashr(whole, integers(1))
    for exponent in (half, builder.sub(whole, half)):
        biased = builder.add(exponent, integers(form.bias))
        factor = builder.bitcast(builder.shl(biased, integers(form.fraction)), code.vector)
        power = power * Numbers(code, factor)
    return power


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
    "log1p": log1p,
}

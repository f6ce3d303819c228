"""exp and log1p against exact values; the lesson's formulas against NumPy's."""

import re
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest

from pipeline.engine.program import applied
from pipeline.network.activations import ACTIVATIONS, softmax
from pipeline.network.costs import COSTS
from tests.settings import COMBINATIONS

FLOATS = [np.float32, np.float64]
# Rounding errors, in units in the last place.
ULPS = 2


def compute(formula: tuple[Any, ...], X: np.ndarray, *operands: np.ndarray) -> np.ndarray:
    return np.array(applied(formula, X, *operands))


def largest(H: Any) -> Any:
    return np.max(H, axis=-1, keepdims=True)


def total(H: Any) -> Any:
    return np.sum(H, axis=-1, keepdims=True)


def furthest(found: np.ndarray, x: np.ndarray, exact: Callable[[Decimal], Decimal]) -> float:
    """Return the largest distance from exact values, in units in the last place."""
    worst = 0.0
    with localcontext() as context:
        context.prec = 40
        context.Emin, context.Emax = -(10**6), 10**6
        for value, argument in zip(found.tolist(), x.tolist(), strict=True):
            truth = exact(Decimal(argument))
            unit = float(np.spacing(np.abs(x.dtype.type(value))))
            worst = max(worst, float(abs(Decimal(value) - truth) / Decimal(unit)))
    return worst


@pytest.mark.parametrize("dtype", FLOATS)
def test_exp_is_within_two_units_in_the_last_place(dtype: Any) -> None:
    """Where results are subnormal, too; between the smallest and the largest that are finite."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    low, high = np.log(float(info.smallest_subnormal)), np.log(float(info.max))
    x = np.concatenate([rng.uniform(low, high, 3000), rng.normal(size=1000), [low, 0.0, 1e-30]])
    # Halfway between two whole powers of two: r is largest there.
    x = np.concatenate([x, (np.arange(-100, 100) + 0.5) * np.log(2)]).astype(dtype)
    found = compute((np.exp,), x[np.newaxis])[0]
    assert np.isfinite(found).all()
    assert furthest(found, x, Decimal.exp) <= ULPS


@pytest.mark.parametrize("dtype", FLOATS)
def test_exp_of_what_has_no_finite_result_is_as_numpy_has_it(dtype: Any) -> None:
    x = np.array([[np.inf, -np.inf, np.nan, 1e30, -1e30, 89.5, -110, 710, -750, 0, -0.0]], dtype)
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_allclose(
            compute((np.exp,), x), np.exp(x), rtol=float(np.finfo(dtype).eps)
        )


def exact_logarithm(x: Decimal) -> Decimal:
    """Return ln(1 + x), of small x by its series: 1 + x would lose their digits."""
    return (1 + x).ln() if x > Decimal("1e-8") else x - x**2 / 2 + x**3 / 3


@pytest.mark.parametrize("dtype", FLOATS)
def test_log1p_from_0_to_1_is_within_two_units_in_the_last_place(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    tiny = float(np.finfo(dtype).smallest_subnormal)
    x = np.concatenate([rng.uniform(0, 1, 3000), 10 ** rng.uniform(-40, 0, 1000), [tiny, 1.0]])
    x = x.astype(dtype)
    x = x[x > 0]
    found = compute((np.log1p,), x[np.newaxis])[0]
    assert furthest(found, x, exact_logarithm) <= ULPS
    zero = compute((np.log1p,), np.array([[0.0, np.nan]], dtype))
    np.testing.assert_array_equal(zero, [[0.0, np.nan]])


@pytest.mark.parametrize("dtype", FLOATS)
def test_ln_from_1_on_is_within_two_units_in_the_last_place(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    largest = float(np.finfo(dtype).max)
    x = np.concatenate([1 + rng.uniform(0, 9, 3000), np.exp(rng.uniform(0, 80, 1000)), [largest]])
    x = x.astype(dtype)
    assert furthest(compute((np.log,), x[np.newaxis])[0], x, Decimal.ln) <= ULPS
    edges = compute((np.log,), np.array([[1.0, 0.5, -1.0, 0.0, np.nan, np.inf]], dtype))
    np.testing.assert_array_equal(edges, [[0.0, np.nan, np.nan, np.nan, np.nan, np.inf]])


def exact_tangent(x: Decimal) -> Decimal:
    """Return tanh(x), of small x by its series: its powers would lose their digits."""
    if abs(x) < Decimal("1e-6"):
        return x - x**3 / 3
    return 1 - 2 / ((2 * x).exp() + 1)


@pytest.mark.parametrize("dtype", FLOATS)
def test_tanh_is_within_two_units_in_the_last_place(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    small = np.concatenate([10 ** rng.uniform(-30, 0, 1000), rng.uniform(0, 25, 3000)])
    x = np.concatenate([small, -small]).astype(dtype)
    found = compute((np.tanh,), x[np.newaxis])[0]
    assert furthest(found, x, exact_tangent) <= ULPS
    edges = np.array([[0.0, -0.0, 1e30, -1e30, np.inf, -np.inf, np.nan]], dtype)
    np.testing.assert_array_equal(compute((np.tanh,), edges), np.tanh(edges))


@pytest.mark.parametrize("columns", [1, 3, 8, 16, 17, 50])
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_row_is_added_up_from_its_first_number_to_its_last(dtype: Any, columns: int) -> None:
    X = np.random.default_rng(0).normal(size=(7, columns)).astype(dtype)
    sums = np.add.accumulate(X, axis=1)[:, -1:]
    np.testing.assert_array_equal(compute((total,), X), np.broadcast_to(sums, X.shape))
    greatest = X.max(axis=1, keepdims=True)
    np.testing.assert_array_equal(compute((largest,), X), np.broadcast_to(greatest, X.shape))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_not_a_number_in_a_row_is_found_in_all_of_its_softmax(place: int) -> None:
    X = np.ones((2, 3))
    X[1, place] = np.nan
    found = compute((softmax,), X)
    np.testing.assert_array_equal(np.isnan(found), [[False] * 3, [True] * 3])


@pytest.mark.parametrize(("_hidden", "output", "cost"), COMBINATIONS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_activations_and_costs_are_the_readable_ones(
    dtype: Any, _hidden: str, output: str, cost: str
) -> None:
    rng = np.random.default_rng(1)
    H_bar = (8 * rng.normal(size=(13, 10))).astype(dtype)
    Y, f = np.eye(10, dtype=dtype)[rng.integers(10, size=13)], ACTIVATIONS[output]
    eps = float(np.finfo(dtype).eps)
    for found, expected in (
        (compute((f.function,), H_bar), f.function(H_bar)),
        (compute((COSTS[cost].gradient, f), H_bar, Y), COSTS[cost].gradient(H_bar, Y, f)),
        (compute((COSTS[cost].value, f), H_bar, Y), COSTS[cost].value(H_bar, Y, f)),
    ):
        np.testing.assert_allclose(found, expected, rtol=16 * eps, atol=eps)


@pytest.mark.parametrize(
    ("formula", "named"),
    [
        (np.tan, "tan(...)"),
        (lambda H: np.sum(H, axis=-1), "sum(..., axis=-1)"),
        (lambda H: np.max(H, axis=0, keepdims=True), "max(..., axis=0, keepdims=True)"),
        (lambda H: np.add(H, H, where=False), "add(..., where=False)"),
        (lambda H: np.add.outer(H, H), "add(..., method=outer)"),
    ],
)
def test_an_operation_that_the_engine_does_not_have_is_named(
    formula: Callable[[Any], Any], named: str
) -> None:
    with pytest.raises(NotImplementedError, match=re.escape(f"the engine has no np.{named}")):
        compute((formula,), np.ones((1, 1)))

"""Preprocessing of raw values: rescaling, standardisation (20), whitening (21), (22).

Convention: rows are examples. X holds a file's raw values. `unit` is the raw value that becomes 1
(255 for 8-bit pixels); means, deviations and epsilon are in that unit. Every method fits an affine
map x ↦ (x − shift) · scale [· matrix].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.base.errors import refuse
from pipeline.network.activations import Array
from pipeline.network.settings import number, one_of

Float64 = NDArray[np.float64]
# Rows converted to float64 at a time.
BLOCK = 2000
PIXEL_UNIT = 255.0
# A smaller standard deviation counts as none: its inverse would not fit into float32.
SMALLEST_DEVIATION = 1e-19


class Moments(NamedTuple):
    """Mean and variance of each feature, both of shape (n,), over all rows, in units."""

    mean: Float64
    variance: Float64


def moments(X: NDArray[Any], unit: float = 1.0) -> Moments:
    """Return the mean and the variance of each feature.

    Sums of 8-bit pixels and of their squares are whole numbers below 2^53 and so exact in
    float64, in whatever order they are added: the result has the same bits on every machine.
    A constant feature has a variance of exactly zero, since its differences are zero.

    Args:
        X: shape (N, n).
        unit: the raw value that becomes 1.
    """
    N = len(X)
    total, squares = _sums(X, lambda block: np.einsum("ij,ij->j", block, block))
    variance = np.maximum(N * squares - total * total, 0.0) / float(N) ** 2
    return Moments((N * X[0].astype(np.float64) + total) / N / unit, variance / unit**2)


def covariance(X: NDArray[Any], unit: float = 1.0) -> Float64:
    """Return C = (1/N) (X − μ)ᵀ(X − μ), equation (21), of shape (n, n); exact as `moments` is.

    Args:
        X: shape (N, n).
        unit: the raw value that becomes 1.
    """
    N = len(X)
    total, products = _sums(X, lambda block: block.T @ block)
    return (N * products - np.outer(total, total)) / float(N) ** 2 / unit**2


def _sums(X: NDArray[Any], of_rows: Callable[[Float64], Float64]) -> tuple[Float64, Float64]:
    """Return the sums, over all rows, of X minus its first row and of a function of that.

    Differences keep all digits, however large the mean is. Blocks of rows are computed on two cores
    and added in order.
    """

    def sums(start: int) -> tuple[Float64, Float64]:
        block = X[start : start + BLOCK].astype(np.float64) - X[0].astype(np.float64)
        return block.sum(axis=0), of_rows(block)

    with ThreadPoolExecutor(2) as pool:
        blocks = pool.map(sums, range(0, len(X), BLOCK))
        return reduce(lambda one, other: (one[0] + other[0], one[1] + other[1]), blocks)


@dataclass(frozen=True)
class AffineMap:
    """The map x ↦ (x − shift) · scale, then · matrix if there is one.

    Attributes:
        shift: a number or shape (n,), in raw values.
        scale: a number or shape (n,).
        matrix: shape (n, k), or None for no rotation.
    """

    shift: Float64
    scale: Float64
    matrix: Float64 | None = None

    def apply(self, X: NDArray[Any], dtype: DTypeLike = np.float64) -> Array:
        """Return inputs for a network: shape (N, n), or (N, k) with a matrix."""
        # Features may be far from zero: in float32, their differences would lose all digits.
        exact = np.dtype(dtype if X.dtype == np.uint8 else np.float64)
        scaled = np.subtract(X, self.shift.astype(exact), dtype=exact)
        scaled *= self.scale.astype(exact)
        scaled = scaled.astype(dtype, copy=False)
        return scaled if self.matrix is None else scaled @ self.matrix.astype(dtype)

    def arrays(self) -> dict[str, Float64]:
        """Return the arrays to save."""
        held = {"shift": self.shift, "scale": self.scale}
        return held if self.matrix is None else {**held, "matrix": self.matrix}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> AffineMap:
        """Return the map that was saved as `arrays`."""
        return cls(arrays["shift"], arrays["scale"], arrays.get("matrix"))


class Fitted(NamedTuple):
    """A fitted map, and what had to be left out to keep its values finite.

    Attributes:
        map: the fitted map.
        constant: number of features that are constant in the training set.
        null: number of directions in which the training set has no variance beyond rounding; PCA
            drops them, ZCA sets them to 0.
        floor: the singular value, in units², at or below which a direction counts as null.
        weakest: the smallest deviation that the map divides by, in units, before ε is added.
    """

    map: AffineMap
    constant: int = 0
    null: int = 0
    floor: float = 0.0
    weakest: float = 1.0


# --- the methods -------------------------------------------------------------------------------


def raw(X: NDArray[Any], unit: float) -> Fitted:
    """Return x ↦ x / unit, which maps pixels to numbers from 0 to 1."""
    return Fitted(AffineMap(np.zeros(()), np.asarray(1 / unit)))


def scalar(each: Moments) -> Moments:
    """Return one mean and one variance over all features."""
    mean = each.mean.mean()
    return Moments(np.asarray(mean), np.mean(each.variance + (each.mean - mean) ** 2))


STATISTICS: dict[str, Callable[[Moments], Moments]] = {
    "scalar": scalar,
    "per_feature": lambda each: each,
}
STATISTIC_LABELS = {"scalar": "standardise", "per_feature": "per feature"}


def standardise(X: NDArray[Any], unit: float, *, statistics: str = "scalar") -> Fitted:
    """Return X_n = (X − μ) / σ, equation (20).

    A feature that is constant in the training set is centred and not divided: its σ is 0, and
    dividing by a small number instead would make other values in the test set huge. A smaller σ
    than `SMALLEST_DEVIATION` counts as 0.

    Args:
        X: the training set, shape (N, n).
        unit: the raw value that becomes 1.
        statistics: a name in `STATISTICS`: μ and σ of all features together, or of each one.
    """
    each = moments(X, unit)
    mean, variance = STATISTICS[statistics](each)
    deviation = np.sqrt(variance)
    divisor = np.where(deviation > SMALLEST_DEVIATION, deviation, 1.0)
    fitted = AffineMap(mean * unit, 1 / (divisor * unit))
    return Fitted(fitted, _constant(each.variance), weakest=float(np.min(divisor)))


def _constant(variance: Float64) -> int:
    return int(np.count_nonzero(variance <= SMALLEST_DEVIATION**2))


# The whitening matrix, from the matrix that turns the data to their principal axes U.
ROTATIONS: dict[str, Callable[[Float64, Float64], Float64]] = {
    "pca": lambda matrix, U: matrix,
    "zca": lambda matrix, U: matrix @ U.T,
}


def whiten(X: NDArray[Any], unit: float, *, rotation: str = "pca", epsilon: float = 1e-8) -> Fitted:
    """Return x_w = (x − μ) U / (√s + ε), equation (22), with C = U diag(s) Uᵀ of (21).

    The slide omits U; its figure has it, and without it the data stay correlated. Directions
    without variance are left out: see `Fitted`.

    Args:
        X: the training set, shape (N, n).
        unit: the raw value that becomes 1.
        rotation: a name in `ROTATIONS`: "pca" leaves the data along the principal axes, "zca"
            rotates them back, · Uᵀ.
        epsilon: ε, in units.

    Raises:
        UserError: the training examples are all the same.
    """
    C = covariance(X, unit)
    # The SVD, as on the slide; eigh would give small negative eigenvalues.
    U, s, _ = np.linalg.svd(C, hermitian=True)
    rounding = float(s[0]) * len(s) * float(np.finfo(np.float64).eps)
    floor = max(rounding, SMALLEST_DEVIATION**2)
    kept = s > floor
    if not kept.any():
        varied = "raw or standardise, since the training examples are all the same"
        refuse("preprocess.method", "whiten", varied)
    U, s = U[:, kept], s[kept]
    # A singular vector's sign is arbitrary: its largest entry is positive here.
    U = U * np.sign(U[np.abs(U).argmax(axis=0), np.arange(len(s))])
    matrix = ROTATIONS[rotation](U / (np.sqrt(s) + epsilon) / unit, U)
    fitted = AffineMap(moments(X, unit).mean * unit, np.ones(()), matrix)
    null = int(np.count_nonzero(~kept))
    return Fitted(fitted, _constant(C.diagonal()), null, floor, float(np.sqrt(s[-1])))


class Method(NamedTuple):
    """A way of preprocessing.

    Attributes:
        fit: takes training examples, their unit and the options.
        options: the names of its options, among those of the section `preprocess`.
        label: returns its readable name, given all values of that section.
    """

    fit: Callable[..., Fitted]
    options: tuple[str, ...]
    label: Callable[[Mapping[str, Any]], str]


METHODS = {
    "raw": Method(raw, (), lambda _: "raw"),
    "standardise": Method(
        standardise,
        ("statistics",),
        lambda values: STATISTIC_LABELS[values["statistics"]],
    ),
    "whiten": Method(
        whiten,
        ("rotation", "epsilon"),
        lambda values: f"whiten {values['rotation']} {values['epsilon']:g}",
    ),
}


@dataclass(kw_only=True)
class Preprocess:
    """Settings of preprocessing: (20), or (21) and (22)."""

    method: str = field(metadata=one_of(METHODS))
    statistics: str = field(metadata=one_of(STATISTICS))
    rotation: str = field(metadata=one_of(ROTATIONS))
    epsilon: float = field(metadata=number(lowest=0.0, highest=1e6))


def fit(X: NDArray[Any], *, method: str, **options: Any) -> Fitted:
    """Fit a preprocessor to training examples; their unit is 255 for 8-bit pixels, else 1.

    Args:
        X: training examples, raw, shape (N, n).
        method: a name in `METHODS`.
        options: of the section `preprocess`; those of other methods are ignored.

    Raises:
        KeyError: there is no such method.
        UserError: the method cannot be fitted to these examples.
    """
    unit = PIXEL_UNIT if X.dtype == np.uint8 else 1.0
    entry = METHODS[method]
    taken = {name: options[name] for name in entry.options if name in options}
    return entry.fit(X, unit, **taken)


def label(values: Mapping[str, Any]) -> str:
    """Return a name for a preprocessor's settings, such as `per feature` or `whiten pca 1e-08`.

    Args:
        values: the section `preprocess` of an experiment.
    """
    return METHODS[values["method"]].label(values)

"""From pixels to inputs: rescaling, standardisation (20), whitening (21), (22).

Convention: X has a row an image, raw, as it lies in the file; `unit` is the raw value that counts
as one (255 for 8-bit pixels), and means, deviations and epsilon are in that unit. Whatever the
method, a fitted preprocessor is one affine map x ↦ (x − shift) · scale [· matrix].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.base.errors import UserError
from pipeline.network.activations import Array

METHODS = ("raw", "standardise", "whiten")
STATISTICS = ("scalar", "per_feature")
ROTATIONS = ("pca", "zca")
Float64 = NDArray[np.float64]
# Rows turned into float64 at once.
BLOCK = 2000
PIXEL_UNIT = 255.0


class Moments(NamedTuple):
    """Mean and variance of each feature, both of shape (n,), over all rows, in units."""

    mean: Float64
    variance: Float64


def moments(X: NDArray[Any], unit: float = 1.0) -> Moments:
    """Return the mean and the variance of each feature.

    Sums of 8-bit pixels and of their squares are whole numbers below 2^53 and so exact in
    float64, in whatever order they are added: the result has the same bits on every machine,
    and a pixel that never changes has variance zero, not nearly zero.

    Args:
        X: shape (N, n).
        unit: the raw value that counts as one.
    """
    N, n = X.shape
    if X.dtype == np.uint8:
        total, squares = np.zeros(n), np.zeros(n)
        for start in range(0, N, BLOCK):
            block = X[start : start + BLOCK].astype(np.float64)
            total += block.sum(axis=0)
            squares += np.einsum("ij,ij->j", block, block)
        variance = (N * squares - total * total) / float(N) ** 2
        return Moments(total / N / unit, variance / unit**2)
    scaled = X.astype(np.float64) / unit
    mean = scaled.mean(axis=0)
    variance = np.mean((scaled - mean) ** 2, axis=0)
    # The rounded mean of equal numbers can differ from them; a constant stays a constant.
    variance[scaled.max(axis=0) == scaled.min(axis=0)] = 0.0
    return Moments(mean, variance)


def covariance(X: NDArray[Any], unit: float = 1.0) -> Float64:
    """Return C = (1/N) (X − μ)ᵀ(X − μ), equation (21), of shape (n, n); exact as `moments` is.

    Args:
        X: shape (N, n).
        unit: the raw value that counts as one.
    """
    N, n = X.shape
    if X.dtype == np.uint8:
        total, products = np.zeros(n), np.zeros((n, n))
        for start in range(0, N, BLOCK):
            block = X[start : start + BLOCK].astype(np.float64)
            total += block.sum(axis=0)
            products += block.T @ block
        return (N * products - np.outer(total, total)) / float(N) ** 2 / unit**2
    scaled = X.astype(np.float64) / unit
    centred = scaled - scaled.mean(axis=0)
    centred[:, scaled.max(axis=0) == scaled.min(axis=0)] = 0.0
    return centred.T @ centred / N


@dataclass(frozen=True)
class AffineMap:
    """x ↦ (x − shift) · scale, then, if there is one, · matrix.

    Attributes:
        shift: a number or shape (n,), in raw pixels.
        scale: a number or shape (n,).
        matrix: shape (n, k), or None for no rotation.
    """

    shift: Float64
    scale: Float64
    matrix: Float64 | None = None

    def apply(self, X: NDArray[Any], dtype: DTypeLike = np.float64) -> Array:
        """Return inputs for a network: shape (N, n), or (N, k) with a matrix."""
        scaled = np.subtract(X, self.shift.astype(dtype), dtype=np.dtype(dtype))
        scaled *= self.scale.astype(dtype)
        return scaled if self.matrix is None else scaled @ self.matrix.astype(dtype)

    def arrays(self) -> dict[str, Float64]:
        """Return what a file has to hold."""
        held = {"shift": self.shift, "scale": self.scale}
        return held if self.matrix is None else {**held, "matrix": self.matrix}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> AffineMap:
        """Return the map that `arrays` describes.

        Raises:
            UserError: an array is missing or has the wrong shape.
        """
        try:
            found = cls(arrays["shift"], arrays["scale"], arrays.get("matrix"))
        except KeyError as error:
            raise UserError(f"preprocessor: array {error} is missing") from None
        if found.shift.ndim > 1 or found.scale.ndim > 1:
            raise UserError("preprocessor: shift and scale must be numbers or vectors")
        if found.matrix is not None and found.matrix.ndim != 2:
            raise UserError("preprocessor: matrix must have two dimensions")
        return found


class Fitted(NamedTuple):
    """A fitted map, and what had to be left out to keep its values finite.

    `constant` counts features that never change in the training set. `null` counts directions
    in which the training set has no extent beyond rounding: PCA drops them, ZCA sets them to 0.
    `floor` is the singular value, in units², at or below which a direction counts as null.
    `weakest` is the smallest deviation, in units, that the data were divided by (ε comes on top).
    """

    map: AffineMap
    constant: int
    null: int
    floor: float
    weakest: float


def rescaling(unit: float) -> AffineMap:
    """Return x ↦ x / unit: the pixels as they are, as numbers from 0 to 1."""
    return AffineMap(np.zeros(()), np.asarray(1 / unit))


def standardisation(found: Moments, statistics: str, unit: float = 1.0) -> Fitted:
    """Return X_n = (X − μ) / σ, equation (20).

    Args:
        found: moments of the training set.
        statistics: "scalar", one μ and σ over all features, or "per_feature".
        unit: of `found`.

    A feature that is constant in the training set is centred and left undivided: σ = 0 there,
    and dividing by a small number instead would send a test pixel that lights up to infinity.
    """
    constant = int(np.count_nonzero(found.variance == 0))
    if statistics == "scalar":
        mean = np.asarray(found.mean.mean())
        deviation = np.sqrt(np.mean(found.variance + (found.mean - mean) ** 2))
    else:
        mean, deviation = found.mean, np.sqrt(found.variance)
    divisor = np.where(deviation > 0, deviation, 1.0)
    weakest = float(np.min(divisor))
    return Fitted(AffineMap(mean * unit, 1 / (divisor * unit)), constant, 0, 0.0, weakest)


def whitening(mean: Float64, C: Float64, rotation: str, epsilon: float, unit: float) -> Fitted:
    """Return x_w = (x − μ) U / (√s + ε), equation (22), with C = U diag(s) Uᵀ of (21).

    Args:
        mean: μ of the training set, shape (n,).
        C: its covariance, shape (n, n).
        rotation: "pca" leaves the data along the principal axes; "zca" rotates them back, · Uᵀ.
        epsilon: ε, in units.
        unit: of `mean` and `C`.

    The slide prints no rotation; its own figure projects onto the singular vectors first, and
    without that the data stay correlated. Directions without extent are left out: see `Fitted`.
    """
    # The SVD, as on the slide, and not eigh, whose small eigenvalues come out negative.
    U, s, _ = np.linalg.svd(C, hermitian=True)
    floor = float(s[0]) * len(s) * float(np.finfo(np.float64).eps)
    kept = s > floor
    U, s = U[:, kept], s[kept]
    # A singular vector's sign is arbitrary: its largest entry is positive here.
    U = U * np.sign(U[np.abs(U).argmax(axis=0), np.arange(len(s))])
    matrix = U / (np.sqrt(s) + epsilon) / unit
    if rotation == "zca":
        matrix = matrix @ U.T
    constant = int(np.count_nonzero(C.diagonal() == 0))
    null = int(np.count_nonzero(~kept))
    weakest = float(np.sqrt(s[-1])) if len(s) else 1.0
    return Fitted(AffineMap(mean * unit, np.ones(()), matrix), constant, null, floor, weakest)


def fit(
    X: NDArray[Any],
    *,
    method: str,
    statistics: str = "scalar",
    rotation: str = "pca",
    epsilon: float = 1e-8,
    unit: float = PIXEL_UNIT,
) -> Fitted:
    """Fit a preprocessor to training images, and to nothing else.

    Args:
        X: training images, raw, shape (N, n).
        method: "raw", "standardise" or "whiten".
        statistics: of "standardise".
        rotation: of "whiten".
        epsilon: of "whiten", in units.
        unit: the raw value that counts as one.
    """
    if method == "raw":
        return Fitted(rescaling(unit), 0, 0, 0.0, 1.0)
    found = moments(X, unit)
    if method == "standardise":
        return standardisation(found, statistics, unit)
    return whitening(found.mean, covariance(X, unit), rotation, epsilon, unit)

"""The preprocessors as scikit-learn estimators, for use in its pipelines and searches.

Convention: scikit-learn's. The arithmetic is `pipeline.data.preprocessing`'s; training workers
use that directly, since importing scikit-learn takes longer than a small training run.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from pipeline.data.preprocessing import Fitted, fit


class _AffineTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped base
    """What the three have in common: `fit` finds an affine map, `transform` applies it."""

    unit: float

    def fit(self, X: NDArray[Any], y: object = None) -> Self:
        """Fit to training data X of shape (N, n); y is ignored."""
        X = validate_data(self, X, dtype=(np.float64, np.float32, np.uint8), ensure_min_samples=2)
        self.fitted_ = self._fit(X)
        matrix = self.fitted_.map.matrix
        self._n_features_out = X.shape[1] if matrix is None else matrix.shape[1]
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return the inputs, shape (N, n), or (N, k) where `Whiten` dropped directions."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32, np.uint8), reset=False)
        return self.fitted_.map.apply(X)

    def _fit(self, X: NDArray[Any]) -> Fitted:
        raise NotImplementedError


class Rescale(OneToOneFeatureMixin, _AffineTransformer):  # type: ignore[misc]
    """X / unit.

    Args:
        unit: the raw value that counts as one, 255 for 8-bit pixels.
    """

    def __init__(self, unit: float = 1.0) -> None:
        self.unit = unit

    def _fit(self, X: NDArray[Any]) -> Fitted:
        return fit(X, method="raw", unit=self.unit)


class Standardise(OneToOneFeatureMixin, _AffineTransformer):  # type: ignore[misc]
    """(X − μ) / σ, equation (20).

    Args:
        statistics: "scalar" for one μ and σ over all features, or "per_feature".
        unit: the raw value that counts as one.
    """

    def __init__(self, statistics: str = "per_feature", unit: float = 1.0) -> None:
        self.statistics = statistics
        self.unit = unit

    def _fit(self, X: NDArray[Any]) -> Fitted:
        return fit(X, method="standardise", statistics=self.statistics, unit=self.unit)


class Whiten(ClassNamePrefixFeaturesOutMixin, _AffineTransformer):  # type: ignore[misc]
    """(x − μ) U / (√s + ε), equations (21) and (22).

    Args:
        rotation: "pca" or "zca".
        epsilon: ε, in units.
        unit: the raw value that counts as one.
    """

    def __init__(self, rotation: str = "pca", epsilon: float = 1e-8, unit: float = 1.0) -> None:
        self.rotation = rotation
        self.epsilon = epsilon
        self.unit = unit

    def _fit(self, X: NDArray[Any]) -> Fitted:
        return fit(X, method="whiten", rotation=self.rotation, epsilon=self.epsilon, unit=self.unit)

"""The preprocessors are scikit-learn estimators, by scikit-learn's own checks."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from pipeline.data.estimators import Rescale, Standardise, Whiten
from pipeline.data.preprocessing import fit


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [Rescale(), Standardise("scalar"), Standardise("per_feature"), Whiten("pca"), Whiten("zca")]
)
def test_estimator(estimator: object, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def test_they_compute_what_the_pipeline_computes() -> None:
    X = np.random.default_rng(0).integers(0, 256, (60, 9), dtype=np.uint8)
    ours = fit(X, method="whiten", rotation="zca", epsilon=0.1).map.apply(X)
    np.testing.assert_array_equal(Whiten("zca", epsilon=0.1, unit=255.0).fit_transform(X), ours)

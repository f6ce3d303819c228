"""The cloud of the slides on normalisation (20) and whitening (21), (22)."""

import numpy as np

from pipeline.lecture.cloud import CENTRE, POINTS, cloud, normalised, whitened


def test_the_cloud_is_the_slides() -> None:
    """Deviations ½ and 2 along axes turned by −0.5 rad, around (−5, 5)."""
    X = cloud()
    assert X.shape == (POINTS, 2)
    # Standard errors of means and deviations are at most 2 / √500 = 0.09.
    np.testing.assert_allclose(X.mean(axis=0), CENTRE, atol=0.3)
    turned = X @ np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]]).T
    np.testing.assert_allclose(turned.std(axis=0), [0.5, 2.0], rtol=0.15)
    assert abs(np.corrcoef(turned.T)[0, 1]) < 0.15


def test_normalisation_leaves_the_correlation() -> None:
    X = cloud()
    Z = normalised(X)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(axis=0), 1)
    before, after = (np.cov(points.T, bias=True) for points in (X, Z))
    deviations = np.sqrt(np.diag(before))
    np.testing.assert_allclose(after, before / np.outer(deviations, deviations))
    assert after[0, 1] > 0.5


def test_whitening_removes_it() -> None:
    np.testing.assert_allclose(np.cov(whitened(cloud()).T, bias=True), np.eye(2), atol=1e-6)

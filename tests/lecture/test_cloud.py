"""The cloud of the slides on normalisation (20) and whitening (21), (22)."""

import numpy as np

from pipeline.lecture.cloud import cloud, normalised, whitened
from pipeline.network.randomness import generator


def test_the_cloud_is_the_slides() -> None:
    """Deviations ½ and 2 along axes turned by −0.5 rad, around (−5, 5)."""
    turned_back = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
    found = (cloud() - [-5.0, 5.0]) @ turned_back.T
    normal = generator(0, "noise").standard_normal((500, 2))
    np.testing.assert_allclose(found, normal * [0.5, 2.0], atol=1e-12)


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

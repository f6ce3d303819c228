"""Standardisation (20) and whitening (21), (22) against scikit-learn and their definitions."""

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from pipeline.base.config import compose
from pipeline.base.errors import UserError
from pipeline.base.files import canonical_json, parse_npz, sha256
from pipeline.data.catalogue import DATASETS, MNIST_FILES
from pipeline.data.effect import effect
from pipeline.data.idx import encode, parse_idx
from pipeline.data.preprocessing import (
    PIXEL_UNIT,
    SMALLEST_DEVIATION,
    AffineMap,
    covariance,
    fit,
    moments,
    whiten,
)
from pipeline.data.raw import LARGEST
from pipeline.stages.preprocess import preprocess
from tests.conftest import Checkout

METHODS = [
    {"method": "raw"},
    {"method": "standardise", "statistics": "scalar"},
    {"method": "standardise", "statistics": "per_feature"},
    {"method": "whiten", "rotation": "pca", "epsilon": 1e-8},
    {"method": "whiten", "rotation": "zca", "epsilon": 1e-2},
]


def pixels(count: int = 200, features: int = 12) -> np.ndarray:
    """Return correlated 8-bit pixels, the first of which never changes."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(count, features)) @ rng.normal(size=(features, features))
    scaled = np.clip(120 + 30 * mixed, 0, 255).astype(np.uint8)
    scaled[:, 0] = 17
    return scaled


def test_pixel_moments_are_exact() -> None:
    X = pixels(50)
    column = [Fraction(int(value)) for value in X[:, 3]]
    mean = sum(column) / len(column)
    variance = sum((value - mean) ** 2 for value in column) / len(column)
    found = moments(X)
    assert found.mean[3] == float(mean)
    assert found.variance[3] == float(variance)
    assert found.variance[0] == 0


def test_covariance_agrees_with_numpy_and_does_not_depend_on_the_order_of_images() -> None:
    X = pixels()
    np.testing.assert_allclose(covariance(X), np.cov(X.T, bias=True), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(
        covariance(X.astype(np.float64)), np.cov(X.T, bias=True), rtol=1e-12, atol=1e-9
    )
    shuffled = X[np.random.default_rng(1).permutation(len(X))]
    assert covariance(X).tobytes() == covariance(shuffled).tobytes()


def test_raw_is_pixels_by_255() -> None:
    X = pixels()
    np.testing.assert_allclose(fit(X, method="raw").map.apply(X), X / 255, rtol=1e-15)


def test_scalar_standardisation_gives_mean_zero_and_variance_one_over_all_pixels() -> None:
    inputs = fit(pixels(), method="standardise", statistics="scalar").map.apply(pixels())
    assert abs(inputs.mean()) < 1e-12
    assert abs(inputs.var() - 1) < 1e-12


def test_per_feature_standardisation_agrees_with_scikit_learn() -> None:
    X = pixels()
    found = fit(X, method="standardise", statistics="per_feature")
    expected = StandardScaler().fit_transform(X.astype(np.float64))
    np.testing.assert_allclose(found.map.apply(X), expected, atol=1e-12)
    assert found.constant == 1


@pytest.mark.parametrize("rotation", ["pca", "zca"])
def test_whitened_covariance_is_the_identity_on_the_directions_kept(rotation: str) -> None:
    X = pixels()
    found = fit(X, method="whiten", rotation=rotation, epsilon=0.0)
    whitened = found.map.apply(X)
    eigenvalues = np.linalg.eigvalsh(np.cov(whitened.T, bias=True))
    assert found.null == 1  # the constant pixel
    expected = np.ones(11) if rotation == "pca" else np.append(0.0, np.ones(11))
    np.testing.assert_allclose(eigenvalues, expected, atol=1e-9)


def test_pca_whitening_agrees_with_scikit_learn_up_to_signs() -> None:
    X = pixels().astype(np.float64)
    ours = fit(X, method="whiten", rotation="pca", epsilon=0.0).map.apply(X)
    theirs = PCA(11, whiten=True, svd_solver="full").fit_transform(X)
    theirs *= np.sqrt(len(X) / (len(X) - 1))  # scikit-learn divides by N − 1
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-8)


def test_zca_is_the_whitening_that_turns_nothing() -> None:
    X = pixels()
    matrix = fit(X, method="whiten", rotation="zca", epsilon=1e-3).map.matrix
    assert matrix is not None
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)


def test_epsilon_is_added_to_the_root_of_the_singular_value() -> None:
    """Two uncorrelated pixels with deviations 0.4 and 0.1, ε = 0.1: (22) by hand."""
    X = 100 + np.array([[102, 0], [-102, 0], [0, 25.5], [0, -25.5]]) * 2**0.5
    found = whiten(X, PIXEL_UNIT, rotation="zca", epsilon=0.1)
    deviations = np.sqrt(covariance(X, PIXEL_UNIT).diagonal())
    np.testing.assert_allclose(deviations, [0.4, 0.1])
    assert found.map.matrix is not None
    np.testing.assert_allclose(
        found.map.matrix * PIXEL_UNIT, np.diag([1 / 0.5, 1 / 0.2]), atol=1e-12
    )


@pytest.mark.parametrize("settings", METHODS)
def test_a_pixel_that_never_changed_in_training_stays_finite_when_it_lights_up(
    settings: dict[str, str],
) -> None:
    unseen = pixels()
    unseen[:, 0] = 255
    inputs = fit(pixels(), **settings).map.apply(unseen)
    assert np.all(np.isfinite(inputs))
    assert np.abs(inputs[:, 0]).max() < 10


@pytest.mark.parametrize("settings", METHODS)
def test_a_map_comes_back_from_its_arrays(settings: dict[str, str]) -> None:
    found = fit(pixels(), **settings).map
    again = AffineMap.from_arrays(found.arrays())
    assert again.apply(pixels()).tobytes() == found.apply(pixels()).tobytes()


RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=(30, 4))
DIFFICULT = {
    "one constant feature": np.column_stack([NORMAL, np.full(30, 0.1)]),
    "a feature twice": np.column_stack([NORMAL, NORMAL]),
    "fewer examples than features": RNG.normal(size=(3, 8)),
    "large": NORMAL * (LARGEST / 10),
    "small": NORMAL * SMALLEST_DEVIATION,
    "of all sizes": NORMAL * [1e17, 1.0, 1e-15, 1e-19],
    "far from zero": NORMAL + 1e9,
    "all the same": np.full((30, 4), 0.1),
    "pixels all the same": np.full((30, 4), 9, np.uint8),
    "a single example": NORMAL[:1],
    "nearly the same": NORMAL * 1e-300,
}
THE_SAME = list(DIFFICULT)[-4:]


@pytest.mark.parametrize("settings", METHODS, ids=lambda given: "-".join(map(str, given.values())))
@pytest.mark.parametrize("case", DIFFICULT)
def test_difficult_training_sets_give_finite_inputs_or_one_line(
    case: str, settings: dict[str, Any]
) -> None:
    X = DIFFICULT[case]
    if settings["method"] == "whiten" and case in THE_SAME:
        with pytest.raises(UserError, match=r"preprocess.method = whiten: allowed is raw or"):
            fit(X, **settings)
        return
    fitted = fit(X, **settings)
    for dtype in (np.float32, np.float64):
        assert np.isfinite(fitted.map.apply(X, dtype)).all()
    assert canonical_json(effect(fitted, {"train": X, "test": X[:1]}))


def test_inputs_far_from_zero_keep_their_digits_in_single_precision() -> None:
    X = NORMAL + 1.7e9
    fitted = fit(X, method="standardise", statistics="per_feature").map
    np.testing.assert_allclose(fitted.apply(X, np.float32), fitted.apply(X), rtol=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: "-".join(map(str, method.values())))
def test_test_pixels_do_not_reach_the_fitted_preprocessor(
    method: dict[str, Any], checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage, run twice, the second time with every test pixel changed."""
    paths, dataset = checkout.paths, DATASETS["digits"]
    overrides = [f"preprocess.{name}={value}" for name, value in method.items()]
    config = compose(paths, overrides)
    preprocess(config, paths)
    fitted = parse_npz(paths.preprocessor.read_bytes(), name="preprocessor.npz")
    told = paths.preprocess_summary.read_bytes()

    name = MNIST_FILES[2]
    path = paths.raw("digits") / name
    content = encode(255 - parse_idx(path.read_bytes(), name=name))
    path.chmod(0o644)
    path.write_bytes(content)
    files = {**dataset.files, name: sha256(content)}
    monkeypatch.setitem(DATASETS, "digits", dataclasses.replace(dataset, files=files))
    preprocess(config, paths)
    again = parse_npz(paths.preprocessor.read_bytes(), name="preprocessor.npz")
    # Which names the files it was made for; all else are the statistics.
    assert again.pop("made_for").tobytes() != fitted.pop("made_for").tobytes()
    assert {name: array.tobytes() for name, array in again.items()} == {
        name: array.tobytes() for name, array in fitted.items()
    }
    assert paths.preprocess_summary.read_bytes() != told

"""Inputs in batches are the inputs, the rare features apart."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from pipeline.network.inputs import ArrayInputs, Inputs, PixelInputs

# How often each of 16 pixels is lit: twelve in many images, three in few, one in none.
LIT = np.array([0.9] * 4 + [0.02] * 3 + [0.0] + [0.6] * 4 + [0.3] * 4)
RARE = [4, 5, 6, 7]
_RNG = np.random.default_rng(8)
MAPS = {
    "raw": (np.asarray(0.0), np.asarray(1 / 255)),
    "scalar": (np.asarray(40.0), np.asarray(0.01)),
    "per feature": (_RNG.uniform(0, 100, 16), _RNG.uniform(0.001, 0.1, 16)),
}
"""Shift and scale of preprocessors."""


def pixels(count: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    lit = rng.random((count, 16)) < LIT
    return (lit * rng.integers(1, 256, size=lit.shape)).astype(np.uint8)


def applied(name: str, X: np.ndarray) -> np.ndarray:
    shift, scale = MAPS[name]
    return (X - shift) * scale


def read(inputs: Inputs, size: int, order: np.ndarray | None = None) -> np.ndarray:
    """Return what `batches` yields, put together again: inputs of shape (N, n)."""
    (N, n), f = inputs.shape, inputs.frequent
    X = np.full((N if order is None else len(order), n), np.nan)
    for batch in inputs.batches(size, order):
        starts, columns, values = batch.rare
        rare = csr_array((values, columns, starts), (len(batch.E), n - f)).toarray()
        E = np.concatenate([batch.E[:, :f], rare], axis=1)
        X[batch.rows, inputs.features] = E + inputs.empty[inputs.features]
        # What stands beside e: e·z, of terms of one sign, and 1.
        e_z, rounding = E @ inputs.empty[inputs.features], n * np.finfo(E.dtype).eps
        np.testing.assert_allclose(batch.E[:, f], e_z, rtol=rounding)
        np.testing.assert_array_equal(batch.E[:, f + 1], 1)
    return X


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("name", MAPS)
def test_batches_of_pixels_are_what_the_preprocessor_makes_of_them(
    name: str, shuffled: bool
) -> None:
    X = pixels(65)  # a short batch at the end
    inputs = PixelInputs(X, *MAPS[name])
    order = np.random.default_rng(1).permutation(65)[:57] if shuffled else None
    expected = applied(name, X) if order is None else applied(name, X)[order]
    np.testing.assert_allclose(read(inputs, 10, order), expected, atol=1e-14)


def test_features_that_few_images_have_are_rare() -> None:
    inputs = PixelInputs(pixels(500), *MAPS["scalar"])
    assert sorted(inputs.features) == list(range(16))
    assert list(inputs.features[inputs.frequent :]) == RARE


@pytest.mark.parametrize("X", [np.zeros((3, 16), np.uint8), np.full((3, 16), 7, np.uint8)])
def test_all_or_no_features_may_be_rare(X: np.ndarray) -> None:
    inputs = PixelInputs(X, *MAPS["per feature"])
    assert inputs.frequent == (16 if X.any() else 0)
    np.testing.assert_allclose(read(inputs, 2), applied("per feature", X), atol=1e-14)


@pytest.mark.parametrize("shuffled", [False, True])
def test_batches_of_an_array_are_its_rows(shuffled: bool) -> None:
    X = np.random.default_rng(4).normal(size=(9, 16))
    order = np.random.default_rng(5).permutation(9)[:7] if shuffled else None
    np.testing.assert_array_equal(read(ArrayInputs(X), 4, order), X if order is None else X[order])

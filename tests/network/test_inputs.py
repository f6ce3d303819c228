"""Inputs in batches and blocks are the inputs, without what is empty in all of them."""

import numpy as np
import pytest

from pipeline.network.inputs import EVALUATION_ROWS, ArrayInputs, Inputs, PixelInputs

# How often each of 16 pixels is lit: some in nearly every batch, some in few, one in none.
LIT = np.array([0.9] * 4 + [0.6] * 4 + [0.3] * 4 + [0.02] * 3 + [0.0])
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


def read(inputs: Inputs) -> np.ndarray:
    """Return what `blocks` yields, put together again: inputs of shape (N, n)."""
    X = np.tile(inputs.empty, (inputs.shape[0], 1))
    for block in inputs.blocks():
        X[np.ix_(block.rows, block.features)] += block.E
    return X


def batch(inputs: Inputs, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what `take` reads, put together again: inputs of shape (b, n), and e·z and 1."""
    n, f = inputs.shape[1], inputs.frequent
    out = np.full((len(indices), n + 2), np.nan)
    rare = inputs.take(indices, out)
    E = np.zeros((len(indices), n))
    E[:, inputs.features[:f]] = out[:, :f]
    E[:, inputs.features[f:][rare]] = out[:, f + 2 : f + 2 + len(rare)]
    assert np.all(np.isnan(out[:, f + 2 + len(rare) :]))  # no more than that is written
    return inputs.empty + E, out[:, f : f + 2]


@pytest.mark.parametrize("name", MAPS)
def test_a_batch_of_pixels_is_what_the_preprocessor_makes_of_them(name: str) -> None:
    X = pixels(60)
    inputs = PixelInputs(X, *MAPS[name], batch_size=10)
    indices = np.random.default_rng(1).permutation(60)[:10]
    found, beside = batch(inputs, indices)
    np.testing.assert_allclose(found, applied(name, X)[indices], atol=1e-14)
    expected = (found - inputs.empty) @ inputs.empty
    np.testing.assert_allclose(beside[:, 0], expected, atol=1e-12)
    np.testing.assert_array_equal(beside[:, 1], 1)


def test_frequent_features_are_those_that_nearly_every_batch_has() -> None:
    """0.3 of 500 images: 1 of 35 batches of ten lacks such a pixel; of three, 1 of 3."""
    X = pixels(500)
    for size, frequent in ((10, 12), (3, 8)):
        inputs = PixelInputs(X, *MAPS["scalar"], batch_size=size)
        assert sorted(inputs.features) == list(range(16))
        assert sorted(inputs.features[: inputs.frequent]) == list(range(frequent))


def test_only_the_rare_features_of_a_batch_are_read() -> None:
    X = np.zeros((100, 4), np.uint8)
    X[:, 0] = 9
    X[7, 2] = 5
    inputs = PixelInputs(X, *MAPS["scalar"], batch_size=2)
    out = np.empty((2, 6))
    assert [len(inputs.take(np.array(chosen), out)) for chosen in ([0, 1], [6, 7])] == [0, 1]


@pytest.mark.parametrize("name", [None, *MAPS])
def test_blocks_are_all_inputs_in_the_order_that_was_asked_for(name: str | None) -> None:
    count = EVALUATION_ROWS + 5
    order = np.random.default_rng(2).permutation(count)
    if name is None:
        order = np.arange(count)
        X = np.random.default_rng(3).normal(size=(count, 16))
        inputs: Inputs = ArrayInputs(X)
    else:
        X = applied(name, pixels(count))
        inputs = PixelInputs(pixels(count), *MAPS[name], batch_size=3, order=order)
    rows = []
    for block in inputs.blocks():
        rows += list(block.rows)
        assert name is None or 15 not in block.features  # never lit
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(read(inputs), X, atol=1e-14)


def test_a_batch_of_an_array_is_its_rows() -> None:
    X = np.random.default_rng(4).normal(size=(9, 16))
    found, beside = batch(ArrayInputs(X), np.array([3, 1]))
    np.testing.assert_array_equal(found, X[[3, 1]])
    np.testing.assert_array_equal(beside, [[0, 1], [0, 1]])

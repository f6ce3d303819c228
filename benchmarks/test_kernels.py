"""The inner loop's parts, for pytest-benchmark: `pytest benchmarks`, and compare releases by it.

Sizes are the default experiment's; pixels are random, half of them lit in few images, as in MNIST.
"""

import pipeline.stages  # isort: skip  # noqa: F401  # chooses NumPy's kernels

from typing import Any

import numpy as np
import pytest

from pipeline.data.examples import training_inputs
from pipeline.data.preprocessing import fit
from pipeline.network.dense import initialise
from pipeline.network.descent_in_place import DescentInPlace
from pipeline.network.evaluation import score
from pipeline.network.inputs import Examples

IMAGES, BATCH, SIZES = 5000, 100, (784, 256, 128, 10)
RNG = np.random.default_rng(0)
LIT = np.where(np.arange(SIZES[0]) % 2, 0.4, 0.02)
LIT_PIXELS = RNG.random((IMAGES, SIZES[0])) < LIT
PIXELS = LIT_PIXELS * RNG.integers(1, 256, LIT_PIXELS.shape, dtype=np.uint8)
LABELS = RNG.integers(0, SIZES[-1], IMAGES)
Y = np.eye(SIZES[-1], dtype=np.float32)[LABELS]


@pytest.fixture
def descent() -> DescentInPlace:
    network = initialise(
        SIZES,
        np.random.default_rng(0),
        activation="relu",
        output="sigmoid",
        weights="he_normal",
        weight_limit=0.0,
        biases="zeros",
        dtype=np.float32,
    )
    return DescentInPlace(network, cost="cross_entropy", batch_size=BATCH)


@pytest.fixture
def examples() -> Examples:
    inputs = training_inputs(fit(PIXELS, method="standardise").map, PIXELS, np.float32)
    return Examples(inputs, Y, LABELS)


def test_fifty_steps(benchmark: Any, descent: DescentInPlace, examples: Examples) -> None:
    order = np.random.default_rng(1).permutation(IMAGES)
    benchmark(descent.epoch, examples, order, 1e-6)


def test_evaluation_of_five_thousand_images(
    benchmark: Any, descent: DescentInPlace, examples: Examples
) -> None:
    benchmark(score, descent.network, examples, "cross_entropy")


@pytest.mark.parametrize("method", ["standardise", "whiten"])
def test_fitting_a_preprocessor(benchmark: Any, method: str) -> None:
    benchmark.pedantic(fit, (PIXELS,), {"method": method}, rounds=3)

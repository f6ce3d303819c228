"""Measure parts of the inner loop by pytest-benchmark, to compare releases: `pytest benchmarks`.

Sizes are the default experiment's. Pixels are random; half of them are rarely lit, as in MNIST.
"""

import pipeline  # isort: skip  # noqa: F401  # before NumPy: chooses its threads and kernels

from typing import Any

import numpy as np
import pytest

from pipeline.data.preprocessing import fit
from pipeline.engine.descent import Examples, epoch, score
from pipeline.engine.inputs import RARE, inputs_of
from pipeline.network.dense import Network, initialise
from tests.settings import architecture, training

IMAGES, BATCH, SIZES = 5000, 100, (784, 256, 128, 10)
RNG = np.random.default_rng(0)
LIT = np.where(np.arange(SIZES[0]) % 2, 0.4, 0.02)
LIT_PIXELS = RNG.random((IMAGES, SIZES[0])) < LIT
PIXELS = LIT_PIXELS * RNG.integers(1, 256, LIT_PIXELS.shape, dtype=np.uint8)
LABELS = RNG.integers(0, SIZES[-1], IMAGES)
Y = np.eye(SIZES[-1], dtype=np.uint8)[LABELS]


@pytest.fixture
def network() -> Network:
    inputs, *hidden, outputs = SIZES
    rng = np.random.default_rng(0)
    return initialise(architecture(*hidden), inputs, outputs, rng, np.float32)


@pytest.fixture
def examples() -> Examples:
    preprocessor = fit(PIXELS, method="standardise").map
    inputs = inputs_of(preprocessor, PIXELS, np.float32, rare=RARE)
    return Examples(inputs, Y, LABELS)


def test_fifty_steps(benchmark: Any, network: Network, examples: Examples) -> None:
    batches = np.random.default_rng(1).permutation(IMAGES).reshape(-1, BATCH)
    benchmark(epoch, network, None, examples, batches, training(), 1e-6)


def test_evaluation_of_five_thousand_images(
    benchmark: Any, network: Network, examples: Examples
) -> None:
    benchmark(score, network, examples, "cross_entropy")


@pytest.mark.parametrize("method", ["standardise", "whiten"])
def test_fitting_a_preprocessor(benchmark: Any, method: str) -> None:
    benchmark.pedantic(fit, (PIXELS,), {"method": method}, rounds=3)

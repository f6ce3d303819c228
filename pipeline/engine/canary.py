"""The canary: a hash of a few results, which shows whether machines compute the same.

Convention: it is part of a run's identity, in place of names and versions of libraries. The thread
that trains computes it, since each thread has CPU flags of its own, such as one that turns
subnormal numbers into zero.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np

from pipeline.engine import VERSION
from pipeline.engine.descent import COMPILED, Examples, mean_cost, outputs
from pipeline.engine.inputs import RARE, PixelInputs
from pipeline.engine.program import Program, laid_out, matrix
from pipeline.network.dense import initialise
from pipeline.network.randomness import generator
from pipeline.network.settings import Architecture, Training

# By dtype: the canary of every machine that reproduces the results exactly.
EXPECTED = {
    "float32": "ccd21d9ac2b9312eae0a8f7d6e3d691a89de82c875470fd0a7ca5a35887e4323",
    "float64": "ce491653e312aa5a1bbbde86761d332133a9291787e97930ba84cbad4d9e6485",
}
# m, k, n: one row and column more than tiles and vectors hold, and fewer.
SHAPES = ((1, 1, 1), (5, 0, 3), (13, 40, 33), (25, 7, 17))
NETWORK = Architecture(
    hidden=[17, 5],
    activation="relu",
    output="sigmoid",
    weights="he_normal",
    weight_limit=0.1,
    biases="normal",
)
TRAINING = Training(
    cost="cross_entropy",
    epochs=2,
    batch_size=8,
    learning_rate=0.3,
    momentum=0.9,
    dtype="float32",
)


def canary(dtype: str) -> str:
    """Return the SHA-256 of some results, as hexadecimal digits.

    Args:
        dtype: of the training.
    """
    digest = sha256(f"{VERSION} {dtype}".encode())
    for shape in SHAPES:
        digest.update(_product(shape, np.dtype(dtype)))
    for result in (*_training(np.dtype(dtype)), *_of_numpy()):
        digest.update(np.ascontiguousarray(result).tobytes())
    return digest.hexdigest()


def _product(shape: tuple[int, int, int], dtype: Any) -> bytes:
    """Return a product whose elements have many magnitudes, some of them subnormal."""
    m, k, n = shape
    rng = generator(m + k + n, "noise")
    A, B = (rng.standard_normal(size).astype(dtype) for size in ((m, k), (k, n)))
    A[::3] *= np.finfo(dtype).tiny
    C, program = matrix((m, n), dtype), Program(dtype)
    start = laid_out(np.full((1, n), np.finfo(dtype).smallest_subnormal))
    program.product(A, laid_out(B), C, "store", start=start)
    program.run()
    return np.ascontiguousarray(C).tobytes()


def _training(dtype: Any) -> list[Any]:
    """Return results of two epochs on 40 images of 20 pixels; half of the pixels are rare."""
    rng = generator(0, "noise")
    lit = rng.random((40, 20)) < np.repeat([0.05, 0.6], 10)
    pixels = (lit * rng.integers(1, 256, lit.shape)).astype(np.uint8)
    labels = rng.integers(3, size=40)
    inputs = PixelInputs(pixels, np.array(33.3), np.array(0.0127), dtype, rare=RARE)
    examples = Examples(inputs, np.eye(3, dtype=np.uint8)[labels], labels)
    network = initialise(NETWORK, 20, 3, rng, dtype)
    batches = rng.permutation(40).reshape(-1, 8)
    moved, velocity = COMPILED.epoch(network, None, examples, batches, TRAINING, 0.3)
    moved, velocity = COMPILED.epoch(moved, velocity, examples, batches, TRAINING, 0.3)
    numbers = laid_out(rng.uniform(-100, 0, (1, 4000)), dtype)
    none = np.zeros(numbers.shape, np.uint8)
    return [
        *(array for layer in (*moved.layers, *velocity) for array in layer),
        np.array(COMPILED.score(moved, examples, "cross_entropy")),
        outputs(numbers, "sigmoid"),
        np.array(mean_cost(numbers, none, "cross_entropy", "sigmoid")),
    ]


def _of_numpy() -> list[Any]:
    """Return what NumPy computes for a training: random numbers, sums and roots."""
    rng = generator(0, "noise")
    normals = rng.standard_normal(100_000)
    return [
        normals,
        rng.uniform(size=1000),
        rng.permutation(1000),
        normals.sum(),
        normals.mean(),
        normals.reshape(1000, 100).mean(axis=0),
        np.sqrt(np.abs(normals[:1000])),
        normals[:1000].astype(np.float32).sum(),
    ]

"""The canary: a hash of a few results, which shows whether machines compute the same.

Convention: it is part of a run's identity, in place of names and versions of libraries. The thread
that starts a training computes it, since each thread has CPU flags of its own, such as one that
turns subnormal numbers into zero. A thread inherits those of the thread that starts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import numpy as np

from pipeline.data.preprocessing import AffineMap
from pipeline.engine import VERSION
from pipeline.engine.descent import COMPILED, Examples, mean_cost, outputs
from pipeline.engine.inputs import RARE, inputs_of
from pipeline.engine.program import laid_out, times
from pipeline.network.dense import initialise
from pipeline.network.randomness import generator
from pipeline.network.settings import Architecture, Training

# By dtype: the canary of every machine that reproduces the results exactly.
EXPECTED = {
    "float32": "5216748e66fa88fa6bd4fdfc150c5875d0d7dfbccb239d6a5a0781491115fa65",
    "float64": "55ee23d02609f49ff340db0b655bf02b279b551e173d4e61cecb434e11daecb4",
}
# m, k, n: one row and column more than tiles and vectors hold, and fewer.
SHAPES = ((1, 1, 1), (5, 0, 3), (13, 40, 33), (25, 7, 17))
NETWORK = Architecture(
    hidden=[17, 5],
    activation="relu",
    output="softmax",
    weights="he_normal",
    weight_limit=0.1,
    biases="normal",
)
TRAINING = Training(
    cost="categorical_cross_entropy",
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
    for result in _results(np.dtype(dtype)):
        digest.update(np.ascontiguousarray(result).tobytes())
    return digest.hexdigest()


def _results(dtype: np.dtype[Any]) -> Iterator[Any]:
    # Products whose elements have many magnitudes, some of them subnormal.
    for m, k, n in SHAPES:
        rng = generator(m + k + n, "noise")
        A, B = (rng.standard_normal(size).astype(dtype) for size in ((m, k), (k, n)))
        A[::3] *= np.finfo(dtype).tiny
        start = np.full((1, n), np.finfo(dtype).smallest_subnormal)
        yield times(A, laid_out(B), laid_out(start))
    # Two epochs on 40 images of 20 pixels; half of the pixels are rare.
    rng = generator(0, "noise")
    lit = rng.random((40, 20)) < np.repeat([0.05, 0.6], 10)
    pixels = (lit * rng.integers(1, 256, lit.shape)).astype(np.uint8)
    labels = rng.integers(3, size=40)
    inputs = inputs_of(AffineMap(np.array(33.3), np.array(0.0127)), pixels, dtype, rare=RARE)
    examples = Examples(inputs, np.eye(3, dtype=np.uint8)[labels], labels)
    network = initialise(NETWORK, 20, 3, rng, dtype)
    batches = rng.permutation(40).reshape(-1, 8)
    moved, velocity = COMPILED.epoch(network, None, examples, batches, TRAINING, 0.3)
    moved, velocity = COMPILED.epoch(moved, velocity, examples, batches, TRAINING, 0.3)
    for layer in (*moved.layers, *velocity):
        yield from layer
    yield COMPILED.score(moved, examples, TRAINING.cost)
    # All activations and the costs with logarithms, of many magnitudes.
    rng = generator(1, "noise")
    numbers = rng.standard_normal((400, 10)) * 10.0 ** rng.integers(-3, 3, (400, 1))
    H_bar, Y = numbers.astype(dtype), np.eye(10, dtype=np.uint8)[rng.integers(10, size=400)]
    for name in ("relu", "sigmoid", "tanh", "identity", "softmax"):  # not those added later
        yield outputs(H_bar, name)
    yield mean_cost(H_bar, Y, "cross_entropy", "sigmoid")
    yield mean_cost(H_bar, Y, "categorical_cross_entropy", "softmax")
    # What NumPy computes for a training: random numbers, sums and roots.
    rng = generator(0, "noise")
    normals = rng.standard_normal(100_000)
    yield from (normals, rng.uniform(size=1000), rng.permutation(1000))
    yield from (normals.sum(), normals.mean(), normals.reshape(1000, 100).mean(axis=0))
    yield np.sqrt(np.abs(normals[:1000]))
    yield normals[:1000].astype(np.float32).sum()

"""Train a small network and print the SHA-256 of its weights, velocities and history.

Run as a program, on any CPU: it needs NumPy and llvmlite alone.
"""

import dataclasses
import sys
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import numpy as np

from pipeline.data.preprocessing import fit
from pipeline.engine.canary import canary
from pipeline.engine.code import machine
from pipeline.engine.descent import COMPILED, Examples
from pipeline.engine.inputs import RARE, inputs_of
from pipeline.network.dense import initialise
from pipeline.network.randomness import generator
from pipeline.network.training import Start, train
from tests.settings import architecture, training


def images(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw ten kinds of images of 14 x 14 pixels; half of the pixels are rarely lit."""
    means = generator(0, "noise").uniform(0, 0.8, (10, 196)) * np.repeat([0.1, 1.0], 98)
    labels = rng.integers(10, size=count)
    lit = rng.random((count, 196)) < means[labels]
    return (lit * rng.integers(1, 256, lit.shape)).astype(np.uint8), labels


SETTINGS = {"batch_size": 100, "learning_rate": 0.2, "schedule": "halving"}
# What the lecture does not have.
OTHERS = {"activation": "tanh", "output": "softmax"}
DECAYED = {"cost": "categorical_cross_entropy", "weight_decay": 0.001}


def small_training(
    dtype: str,
    momentum: float,
    rotated: int = 0,
    functions: Mapping[str, str] = MappingProxyType({}),
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """Return the SHA-256 of a training of 196-64-32-10 on 1,030 images, four epochs.

    Args:
        dtype: of the network.
        momentum: μ.
        rotated: inputs that a rotation makes of the pixels; 0 standardises the pixels themselves.
        functions: the network's, where they are not the lecture's.
        settings: of the training, likewise.
    """
    rng = generator(0, "noise", 1)
    (pixels, labels), (unseen, answers) = images(1030, rng), images(200, rng)
    preprocessor = fit(pixels, method="standardise").map
    if rotated:  # not a fitted one, which LAPACK computes
        rotation = generator(0, "noise", 2).normal(size=(196, rotated)) / 14
        preprocessor = dataclasses.replace(preprocessor, matrix=rotation)
    Y = np.eye(10, dtype=np.uint8)
    rng = generator(0, "initialisation")
    network = initialise(architecture(64, 32, **functions), rotated or 196, 10, rng, dtype)
    epochs = train(
        Start(0, network, None),
        Examples(inputs_of(preprocessor, pixels, dtype, rare=RARE), Y[labels], labels),
        Examples(inputs_of(preprocessor, unseen, dtype), Y[answers], answers),
        training(**SETTINGS, **{"dtype": dtype, "momentum": momentum, **settings}),
        seed=0,
        descent=COMPILED,
    )
    digest = sha256()
    for epoch in epochs:
        assert epoch.number < 4 or epoch.validation.accuracy > (0.4 if rotated else 0.7), (
            epoch.validation
        )
        digest.update(np.array([*epoch.train, *epoch.validation]).tobytes())
        for layer in (*epoch.network.layers, *epoch.velocity):
            digest.update(layer.W.tobytes() + layer.b.tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    print(f"vectors of {machine().vector_bytes} bytes", file=sys.stderr)
    for precision, momentum in (("float32", 0.0), ("float32", 0.9), ("float64", 0.9)):
        print(small_training(precision, momentum))
    # The last vector of a row is nearly full, or half full, depending on the CPU.
    print(small_training("float32", 0.0, rotated=39))
    for precision, momentum in (("float32", 0.0), ("float64", 0.9)):
        print(small_training(precision, momentum, functions=OTHERS, settings=DECAYED))
    for precision in ("float32", "float64"):
        print(canary(precision))

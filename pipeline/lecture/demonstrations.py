"""Compute the data of the lecture's figures, and draw them."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.data.onehot import one_hot
from pipeline.data.preprocessing import fit
from pipeline.lecture import cloud, cosine, figures, perceptron
from pipeline.network.activations import ACTIVATIONS
from pipeline.network.costs import cross_entropy_gradient
from pipeline.network.dense import backward, forward, initialise
from pipeline.network.randomness import generator
from pipeline.network.settings import Architecture

DIGITS = 8  # as in the lecture's first figure
# The network whose gradients are drawn.
NETWORK = Architecture(
    hidden=[256, 128],
    activation="relu",
    output="sigmoid",
    weights="he_normal",
    weight_limit=1.0,
    biases="zeros",
)
LAYER_SHAPES = ((16, 16), (16, 8))


def without_data() -> dict[str, Figure]:
    """Return the figures of functions, perceptrons, the cosine and the cloud, by name."""
    X = cloud.cloud()
    return {
        "activations": figures.activations(),
        "derivatives": figures.derivatives(),
        "perceptron": figures.planes(perceptron.single("sigmoid"), "a perceptron (1), sigmoid"),
        "perceptrons": figures.planes(perceptron.array("relu"), "three perceptrons (2), ReLU"),
        "cosine": figures.cosine(*cosine.cosine(), cosine.denoise(cosine.SEEDS[0])),
        "cross_entropy": figures.cross_entropy(),
        "normalisation": figures.preprocessing(X, cloud.normalised(X), "after (20)"),
        "whitening": figures.preprocessing(X, cloud.whitened(X), "after (21), (22)"),
    }


def of_digits(
    pixels: NDArray[np.uint8], labels: NDArray[np.uint8], shape: tuple[int, int], classes: int
) -> dict[str, Figure]:
    """Return the figures of the first training images, by name.

    Args:
        pixels: raw, shape (8, n).
        labels: shape (8,).
        shape: height and width of an image.
        classes: number of classes.
    """
    encoded = one_hot(labels, classes)
    network = initialise(NETWORK, pixels.shape[1], classes, generator(0, "initialisation"))
    X = fit(pixels[:1], method="raw").map.apply(pixels[:1])
    passed = forward(network, X)
    delta = cross_entropy_gradient(
        passed.pre_activations[-1], encoded[:1].astype(np.float64), ACTIVATIONS["sigmoid"]
    )
    return {
        "digits": figures.strip(pixels.reshape(-1, *shape), labels),
        "one_hot": figures.one_hot(labels, encoded),
        "backpropagation": figures.backpropagation(
            X.reshape(shape),
            passed,
            backward(network, passed, delta),
            (*LAYER_SHAPES, (classes, 1)),
        ),
    }

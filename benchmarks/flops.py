"""How much arithmetic a training is."""

from __future__ import annotations

import itertools


def training_flops(sizes: list[int], train: int, evaluated: int, epochs: int) -> float:
    """Return the arithmetic of a seed's matrix products.

    A product with an N × n input and m outputs takes 2 N n m operations; a training step does it
    forward, for the gradient of the weights, and, behind the first layer, for that of the inputs.

    Args:
        sizes: neurons of each layer, inputs first.
        train: images trained on, an epoch.
        evaluated: images evaluated after each epoch.
        epochs: their number.
    """
    layers = [2.0 * n * m for n, m in itertools.pairwise(sizes)]
    forward = sum(layers)
    backward = 2 * forward - layers[0]
    return epochs * (train * (forward + backward) + evaluated * forward)

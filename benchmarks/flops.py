"""Count the arithmetic of a training."""

from __future__ import annotations

import itertools


def training_flops(sizes: list[int], train: int, evaluated: int, epochs: int) -> float:
    """Return the number of operations in the matrix products of one seed.

    A product of an N × n input with m outputs takes 2 N n m operations. A training step computes
    it forward, for the gradient of the weights, and, except in the first layer, for that of the
    inputs.

    Args:
        sizes: neurons of each layer, inputs first.
        train: images trained on per epoch.
        evaluated: images evaluated after each epoch.
        epochs: number of epochs.
    """
    layers = [2.0 * n * m for n, m in itertools.pairwise(sizes)]
    forward = sum(layers)
    backward = 2 * forward - layers[0]
    return epochs * (train * (forward + backward) + evaluated * forward)

"""What is measured of a network after every epoch.

Convention: as in `descent_in_place`, outputs are written into buffers made once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.network.activations import ACTIVATIONS
from pipeline.network.costs import COSTS
from pipeline.network.dense import Network
from pipeline.network.descent_in_place import forward_in_place
from pipeline.network.first_layer import FirstLayer
from pipeline.network.inputs import Examples

# Rows evaluated at once: large enough for the products to run at the machine's peak. Part of
# every result, since the size of a product can change its last bits.
EVALUATION_ROWS = 1000


class Score(NamedTuple):
    """Mean cost and share of samples whose largest output is the right one."""

    loss: float
    accuracy: float


def score(network: Network, examples: Examples, cost: str) -> Score:
    """Return the mean cost and the accuracy over all examples.

    Args:
        network: in the examples' dtype.
        examples: what it is asked.
        cost: a name in `COSTS`.
    """
    Wt = [np.ascontiguousarray(layer.W.T) for layer in network.layers]
    b = [layer.b for layer in network.layers]
    f = ACTIVATIONS[network.activations[-1]]
    first = FirstLayer(examples.inputs, Wt[0], b[0])
    room = [np.empty((EVALUATION_ROWS, len(bias)), bias.dtype) for bias in b]
    loss, right = 0.0, 0
    for batch in examples.inputs.batches(EVALUATION_ROWS):
        H = [each[: len(batch.E)] for each in room]
        first.forward(batch, H[0])
        forward_in_place(Wt, b, network.activations, H)
        values = COSTS[cost].value(H[-1], examples.Y[batch.rows], f)
        loss += float(np.sum(values, dtype=np.float64))
        # Activation functions rise, so the largest pre-activation is the largest output.
        right += int(np.count_nonzero(H[-1].argmax(axis=1) == examples.labels[batch.rows]))
    return Score(loss / len(examples.Y), right / len(examples.Y))

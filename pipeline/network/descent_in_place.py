"""The fast path: the arithmetic of `dense` and `descent` with buffers that are reused.

Convention: everything here overwrites; nothing is returned that a later step would change.
What makes it fast: weights lie transposed, (n, m), so that every product reads along rows; the
step size, 1/b and the sign of descent are folded into the output error, so that products give the
step itself; every operation writes into a buffer made once; and the first layer multiplies few of
the pixels that are empty, by `first_layer`. A test holds it to the readable version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.network.activations import ACTIVATIONS, Array
from pipeline.network.costs import COSTS
from pipeline.network.dense import Layer, Network
from pipeline.network.first_layer import FirstLayer
from pipeline.network.inputs import Examples, Indices


def forward_in_place(
    Wt: Sequence[Array], b: Sequence[Array], activations: Sequence[str], H: Sequence[Array]
) -> None:
    """Turn the first layer's pre-activations into the outputs of all layers but the last.

    Args:
        Wt: every layer's weights, transposed.
        b: its biases.
        activations: its name in `ACTIVATIONS`.
        H: room for its outputs, shape (b, m); the first layer's H_bar is there, and the last
            layer's stays H_bar.
    """
    for index in range(1, len(H)):
        X = H[index - 1]
        if activations[index - 1] == "relu":
            # A row of zeros is compared several times as fast as the number.
            np.maximum(X, np.zeros(X.shape[1], X.dtype), out=X)
        else:
            np.copyto(X, ACTIVATIONS[activations[index - 1]].function(X))
        np.matmul(X, Wt[index], out=H[index])
        np.add(H[index], b[index], out=H[index])


class DescentInPlace:
    """A network that trains in place.

    Args:
        network: where to start; copied.
        cost: a name in `COSTS`.
        batch_size: the largest batch.
        momentum: μ of `pipeline.network.descent.descend`.
        velocity: V to go on with; None is zero.
    """

    def __init__(
        self,
        network: Network,
        *,
        cost: str,
        batch_size: int,
        momentum: float = 0.0,
        velocity: tuple[Layer, ...] | None = None,
    ) -> None:
        self._activations = network.activations
        self._cost = cost
        self._batch_size = batch_size
        self._momentum = momentum
        self._Wt, self._b = _transposed(network.layers)
        if velocity is None:
            self._V_Wt = [np.zeros_like(Wt) for Wt in self._Wt]
            self._V_b = [np.zeros_like(b) for b in self._b]
        else:
            self._V_Wt, self._V_b = _transposed(velocity)
        # The first layer's steps are its own: see `first_layer`.
        self._dWt = [np.empty_like(Wt) for Wt in self._Wt]
        self._db = [np.empty_like(b) for b in self._b]
        self._dtype = self._b[0].dtype
        self._closed = False
        # A product with them sums rows, faster than np.sum.
        self._ones = np.ones(batch_size, self._dtype)
        shapes = [(batch_size, len(b)) for b in self._b]
        self._room = _Room(
            H=[np.empty(shape, self._dtype) for shape in shapes],
            delta=[np.empty(shape, self._dtype) for shape in shapes],
            masks=[np.empty(shape, np.bool_) for shape in shapes],
        )

    @property
    def network(self) -> Network:
        """The network as it is now, copied."""
        return Network(_layers(self._Wt, self._b), self._activations)

    @property
    def velocity(self) -> tuple[Layer, ...]:
        """The last step, copied: V of `pipeline.network.descent.descend`."""
        return _layers(self._V_Wt, self._V_b)

    def epoch(self, examples: Examples, order: Indices, learning_rate: float) -> None:
        """Descend once through all examples.

        Args:
            examples: N of them.
            order: in which order they are taken, shape (N,).
            learning_rate: ε of (17).
        """
        W, b = self._Wt[0], self._b[0]
        velocity = (self._V_Wt[0], self._V_b[0]) if self._momentum else None
        first = FirstLayer(examples.inputs, W, b, momentum=self._momentum, velocity=velocity)
        Y = examples.Y[order]
        for batch in examples.inputs.batches(self._batch_size, order):
            room = self._room.first(len(batch.E))
            first.forward(batch, room.H[0])
            forward_in_place(self._Wt, self._b, self._activations, room.H)
            self._backward(room, Y[batch.rows], learning_rate)
            first.descend(batch, room.delta[0])
            if self._closed:
                return
        first.store(W, b, velocity)

    def close(self) -> None:
        """Have an epoch that another thread runs end after its current step; the last one."""
        self._closed = True

    def _backward(self, room: _Room, Y: Array, learning_rate: float) -> None:
        """Find every layer's error, −ε / b δH_bar, and move all layers but the first."""
        f = ACTIVATIONS[self._activations[-1]]
        gradient = COSTS[self._cost].gradient(room.H[-1], Y, f)
        np.multiply(gradient, self._dtype.type(-learning_rate / len(Y)), out=room.delta[-1])
        for index in reversed(range(1, len(self._Wt))):
            X, delta = room.H[index - 1], room.delta[index]
            np.matmul(X.T, delta, out=self._dWt[index])
            np.matmul(self._ones[: len(delta)], delta, out=self._db[index])
            # Before this layer's weights move.
            np.matmul(delta, self._Wt[index].T, out=room.delta[index - 1])
            self._through_activation(room, index - 1)
            self._move(index)

    def _through_activation(self, room: _Room, index: int) -> None:
        """Multiply Δ by f', from f's own values: H > 0 for ReLU, (14); h (1 − h) for σ, (13)."""
        name, H, delta = self._activations[index], room.H[index], room.delta[index]
        if name == "relu":
            np.greater(H, 0, out=room.masks[index])
            np.multiply(delta, room.masks[index], out=delta)
        elif name == "sigmoid":
            np.multiply(delta, H * (1 - H), out=delta)

    def _move(self, index: int) -> None:
        parameters = (self._Wt[index], self._b[index])
        steps = (self._dWt[index], self._db[index])
        if self._momentum:
            V = (self._V_Wt[index], self._V_b[index])
            for velocity, step in zip(V, steps, strict=True):
                np.multiply(velocity, self._dtype.type(self._momentum), out=velocity)
                np.add(velocity, step, out=velocity)
            steps = V
        for parameter, step in zip(parameters, steps, strict=True):
            np.add(parameter, step, out=parameter)


class _Room(NamedTuple):
    """Room for a batch: each layer's outputs, errors and masks."""

    H: list[Array]
    delta: list[Array]
    masks: list[NDArray[np.bool_]]

    def first(self, rows: int) -> _Room:
        """Return the same room for its first `rows` samples."""
        if rows == len(self.H[0]):
            return self
        return _Room(
            [H[:rows] for H in self.H],
            [delta[:rows] for delta in self.delta],
            [mask[:rows] for mask in self.masks],
        )


def _transposed(layers: tuple[Layer, ...]) -> tuple[list[Array], list[Array]]:
    return [np.ascontiguousarray(each.W.T) for each in layers], [each.b.copy() for each in layers]


def _layers(Wt: list[Array], b: list[Array]) -> tuple[Layer, ...]:
    pairs = zip(Wt, b, strict=True)
    return tuple(Layer(np.ascontiguousarray(each.T), bias.copy()) for each, bias in pairs)

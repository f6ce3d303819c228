"""The fast path: the arithmetic of `dense` and `descent` with buffers that are reused.

Convention: everything here overwrites; nothing is returned that a later step would change.
What makes it fast: weights lie transposed, (n, m), so that every product reads along rows; the
step size and 1/b are folded into the output error, so that products give the step itself; every
operation writes into a buffer made once; and the first layer leaves out what is empty in all of
a batch, by `first_layer`. A test holds it to the readable version.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.network.activations import ACTIVATIONS, Array
from pipeline.network.costs import COSTS
from pipeline.network.dense import Layer, Network
from pipeline.network.first_layer import FirstLayer
from pipeline.network.inputs import EVALUATION_ROWS, Examples, Indices


class Score(NamedTuple):
    """Mean cost and share of samples whose largest output is the right one."""

    loss: float
    accuracy: float


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
        self._momentum = momentum
        self._Wt = [np.ascontiguousarray(layer.W.T) for layer in network.layers]
        self._b = [layer.b.copy() for layer in network.layers]
        if velocity is None:
            self._V_Wt = [np.zeros_like(Wt) for Wt in self._Wt]
            self._V_b = [np.zeros_like(b) for b in self._b]
        else:
            self._V_Wt = [np.ascontiguousarray(layer.W.T) for layer in velocity]
            self._V_b = [layer.b.copy() for layer in velocity]
        # The first layer's steps are its own: see `first_layer`.
        self._dWt = [np.empty_like(Wt) for Wt in self._Wt]
        self._db = [np.empty_like(b) for b in self._b]
        # A row of them is compared several times as fast as the number.
        self._zeros = [np.zeros_like(b) for b in self._b]
        self._dtype = self._b[0].dtype
        self._batch = self._buffers(batch_size)
        self._evaluation = self._buffers(EVALUATION_ROWS)

    def _buffers(self, rows: int) -> _Buffers:
        widths = [len(b) for b in self._b]
        return _Buffers(
            Y=np.empty((rows, widths[-1]), self._dtype),
            H=[np.empty((rows, width), self._dtype) for width in widths],
            delta=[np.empty((rows, width), self._dtype) for width in widths],
            masks=[np.empty((rows, width), np.bool_) for width in widths],
        )

    @property
    def network(self) -> Network:
        """The network as it is now, copied."""
        layers = zip(self._Wt, self._b, strict=True)
        return Network(
            tuple(Layer(np.ascontiguousarray(Wt.T), b.copy()) for Wt, b in layers),
            self._activations,
        )

    @property
    def velocity(self) -> tuple[Layer, ...]:
        """The last step, copied: V of `pipeline.network.descent.descend`."""
        layers = zip(self._V_Wt, self._V_b, strict=True)
        return tuple(Layer(np.ascontiguousarray(Wt.T), b.copy()) for Wt, b in layers)

    def epoch(self, examples: Examples, order: Indices, learning_rate: float) -> None:
        """Descend once through all examples.

        Args:
            examples: N of them.
            order: in which order they are taken, shape (N,).
            learning_rate: ε of (17).
        """
        rows = len(self._batch.Y)
        W, b, velocity = self._Wt[0], self._b[0], (self._V_Wt[0], self._V_b[0])
        first = FirstLayer(
            examples.inputs, W, b, batch_size=rows, momentum=self._momentum, velocity=velocity
        )
        for start in range(0, len(order), rows):
            indices = order[start : start + rows]
            batch = self._batch.first(len(indices))
            np.take(examples.Y, indices, axis=0, out=batch.Y, mode="clip")
            first.forward(indices, batch.H[0])
            self._forward(batch)
            self._backward(batch, learning_rate)
            first.descend(batch.delta[0])
        first.store(W, b, velocity)

    def score(self, examples: Examples) -> Score:
        """Return the mean cost and the accuracy over all examples."""
        inputs, Y, labels = examples
        f = ACTIVATIONS[self._activations[-1]]
        W, b = self._Wt[0], self._b[0]
        c = inputs.empty @ W + b  # an empty image's pre-activations: see `first_layer`
        loss, right = 0.0, 0
        for block in inputs.blocks():
            room = self._evaluation.first(len(block.rows))
            np.matmul(block.E, W[block.features], out=room.H[0])
            np.add(room.H[0], c, out=room.H[0])
            self._forward(room)
            H_bar = room.H[-1]
            values = COSTS[self._cost].value(H_bar, Y[block.rows], f)
            loss += float(np.sum(values, dtype=np.float64))
            # Activation functions rise, so the largest pre-activation is the largest output.
            right += int(np.count_nonzero(H_bar.argmax(axis=1) == labels[block.rows]))
        return Score(loss / len(Y), right / len(Y))

    def _forward(self, batch: _Buffers) -> None:
        """Turn the first layer's pre-activations into every layer's outputs.

        The last layer's stay as they are before its activation.
        """
        for index in range(1, len(self._Wt)):
            X, H = batch.H[index - 1], batch.H[index]
            self._activate(index - 1, X)
            np.matmul(X, self._Wt[index], out=H)
            np.add(H, self._b[index], out=H)

    def _activate(self, index: int, H: Array) -> None:
        name = self._activations[index]
        if name == "relu":
            np.maximum(H, self._zeros[index], out=H)
        else:
            np.copyto(H, ACTIVATIONS[name].function(H))

    def _backward(self, batch: _Buffers, learning_rate: float) -> None:
        """Find every layer's error, ε / b δH_bar, and move all layers but the first."""
        f = ACTIVATIONS[self._activations[-1]]
        gradient = COSTS[self._cost].gradient(batch.H[-1], batch.Y, f)
        np.multiply(gradient, self._dtype.type(learning_rate / len(batch.Y)), out=batch.delta[-1])
        for index in reversed(range(1, len(self._Wt))):
            X, delta = batch.H[index - 1], batch.delta[index]
            np.matmul(X.T, delta, out=self._dWt[index])
            np.sum(delta, axis=0, out=self._db[index])
            # Before this layer's weights move.
            np.matmul(delta, self._Wt[index].T, out=batch.delta[index - 1])
            self._through_activation(batch, index - 1)
            self._move(index)

    def _through_activation(self, batch: _Buffers, index: int) -> None:
        """Multiply Δ by f', from f's own values: H > 0 for ReLU, (14); h (1 − h) for σ, (13)."""
        name, H, delta = self._activations[index], batch.H[index], batch.delta[index]
        if name == "relu":
            np.greater(H, 0, out=batch.masks[index])
            np.multiply(delta, batch.masks[index], out=delta)
        elif name == "sigmoid":
            np.multiply(delta, H * (1 - H), out=delta)

    def _move(self, index: int) -> None:
        if self._momentum:
            for V, step in (
                (self._V_Wt[index], self._dWt[index]),
                (self._V_b[index], self._db[index]),
            ):
                np.multiply(V, self._dtype.type(self._momentum), out=V)
                np.subtract(V, step, out=V)
            np.add(self._Wt[index], self._V_Wt[index], out=self._Wt[index])
            np.add(self._b[index], self._V_b[index], out=self._b[index])
        else:
            np.subtract(self._Wt[index], self._dWt[index], out=self._Wt[index])
            np.subtract(self._b[index], self._db[index], out=self._b[index])


class _Buffers(NamedTuple):
    """Room for a batch: labels, and each layer's outputs, errors and masks."""

    Y: Array
    H: list[Array]
    delta: list[Array]
    masks: list[NDArray[np.bool_]]

    def first(self, rows: int) -> _Buffers:
        """Return the same room for its first `rows` samples."""
        if rows == len(self.Y):
            return self
        return _Buffers(
            self.Y[:rows],
            [H[:rows] for H in self.H],
            [delta[:rows] for delta in self.delta],
            [mask[:rows] for mask in self.masks],
        )

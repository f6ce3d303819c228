"""The fast path: the arithmetic of `dense` and `descent` with buffers that are reused.

Convention: everything here overwrites; nothing is returned that a later step would change.
What makes it fast: weights lie transposed, (n, m), so that every product reads along rows; the
step size and 1/b are folded into the output error, so that products give the step itself; every
operation writes into a buffer made once. A test holds it to the readable version.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.network.activations import ACTIVATIONS, Array
from pipeline.network.costs import COSTS
from pipeline.network.dense import Layer, Network
from pipeline.network.inputs import Inputs

# Rows evaluated at once: large enough for the products to run at the machine's peak. Part of
# every result, since the size of a product can change its last bits.
EVALUATION_ROWS = 1000


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
        self._dWt = [np.empty_like(Wt) for Wt in self._Wt]
        self._db = [np.empty_like(b) for b in self._b]
        self._dtype = self._b[0].dtype
        self._batch = self._buffers(batch_size)
        self._evaluation = self._buffers(EVALUATION_ROWS)

    def _buffers(self, rows: int) -> _Buffers:
        inputs = self._Wt[0].shape[0]
        widths = [len(b) for b in self._b]
        return _Buffers(
            X=np.empty((rows, inputs), self._dtype),
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

    def epoch(
        self, inputs: Inputs, Y: Array, order: NDArray[np.integer[Any]], learning_rate: float
    ) -> None:
        """Descend once through all samples.

        Args:
            inputs: N inputs.
            Y: one-hot labels, shape (N, m).
            order: in which order samples are taken, shape (N,).
            learning_rate: ε of (17).
        """
        rows = len(self._batch.X)
        for start in range(0, len(order), rows):
            indices = order[start : start + rows]
            batch = self._batch.first(len(indices))
            inputs.take(indices, batch.X)
            np.take(Y, indices, axis=0, out=batch.Y, mode="clip")
            self._step(batch, learning_rate)

    def score(self, inputs: Inputs, Y: Array, labels: NDArray[np.integer[Any]]) -> Score:
        """Return the mean cost and the accuracy over all inputs.

        Args:
            inputs: N inputs.
            Y: one-hot labels, shape (N, m).
            labels: the same as numbers, shape (N,).
        """
        f = ACTIVATIONS[self._activations[-1]]
        loss, right = 0.0, 0
        for start in range(0, len(Y), EVALUATION_ROWS):
            rows = slice(start, min(start + EVALUATION_ROWS, len(Y)))
            block = self._evaluation.first(rows.stop - rows.start)
            inputs.block(start, block.X)
            self._forward(block)
            H_bar = block.H[-1]
            values = COSTS[self._cost].value(H_bar, Y[rows], f)
            loss += float(np.sum(values, dtype=np.float64))
            # Activation functions rise, so the largest pre-activation is the largest output.
            right += int(np.count_nonzero(H_bar.argmax(axis=1) == labels[rows]))
        return Score(loss / len(Y), right / len(Y))

    def _forward(self, batch: _Buffers) -> None:
        """Fill H with every layer's outputs, the last layer's before its activation."""
        X = batch.X
        last = len(self._Wt) - 1
        for index, (Wt, b, H) in enumerate(zip(self._Wt, self._b, batch.H, strict=True)):
            np.matmul(X, Wt, out=H)
            np.add(H, b, out=H)
            if index < last:
                self._activate(self._activations[index], H)
            X = H

    @staticmethod
    def _activate(name: str, H: Array) -> None:
        if name == "relu":
            np.maximum(H, 0, out=H)
        else:
            np.copyto(H, ACTIVATIONS[name].function(H))

    def _step(self, batch: _Buffers, learning_rate: float) -> None:
        self._forward(batch)
        f = ACTIVATIONS[self._activations[-1]]
        gradient = COSTS[self._cost].gradient(batch.H[-1], batch.Y, f)
        np.multiply(gradient, self._dtype.type(learning_rate / len(batch.X)), out=batch.delta[-1])
        for index in reversed(range(len(self._Wt))):
            delta = batch.delta[index]
            X = batch.H[index - 1] if index else batch.X
            np.matmul(X.T, delta, out=self._dWt[index])
            np.sum(delta, axis=0, out=self._db[index])
            if index:  # before this layer's weights move
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
    """Room for a batch: inputs, labels, and each layer's outputs, errors and masks."""

    X: Array
    Y: Array
    H: list[Array]
    delta: list[Array]
    masks: list[NDArray[np.bool_]]

    def first(self, rows: int) -> _Buffers:
        """Return the same room for its first `rows` samples."""
        if rows == len(self.X):
            return self
        return _Buffers(
            self.X[:rows],
            self.Y[:rows],
            [H[:rows] for H in self.H],
            [delta[:rows] for delta in self.delta],
            [mask[:rows] for mask in self.masks],
        )

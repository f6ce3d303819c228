"""The first layer on inputs that are mostly empty: the steps of `dense`, in fewer products.

Written as x = z + e, as in `inputs`, equation (2) reads W x + b = W e + c, where c = W z + b is
what an empty image gives. A step (17) along (5), with g = ε / b δH_bar of a batch,

    W ← W − Σ g xᵀ = W − Σ g eᵀ − (Σ g) zᵀ    and    b ← b − Σ g

moves all of W only by its last term, and that as b moves. So U = W − b zᵀ moves in the columns
alone in which e is not empty, and the layer is one product, of [e, e·z, 1] with [U, b, c]:

    W x + b = U e + b (e·z) + c
    U ← U − Σ g eᵀ,    b ← b − Σ g,    c ← c − Σ g (e·z) − (1 + z·z) Σ g

Convention: as in `descent_in_place`, everything overwrites, and weights lie transposed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.network.activations import Array
from pipeline.network.inputs import Indices, Inputs


class _Rows(NamedTuple):
    """U of the frequent features, b and c, then room for what of U is read now; the rest of U."""

    near: Array
    rare: Array


class FirstLayer:
    """W and b while they train, as U, b and c; `store` makes them W and b again.

    Args:
        inputs: what to train on.
        W: transposed, shape (n, m).
        b: shape (m,).
        batch_size: the largest batch.
        momentum: μ of `pipeline.network.descent.descend`.
        velocity: V of W, transposed, and of b; they move like W and b, so the same holds of them.
    """

    def __init__(
        self,
        inputs: Inputs,
        W: Array,
        b: Array,
        *,
        batch_size: int,
        momentum: float,
        velocity: tuple[Array, Array],
    ) -> None:
        self._inputs = inputs
        self._f = inputs.frequent
        self._momentum = momentum
        self._E = np.empty((batch_size, len(W) + 2), W.dtype)
        self._steps = np.empty((len(W) + 2, len(b)), W.dtype)
        z = inputs.empty
        # Turns Σ g (e·z) and Σ g into the steps of b and c.
        self._mix = np.array([[0, 1], [1, 1 + z @ z]], W.dtype)
        self._now = self._rows(W, b)
        self._velocity = self._rows(*velocity)

    def _rows(self, W: Array, b: Array) -> _Rows:
        z, f = self._inputs.empty, self._f
        near = np.empty_like(self._steps)
        U = (W - np.outer(z, b))[self._inputs.features]
        near[:f], near[f], near[f + 1] = U[:f], b, z @ W + b
        return _Rows(near, U[f:])

    def store(self, W: Array, b: Array, velocity: tuple[Array, Array]) -> None:
        """Fill W, b and V with what they have become."""
        f = self._f
        for rows, (to_W, to_b) in ((self._now, (W, b)), (self._velocity, velocity)):
            to_b[:] = rows.near[f]
            to_W[self._inputs.features] = np.concatenate([rows.near[:f], rows.rare])
            to_W += np.outer(self._inputs.empty, to_b)

    def forward(self, indices: Indices, H_bar: Array) -> None:
        """Fill H_bar of shape (b, m) with equation (2) of the inputs at `indices`."""
        E, near = self._E[: len(indices)], self._now.near
        self._read = rare = self._inputs.take(indices, E)
        k = self._f + 2 + len(rare)
        np.take(self._now.rare, rare, axis=0, out=near[self._f + 2 : k], mode="clip")
        self._product = E[:, :k]
        np.matmul(self._product, near[:k], out=H_bar)

    def descend(self, G: Array) -> None:
        """Take the step (17) on the inputs last read.

        Args:
            G: ε / b δH_bar of each of them, shape (b, m).
        """
        rare, f, k = self._read, self._f, self._product.shape[1]
        near, steps = self._now.near, self._steps[:k]
        np.matmul(self._product.T, G, out=steps)
        steps[f : f + 2] = self._mix @ steps[f : f + 2]
        if self._momentum:
            V = self._velocity
            for velocity in V:
                np.multiply(velocity, velocity.dtype.type(self._momentum), out=velocity)
            V.near[: f + 2] -= steps[: f + 2]
            V.rare[rare] -= steps[f + 2 :]
            near[: f + 2] += V.near[: f + 2]
            np.add(self._now.rare, V.rare, out=self._now.rare)
        else:
            np.subtract(near[:k], steps, out=near[:k])
            self._now.rare[rare] = near[f + 2 : k]

"""The first layer on inputs that are mostly empty: the steps of `dense`, in fewer products.

Written as x = z + e, as in `inputs`, equation (2) reads W x + b = W e + c, where c = W z + b is
what an empty image gives. A step (17) along (5), with g = −ε / b δH_bar of a batch,

    W ← W + Σ g xᵀ = W + Σ g eᵀ + (Σ g) zᵀ    and    b ← b + Σ g

moves all of W only by its last term, and that as b moves. So U = W − b zᵀ moves in the columns
alone in which e is not empty, and the layer is one product, of [e, e·z, 1] with [U, b, c]:

    W x + b = U e + b (e·z) + c
    U ← U + Σ g eᵀ,    b ← b + Σ g,    c ← c + Σ g (e·z) + (1 + z·z) Σ g

Of the rare features e is sparse, so their part of U e and Σ g eᵀ takes no product at all.

Convention: as in `descent_in_place`, everything overwrites, and weights lie transposed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.network.activations import Array
from pipeline.network.inputs import Batch, Inputs


class _Rows(NamedTuple):
    """U of the frequent features, b and c, shape (f + 2, m); U of the rare ones, (n − f, m)."""

    near: Array
    rare: Array


class FirstLayer:
    """W and b as U, b and c, until `store` makes them W and b again.

    Args:
        inputs: what the layer will read.
        W: transposed, shape (n, m).
        b: shape (m,).
        momentum: μ of `pipeline.network.descent.descend`.
        velocity: V of W, transposed, and of b, if there is momentum. They move like W and b, so
            what holds of W and b holds of them.
    """

    def __init__(
        self,
        inputs: Inputs,
        W: Array,
        b: Array,
        *,
        momentum: float = 0.0,
        velocity: tuple[Array, Array] | None = None,
    ) -> None:
        self._inputs = inputs
        self._now = self._rows(W, b)
        self._momentum = momentum
        self._velocity = None if velocity is None else self._rows(*velocity)
        self._steps = np.empty_like(self._now.near)
        z = inputs.empty
        # Turns Σ g (e·z) and Σ g into the steps of b and c.
        self._mix = np.array([[0, 1], [1, 1 + z @ z]], W.dtype)

    def _rows(self, W: Array, b: Array) -> _Rows:
        z, f = self._inputs.empty, self._inputs.frequent
        U = (W - np.outer(z, b))[self._inputs.features]
        return _Rows(np.concatenate([U[:f], [b, z @ W + b]]), U[f:])

    def _store(self, rows: _Rows, W: Array, b: Array) -> None:
        f = self._inputs.frequent
        b[:] = rows.near[f]
        W[self._inputs.features] = np.concatenate([rows.near[:f], rows.rare])
        W += np.outer(self._inputs.empty, b)

    def store(self, W: Array, b: Array, velocity: tuple[Array, Array] | None = None) -> None:
        """Fill W, b and, if there is momentum, V with what they have become."""
        self._store(self._now, W, b)
        if self._velocity is not None and velocity is not None:
            self._store(self._velocity, *velocity)

    def forward(self, batch: Batch, H_bar: Array) -> None:
        """Fill H_bar of shape (b, m) with equation (2) of a batch."""
        np.matmul(batch.E, self._now.near, out=H_bar)
        batch.rare.add_product(self._now.rare, H_bar)

    def descend(self, batch: Batch, G: Array) -> None:
        """Take the step (17) on a batch.

        Args:
            batch: the inputs.
            G: −ε / b δH_bar of each of them, shape (b, m).
        """
        f, steps = self._inputs.frequent, self._steps
        np.matmul(batch.E.T, G, out=steps)
        steps[f:] = self._mix @ steps[f:]
        now, V = self._now, self._velocity
        if V is None:
            np.add(now.near, steps, out=now.near)
            batch.rare.add_transposed_product(G, now.rare)
        else:
            for velocity in V:
                np.multiply(velocity, velocity.dtype.type(self._momentum), out=velocity)
            np.add(V.near, steps, out=V.near)
            batch.rare.add_transposed_product(G, V.rare)
            for weights, velocity in zip(now, V, strict=True):
                np.add(weights, velocity, out=weights)

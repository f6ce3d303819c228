"""The lecture's cloud of 500 points, before and after normalisation (20) or whitening (21), (22).

Convention: X has one row per point, shape (500, 2).
"""

from __future__ import annotations

import numpy as np

from pipeline.data.preprocessing import fit
from pipeline.network.activations import Array
from pipeline.network.randomness import generator

POINTS = 500
STRETCH = 4.0
TURN = -0.5  # radians
CENTRE = (-5.0, 5.0)
EPSILON = 1e-8


def cloud(seed: int = 0) -> Array:
    """Return normal points, scaled by ½ and 2 along the axes, rotated and shifted."""
    X = 0.5 * generator(seed, "noise").normal(size=(POINTS, 2)) * (1.0, STRETCH)
    cos, sin = np.cos(TURN), np.sin(TURN)
    # Rows are points, so the transposed rotation multiplies from the right.
    return X @ np.array([[cos, -sin], [sin, cos]]).T + CENTRE


def normalised(X: Array) -> Array:
    """Return the cloud after (20), with the mean and deviation of each axis."""
    return fit(X, method="standardise", statistics="per_feature").map.apply(X)


def whitened(X: Array) -> Array:
    """Return the cloud after (21) and (22), on its principal axes as in the lecture's figure."""
    return fit(X, method="whiten", rotation="pca", epsilon=EPSILON).map.apply(X)

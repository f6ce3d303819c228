"""One-hot labels, equation (23)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def one_hot(labels: NDArray[np.integer[Any]], classes: int) -> NDArray[np.uint8]:
    """Return one row per label: 1 at the label's position, 0 elsewhere, equation (23).

    Args:
        labels: whole numbers from 0 to classes − 1, shape (N,).
        classes: the number of classes.

    Returns:
        Shape (N, classes).
    """
    return (labels[:, np.newaxis] == np.arange(classes)).astype(np.uint8)

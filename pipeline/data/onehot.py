"""Labels as vectors with a single one, equation (23)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def one_hot(labels: NDArray[np.integer[Any]], classes: int) -> NDArray[np.uint8]:
    """Return one row a label, one at the label's position and zero elsewhere, equation (23).

    Args:
        labels: whole numbers from 0 to classes − 1, shape (N,).
        classes: how many there are.

    Returns:
        Shape (N, classes).
    """
    return (labels[:, np.newaxis] == np.arange(classes)).astype(np.uint8)

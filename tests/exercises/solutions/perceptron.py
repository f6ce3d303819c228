"""Exercise 0 by the package's own functions."""

from typing import Any

import numpy as np

from pipeline.network.dense import Layer
from pipeline.network.dense import dense as package_dense


def perceptron(w: Any, x: Any, b: Any, f: Any) -> Any:
    return f(package_dense(Layer(w[np.newaxis], np.array([b])), x[np.newaxis])[0, 0])

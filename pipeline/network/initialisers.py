"""Random initial weights and biases.

Convention: a weight initialiser takes the shape (m, n) of W, so n is the fan-in and m the
fan-out, and a generator; it returns float64, which the caller converts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Generator = np.random.Generator


def he_normal(m: int, n: int, rng: Generator, limit: float) -> Float64:
    """Draw N(0, 2/n): He et al., Delving Deep into Rectifiers, ICCV 2015, equation (10)."""
    return rng.normal(0.0, math.sqrt(2 / n), (m, n))


def lecun_normal(m: int, n: int, rng: Generator, limit: float) -> Float64:
    """Draw N(0, 1/n): LeCun et al., Efficient BackProp, 1998, equation (16)."""
    return rng.normal(0.0, math.sqrt(1 / n), (m, n))


def glorot_uniform(m: int, n: int, rng: Generator, limit: float) -> Float64:
    """Draw U[−a, a], a = √(6 / (m + n)): Glorot and Bengio, AISTATS 2010, equation (16)."""
    a = math.sqrt(6 / (m + n))
    return rng.uniform(-a, a, (m, n))


def fan_in_uniform(m: int, n: int, rng: Generator, limit: float) -> Float64:
    """Draw U[−1/√n, 1/√n]: the common heuristic, Glorot and Bengio 2010, equation (1)."""
    a = 1 / math.sqrt(n)
    return rng.uniform(-a, a, (m, n))


def uniform(m: int, n: int, rng: Generator, limit: float) -> Float64:
    """Draw U[−limit, limit], the lecture's choice with limit = 0.1 (at equation (17))."""
    return rng.uniform(-limit, limit, (m, n))


WEIGHT_INITIALISERS: dict[str, Callable[[int, int, Generator, float], Float64]] = {
    "he_normal": he_normal,
    "lecun_normal": lecun_normal,
    "glorot_uniform": glorot_uniform,
    "fan_in_uniform": fan_in_uniform,
    "uniform": uniform,
}


def zero_biases(m: int, n: int, rng: Generator) -> Float64:
    """Return zeros of shape (m,)."""
    return np.zeros(m)


def normal_biases(m: int, n: int, rng: Generator) -> Float64:
    """Draw N(0, 1) of shape (m,)."""
    return rng.normal(0.0, 1.0, m)


def fan_in_uniform_biases(m: int, n: int, rng: Generator) -> Float64:
    """Draw U[−1/√n, 1/√n] of shape (m,)."""
    a = 1 / math.sqrt(n)
    return rng.uniform(-a, a, m)


BIAS_INITIALISERS: dict[str, Callable[[int, int, Generator], Float64]] = {
    "zeros": zero_biases,
    "normal": normal_biases,
    "fan_in_uniform": fan_in_uniform_biases,
}

"""Gradient descent (17) on problems whose path is known."""

import numpy as np
import pytest

from pipeline.network.dense import Layer, Network
from pipeline.network.descent import descend
from pipeline.network.schedules import SCHEDULES


def one_weight(w: float) -> Network:
    return Network((Layer(np.array([[w]]), np.array([0.0])),), ("identity",))


def test_a_step_goes_against_the_gradient() -> None:
    """The slide prints W + ε δW; on ½w² that would move away from the minimum."""
    gradient = (Layer(np.array([[2.0]]), np.array([0.0])),)  # of ½w² at w = 2
    network, _ = descend(one_weight(2.0), gradient, learning_rate=0.25)
    np.testing.assert_allclose(network.layers[0].W, [[1.5]])


def test_momentum_keeps_the_last_step() -> None:
    network, velocity = one_weight(0.0), None
    for _ in range(2):  # gradient 1 twice: −0.1, then 0.5·(−0.1) − 0.1
        gradient = (Layer(np.array([[1.0]]), np.array([0.0])),)
        network, velocity = descend(
            network, gradient, learning_rate=0.1, momentum=0.5, velocity=velocity
        )
    np.testing.assert_allclose(network.layers[0].W, [[-0.1 - 0.15]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", [1.0, 1.0, 1.0, 1.0]),
        ("halving", [1.0, 0.5, 0.25, 0.125]),
        ("cosine", [1.0, 0.5 + 0.5 / 2**0.5, 0.5, 0.5 - 0.5 / 2**0.5]),
    ],
)
def test_schedules(name: str, expected: list[float]) -> None:
    np.testing.assert_allclose([SCHEDULES[name](epoch, 4) for epoch in (1, 2, 3, 4)], expected)

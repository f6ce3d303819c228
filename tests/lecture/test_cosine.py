"""Denoising a cosine, (15) to (17): the network, its descent, and what it reaches."""

import numpy as np
import pytest

from pipeline.base.files import read_json
from pipeline.base.paths import Paths, find_root
from pipeline.lecture import cosine
from pipeline.network.dense import forward
from pipeline.network.randomness import generator

COMMITTED = read_json(Paths(find_root()).studies)["cosine"]


def test_the_network_is_the_slides_two_products() -> None:
    """h = σ(W x + b), y_net = W_y h, for a column x: written out, without our network."""
    network = cosine.network(0, hidden=7)
    (first, last), x = network.layers, np.linspace(-1, 1, cosine.N)
    h = 1 / (1 + np.exp(-(first.W @ x + first.b)))
    np.testing.assert_allclose(forward(network, x[np.newaxis]).outputs[0], last.W @ h)
    assert first.W.shape == (7, 200)
    assert last.W.shape == (200, 7)
    assert max(np.abs(first.W).max(), np.abs(last.W).max()) <= 0.1
    assert not last.b.any()


def test_the_descent_is_the_slides_with_a_minus() -> None:
    """Three steps with every product written out, for columns as on the slides."""
    _, y = cosine.cosine()
    found = cosine.denoise(3, hidden=4, learning_rate=0.01)
    (first, last), x = cosine.network(3, hidden=4).layers, found.noisy
    W, b, W_y, costs = first.W, first.b, last.W, []
    for _ in range(3):
        h = 1 / (1 + np.exp(-(W @ x + b)))
        delta = W_y @ h - y
        costs.append(0.5 * delta @ delta)
        delta_h = h * (1 - h) * (W_y.T @ delta)
        W_y = W_y - 0.01 * np.outer(delta, h)
        W, b = W - 0.01 * np.outer(delta_h, x), b - 0.01 * delta_h
    np.testing.assert_allclose(found.costs[:3], costs)
    assert len(found.costs) == 500


def test_noise_has_the_slides_deviation() -> None:
    _, y = cosine.cosine()
    normal = generator(3, "noise").standard_normal(200)
    np.testing.assert_allclose(cosine.denoise(3).noisy - y, 0.1 * normal, atol=1e-12)


def test_the_committed_numbers_come_back() -> None:
    found = cosine.denoise(cosine.SEEDS[0])
    committed = COMMITTED["mean_squared_error"]
    for name in ("fresh", "nothing", "noise"):
        assert getattr(found, name) == pytest.approx(committed[name]["per_seed"]["0"])
    assert found.own < 1e-25

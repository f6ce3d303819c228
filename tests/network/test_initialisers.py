"""Initialisers have the spread that their papers ask for."""

import numpy as np
import pytest

from pipeline.network.dense import initialise
from pipeline.network.initialisers import BIAS_INITIALISERS, WEIGHT_INITIALISERS
from tests.settings import architecture

M, N, LIMIT = 400, 300, 0.1
# name: standard deviation, and the bound of a uniform distribution
EXPECTED = {
    "he_normal": ((2 / N) ** 0.5, None),
    "lecun_normal": ((1 / N) ** 0.5, None),
    "glorot_uniform": ((2 / (M + N)) ** 0.5, (6 / (M + N)) ** 0.5),
    "fan_in_uniform": ((1 / (3 * N)) ** 0.5, (1 / N) ** 0.5),
    "uniform": (LIMIT / 3**0.5, LIMIT),
}


@pytest.mark.parametrize("name", WEIGHT_INITIALISERS)
def test_weights_have_the_expected_mean_spread_and_bound(name: str) -> None:
    W = WEIGHT_INITIALISERS[name](M, N, np.random.default_rng(0), LIMIT)
    deviation, bound = EXPECTED[name]
    assert W.shape == (M, N)
    # 5 standard errors: the mean's is sd/√(MN), the deviation's at most sd/√(2MN)
    assert abs(W.mean()) < 5 * deviation / (M * N) ** 0.5
    assert abs(W.std() - deviation) < 5 * deviation / (2 * M * N) ** 0.5
    if bound is not None:
        assert np.abs(W).max() <= bound


@pytest.mark.parametrize("name", BIAS_INITIALISERS)
def test_biases_have_one_entry_a_neuron(name: str) -> None:
    assert BIAS_INITIALISERS[name](M, N, np.random.default_rng(0)).shape == (M,)


def test_dtype_does_not_change_what_is_drawn() -> None:
    def draw(dtype: type) -> np.ndarray:
        rng = np.random.default_rng(5)
        network = initialise(architecture(3, biases="normal"), 4, 2, rng, dtype)
        return network.layers[1].W

    np.testing.assert_array_equal(draw(np.float32), draw(np.float64).astype(np.float32))

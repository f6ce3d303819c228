"""A score is what the readable network's outputs say."""

import numpy as np
import pytest

from pipeline.network.activations import ACTIVATIONS
from pipeline.network.costs import COSTS
from pipeline.network.dense import forward
from pipeline.network.evaluation import EVALUATION_ROWS, score
from pipeline.network.inputs import ArrayInputs, Inputs, PixelInputs
from tests.network.test_dense import small_network
from tests.network.test_descent_in_place import labelled
from tests.network.test_inputs import MAPS, applied, pixels


@pytest.mark.parametrize("hidden", ["relu", "sigmoid"])
@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("name", [None, *MAPS])
def test_a_score_is_mean_cost_and_share_of_right_answers(
    cost: str, name: str | None, hidden: str
) -> None:
    count = EVALUATION_ROWS + 17  # a full batch and a short one
    if name is None:
        X = np.random.default_rng(5).normal(size=(count, 16))
        inputs: Inputs = ArrayInputs(X)
    else:
        X, inputs = applied(name, pixels(count)), PixelInputs(pixels(count), *MAPS[name])
    examples, network = labelled(inputs), small_network(hidden, "sigmoid", (16, 4, 3, 2))
    found = score(network, examples, cost)
    passed, Y = forward(network, X), examples.Y
    expected = COSTS[cost].value(passed.pre_activations[-1], Y, ACTIVATIONS["sigmoid"]).mean()
    np.testing.assert_allclose(found.loss, expected, rtol=1e-13)
    assert found.accuracy == np.mean(passed.outputs.argmax(axis=1) == examples.labels)

"""A score is mean cost and share of right answers."""

import numpy as np

from pipeline.network.evaluation import Examples, score
from tests.settings import small_network


def test_a_score_is_the_mean_cost_over_samples_and_the_share_of_right_answers() -> None:
    """Outputs 1.5 and 0.25 of one sample, 0.5 and 2 of the other; both labels are class 0."""
    network = small_network("identity", "identity", (2, 2))
    network.layers[0].W[:], network.layers[0].b[:] = np.eye(2), 0
    X, Y = np.array([[1.5, 0.25], [0.5, 2.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    found = score(network, Examples(X, Y, np.array([0, 0])), "squared_error")
    # ½ (0.5² + 0.25²) = 0.15625 and ½ (0.5² + 2²) = 2.125
    assert found.loss == (0.15625 + 2.125) / 2
    assert found.accuracy == 0.5

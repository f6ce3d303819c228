"""An identity changes with all that changes a result, and with nothing else."""

import pytest

from pipeline.config import compose
from pipeline.paths import Paths, find_root
from pipeline.records.environment import numeric_environment, one_blas_thread
from pipeline.records.identity import configuration_identity, description, identity

PATHS = Paths(find_root())
BASE = identity(description(compose(PATHS, ["seed=0"])))


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "training.learning_rate=0.05",
        "training.epochs=11",
        "network.hidden=[256,127]",
        "preprocess.epsilon=1e-7",
        "split.seed=1",
        "data=kmnist",
    ],
)
def test_what_changes_a_result_changes_the_identity(override: str) -> None:
    assert identity(description(compose(PATHS, ["seed=0", override]))) != BASE


@pytest.mark.parametrize("override", ["study=other", "seeds=[0,7]", "tracking.uri=http://x"])
def test_what_changes_no_result_does_not(override: str) -> None:
    assert identity(description(compose(PATHS, ["seed=0", override]))) == BASE


def test_seeds_of_one_configuration_share_its_identity() -> None:
    first, second = (description(compose(PATHS, [f"seed={seed}"])) for seed in (0, 1))
    assert identity(first) != identity(second)
    assert configuration_identity(first) == configuration_identity(second)


def test_the_numeric_environment_is_read_from_what_is_loaded() -> None:
    import numpy as np
    import scipy

    with one_blas_thread():
        found = numeric_environment()
    assert (found["numpy"], found["scipy"]) == (np.__version__, scipy.__version__)
    assert [library["threads"] for library in found["blas"]] == [1]
    assert found["blas"][0]["kernel"] != "unknown"

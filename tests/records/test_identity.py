"""An identity changes with all that changes a result, and with nothing else."""

import pytest

from pipeline.config import compose, experiment, from_experiment
from pipeline.paths import Paths, find_root
from pipeline.records.environment import is_environment, numeric_environment, one_blas_thread
from pipeline.records.identity import (
    FORMAT,
    check_description,
    configuration_identity,
    description,
    identity,
)

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


@pytest.mark.parametrize("choice", ["lecture", "author", "preprocessing", "demo"])
def test_a_description_says_its_format_and_gives_its_configuration_back(choice: str) -> None:
    config = compose(PATHS, [f"experiment={choice}", "seed=5"])
    described = description(config)
    assert described["format"] == FORMAT
    assert check_description(described, "described") is described
    again = from_experiment(described["experiment"], described["seed"])
    assert experiment(again) == experiment(config)
    assert again.seed == 5


def test_the_numeric_environment_is_read_from_what_is_loaded() -> None:
    import numpy as np
    import scipy

    with one_blas_thread():
        environment = numeric_environment()
    assert is_environment(environment)
    assert (environment["numpy"], environment["scipy"]) == (np.__version__, scipy.__version__)
    assert [library["threads"] for library in environment["blas"]] == [1]
    assert environment["blas"][0]["kernel"] != "unknown"

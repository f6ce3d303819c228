"""An identity changes with all that changes a result, and with nothing else."""

import numpy as np
import pytest

from pipeline.base.config import compose, experiment, from_experiment
from pipeline.base.numerics import one_blas_thread
from pipeline.data.prepared import digests
from pipeline.data.preprocessing import AffineMap
from pipeline.data.split import SplitIndices
from pipeline.records.identity import (
    FORMAT,
    Description,
    check_description,
    description,
    grouped,
    identity,
)
from pipeline.records.provenance import numeric_environment
from tests.declared import declared
from tests.records.conftest import PREPARATION, PREPROCESSOR, SPLIT

PATHS = declared()


def described(*overrides: str, preparation: dict[str, str] = PREPARATION) -> Description:
    return description(compose(PATHS, ["seed=0", *overrides]), preparation)


BASE = identity(described())


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
    assert identity(described(override)) != BASE


@pytest.mark.parametrize(
    "override", ["study=other", "seeds=[0,7]", "tracking.uri=http://x", "data_folder=/x"]
)
def test_what_changes_no_result_does_not(override: str) -> None:
    assert identity(described(override)) == BASE


def test_seeds_of_one_configuration_are_grouped() -> None:
    words = [(seed, rate) for rate in (0.1, 0.2) for seed in (0, 1)]
    made = [described(f"seed={seed}", f"training.learning_rate={rate}") for seed, rate in words]
    assert len({identity(each) for each in made}) == 4
    assert list(grouped(made, lambda each: each["experiment"]).values()) == [made[:2], made[2:]]


def test_another_fit_or_split_is_another_identity() -> None:
    """LAPACK computes a whitening and scikit-learn draws a split: they may differ."""
    scale = np.nextafter(PREPROCESSOR.scale, 1)
    fitted = digests(SPLIT, AffineMap(PREPROCESSOR.shift, scale))
    drawn = digests(SplitIndices(SPLIT.train[:-1], SPLIT.validation), PREPROCESSOR)
    assert len({identity(described(preparation=p)) for p in (PREPARATION, fitted, drawn)}) == 3


def test_libraries_are_no_part_of_an_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another NumPy that computes the same makes the same record; the canary says whether."""
    monkeypatch.setattr(np, "__version__", "9.9.9")
    assert identity(described()) == BASE
    assert "numpy" not in str(described()).lower()


@pytest.mark.parametrize("choice", ["lecture", "author", "preprocessing", "demo"])
def test_a_description_says_its_format_and_gives_its_configuration_back(choice: str) -> None:
    config = compose(PATHS, [f"experiment={choice}", "seed=5"])
    value = description(config, PREPARATION)
    assert value["format"] == FORMAT
    assert check_description(value, "described") is value
    again = from_experiment(value["experiment"], value["seed"])
    assert experiment(again) == experiment(config)
    assert again.seed == 5


def test_the_numeric_environment_is_read_from_what_is_loaded() -> None:
    import llvmlite
    import scipy

    with one_blas_thread():
        environment = numeric_environment()
    assert environment["NumPy"] == np.__version__
    assert environment["SciPy"] == scipy.__version__
    assert environment["llvmlite"] == llvmlite.__version__
    assert environment["BLAS"].endswith(", 1 thread")
    assert environment["compiled for"]

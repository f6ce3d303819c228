"""Whole configurations, drawn at random: each trains, or says in one line why it cannot."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.base.config import compose
from pipeline.base.errors import describe
from pipeline.base.paths import Paths
from pipeline.data.preprocessing import METHODS, ROTATIONS, STATISTICS
from pipeline.network.activations import ACTIVATIONS
from pipeline.network.costs import COSTS
from pipeline.network.initialisers import BIAS_INITIALISERS, WEIGHT_INITIALISERS
from pipeline.network.schedules import SCHEDULES
from pipeline.records.record import Finished, Unfinished
from pipeline.sweep.job import train_seed
from tests.conftest import copy_of


def key(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return values.map(lambda value: f"{name}={value}")


RIGHT = [
    key("preprocess.method", st.sampled_from(sorted(METHODS))),
    key("preprocess.statistics", st.sampled_from(sorted(STATISTICS))),
    key("preprocess.rotation", st.sampled_from(sorted(ROTATIONS))),
    key("preprocess.epsilon", st.sampled_from([0, 1e-8, 0.1, 10])),
    key("network.hidden", st.lists(st.integers(1, 20), min_size=1, max_size=3)),
    key("network.activation", st.sampled_from(sorted(ACTIVATIONS))),
    key("network.weights", st.sampled_from(sorted(WEIGHT_INITIALISERS))),
    key("network.biases", st.sampled_from(sorted(BIAS_INITIALISERS))),
    key("training.batch_size", st.integers(1, 1200)),
    key("training.learning_rate", st.sampled_from([1e-6, 0.01, 0.3, 50, 1e6])),
    key("training.momentum", st.sampled_from([0, 0.5, 0.99])),
    key("training.weight_decay", st.sampled_from([0, 1e-4, 0.1, 1e6])),
    key("training.schedule", st.sampled_from(sorted(SCHEDULES))),
    key("training.dtype", st.sampled_from(["float32", "float64"])),
    key("training.cost", st.sampled_from(sorted(COSTS))),
    key("split.train", st.integers(400, 1300)),
    key("split.method", st.sampled_from(["stratified", "first"])),
]


@pytest.fixture(scope="module")
def folders(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paths]:
    """Return checkouts to train in, a fresh one each time."""
    base = tmp_path_factory.mktemp("drawn")

    def made() -> Iterator[Paths]:
        for number in itertools.count():
            checkout = copy_of(prepared_checkout, base / str(number))
            yield checkout.paths
            shutil.rmtree(checkout.paths.root)

    return made()


@given(overrides=st.lists(st.one_of(RIGHT), max_size=6, unique_by=lambda text: text.split("=")[0]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.timeout(600)
@pytest.mark.slow
def test_whatever_is_accepted_trains_or_fails_as_a_record(
    folders: Iterator[Paths], overrides: list[str]
) -> None:
    """Finite numbers and a complete record, or a record that says why; the same a second time."""
    paths = next(folders)
    try:
        config = compose(paths, [*overrides, "training.epochs=1", "seed=3"])
    except Exception as error:
        assert "\n" not in describe(error)
        return
    with np.errstate(all="ignore"):
        record = train_seed(config, paths, {})
    if isinstance(record, Unfinished):
        assert "the loss is" in str(record.failure)
    else:
        assert 0 <= record.validation_accuracy <= 1
        again = train_seed(config, paths, {})
        assert isinstance(again, Finished)
        assert again.manifest == record.manifest

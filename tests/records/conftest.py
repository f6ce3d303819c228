"""Records as training leaves them, without training."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.base.config import Config, compose
from pipeline.data.prepared import digests
from pipeline.data.preprocessing import AffineMap
from pipeline.data.split import SplitIndices
from pipeline.network.dense import Layer, Network, initialise
from pipeline.network.evaluation import Score
from pipeline.network.training import Epoch
from pipeline.records.identity import Description, description, identity
from pipeline.records.model import Model
from pipeline.records.record import Finished, Record, epoch_entry, read_finished
from tests.declared import declared
from tests.settings import architecture

SMALL = ("experiment=demo", "training.epochs=2", "network.hidden=[3]", "seed=3")
PREPROCESSOR = AffineMap(np.asarray(1.0), np.asarray(0.5))
SPLIT = SplitIndices(np.arange(5, 9, dtype=np.uint32), np.arange(5, dtype=np.uint32))
PREPARATION = digests(SPLIT, PREPROCESSOR)
ORIGIN = {"host": "mine", "studies": ["test"]}


@cache
def composed(*overrides: str) -> Config:
    return compose(declared(), [*SMALL, *overrides])


def described(*overrides: str) -> Description:
    return description(composed(*overrides), PREPARATION)


def network(seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    return initialise(architecture(3, biases="normal"), 64, 10, rng, np.float32)


def shifted(network: Network, shift: float) -> Network:
    first, *others = network.layers
    return network._replace(layers=(Layer(first.W + np.float32(shift), first.b), *others))


def epoch(number: int, trained: Network | None = None, **scores: float) -> Epoch:
    trained = trained or network(number)
    score = Score(scores.get("loss", 0.5), scores.get("accuracy", 0.75))
    return Epoch(number, 0.1, score, score, trained, trained.layers)


def model(trained: Network | None = None) -> Model:
    return Model(PREPROCESSOR, trained or network(2))


def finish(
    folder: Path,
    described: Description,
    trained: Network | None = None,
    scores: Mapping[str, float] | None = None,
) -> Finished:
    """Write a record of two epochs; the last one's network and scores as given."""
    record = Record(folder / identity(described))
    record.begin(described)
    history: list[dict[str, Any]] = []
    last = trained or network(2)
    for entry in (epoch(1), epoch(2, last, **(scores or {}))):
        history.append(epoch_entry(entry, history))
    record.save_epoch(epoch(2, last), history)
    record.finish(model(last), history, ORIGIN)
    return read_finished(record.folder)


@pytest.fixture
def finished(tmp_path: Path) -> Finished:
    return finish(tmp_path / "records", described())


Change = Callable[[Any], Any]

"""One job: train one seed of one configuration, from its record's last epoch on."""

from __future__ import annotations

import time
import traceback
from typing import Any

import numpy as np
from filelock import FileLock

from pipeline.config import Config
from pipeline.data.catalogue import DATASETS
from pipeline.data.examples import examples
from pipeline.network.dense import Network, initialise
from pipeline.network.randomness import generator
from pipeline.network.training import Diverged, Start, train
from pipeline.paths import Paths
from pipeline.records.environment import numeric_environment, one_blas_thread
from pipeline.records.identity import description, identity
from pipeline.records.model import Model
from pipeline.records.provenance import provenance
from pipeline.records.record import Record, entry
from pipeline.sweep.guard import own_name


def record_of(config: Config, paths: Paths) -> Record:
    """Return the record that training `config.seed` fills."""
    return Record(paths.records / identity(description(config)))


def train_seed(config: Config, paths: Paths) -> float | None:
    """Train `config.seed`, unless its record is complete.

    Returns:
        The last epoch's validation accuracy; None if the run failed. Which it did, and why, is
        in the record: a failing seed raises nothing, so that it takes no other down with it.
    """
    with one_blas_thread():
        record = record_of(config, paths)
        record.folder.mkdir(parents=True, exist_ok=True)
        # A worker of a sweep just killed may need a moment to notice.
        with FileLock(record.folder / ".lock"):
            complete = record.damage() is None
            record.tidy(complete=complete)
            if complete:
                _note_study(record, config.study)
                return record.validation_accuracy()
            try:
                _train(config, paths, record)
                return record.validation_accuracy()
            except Diverged as error:
                record.fail(str(error))
            except Exception as error:  # told by the launching process, once all seeds are done
                record.fail(f"{type(error).__name__}: {error}")
                record.save_origin({**record.origin(), "traceback": traceback.format_exc()})
            return None


def _note_study(record: Record, study: str) -> None:
    """Note that a finished run also belongs to another study, which trains it no second time."""
    origin = record.origin()
    if study not in origin.get("studies", []):
        record.save_origin({**origin, "studies": [*origin.get("studies", []), study]})


def _train(config: Config, paths: Paths, record: Record) -> None:
    ready = examples(config, paths)
    settings, seed = config.training, config.seed
    assert seed is not None
    resumed = record.resume()
    _, inputs = ready.train.inputs.shape
    start, history = resumed or (Start(0, first_network(config, inputs), None), [])
    record.begin(description(config))
    origin = _origin(config, paths, record, resumed=bool(history))
    record.save_origin(origin)
    network = start.network
    clock = time.perf_counter()
    for epoch in train(
        start,
        ready.train,
        ready.validation,
        seed=seed,
        cost=settings.cost,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        schedule=settings.schedule,
        momentum=settings.momentum,
    ):
        network = epoch.network
        history = [*history, entry(epoch)]
        now = time.perf_counter()
        timing = {"epoch": epoch.number, "seconds": now - clock, "ended": time.time()}
        clock = now
        origin["epochs"] = [*origin["epochs"], timing]
        record.save_origin(origin)
        record.save_epoch(epoch, history, momentum=settings.momentum > 0)
    record.finish(Model(ready.preprocessor, network), history)
    record.save_origin({**origin, "ended": time.time()})


def first_network(config: Config, inputs: int) -> Network:
    """Return the network that training `config.seed` starts from.

    Args:
        config: which network, and its seed.
        inputs: features of a preprocessed image.

    Raises:
        AssertionError: the configuration has no seed.
    """
    assert config.seed is not None
    return initialise(
        [inputs, *config.network.hidden, DATASETS[config.data.name].classes],
        generator(config.seed, "initialisation"),
        activation=config.network.activation,
        output=config.network.output,
        weights=config.network.weights,
        weight_limit=config.network.weight_limit,
        biases=config.network.biases,
        dtype=np.dtype(config.training.dtype),
    )


def _origin(config: Config, paths: Paths, record: Record, *, resumed: bool) -> dict[str, Any]:
    """Return when, where and by whom; times of epochs trained before an interruption stay."""
    before = record.origin() if resumed else {}
    done = len(record.progress()) if resumed else 0
    return {
        "studies": sorted({*before.get("studies", []), config.study}),
        "process": own_name(),
        "started": before.get("started", time.time()),
        "resumed_after": [*before.get("resumed_after", []), done] if resumed else [],
        **provenance(paths.root),
        "environment": numeric_environment(),
        "epochs": before.get("epochs", [])[:done],
    }

"""One job: train one seed of one configuration, from its record's last epoch on.

This module and all that it imports decide a result: their code is part of a run's identity. So
what decides none, such as where a run came from, is handed over and not imported.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from typing import Any

import numpy as np
from filelock import FileLock

from pipeline.base.config import Config
from pipeline.base.errors import describe
from pipeline.base.masking import masked
from pipeline.base.paths import Paths
from pipeline.data.catalogue import DATASETS
from pipeline.data.prepared import preparation
from pipeline.engine.descent import COMPILED
from pipeline.engine.examples import examples
from pipeline.network.dense import Network, initialise
from pipeline.network.randomness import generator
from pipeline.network.training import Diverged, Start, train
from pipeline.records.environment import one_blas_thread
from pipeline.records.identity import Description, description, identity
from pipeline.records.model import Model
from pipeline.records.record import (
    Finished,
    History,
    Record,
    add_origin,
    epoch_entry,
    read_record,
)


def record_of(config: Config, paths: Paths) -> Record:
    """Return the record that training `config.seed` fills."""
    return Record(paths.records / identity(description_of(config, paths)))


def description_of(config: Config, paths: Paths) -> Description:
    """Return what determines the result of training `config.seed` on the data that are here.

    Raises:
        UserError: a data file is missing or damaged.
    """
    return description(config, preparation(config, paths))


def train_seed(config: Config, paths: Paths, provenance: Mapping[str, Any]) -> float | None:
    """Train `config.seed`, unless its record is complete.

    Args:
        config: with a seed.
        paths: where data and records are.
        provenance: where the code comes from and what runs it, as the record keeps it.

    Returns:
        The last epoch's validation accuracy; None if the run failed. Which it did, and why, is
        in the record: a failing seed raises nothing, so that the others go on.
    """
    with one_blas_thread():
        record = record_of(config, paths)
        record.folder.mkdir(parents=True, exist_ok=True)
        # A worker of a sweep just killed may need a moment to notice.
        with FileLock(record.folder / ".lock"):
            record.tidy()
            state = read_record(record.folder)
            if isinstance(state, Finished):
                reuse(state, config.study)
                return state.validation_accuracy
            resumed = record.resume()
            before = state.origin if resumed else {}
            origin = _origin(config, provenance, before, len(resumed[1]) if resumed else 0)
            record.begin(description_of(config, paths))
            record.save_origin(origin)
            try:
                return _train(config, paths, record, origin, resumed)
            except Diverged as error:
                record.fail(str(error))
            except Exception as error:  # told by the launching process, once all seeds are done
                record.fail(masked(describe(error)))
                origin["traceback"] = masked(traceback.format_exc())
                record.save_origin(origin)
            return None


def reuse(record: Finished, study: str) -> None:
    """Note that a finished run also belongs to a study, which trains it no second time."""
    Record(record.folder).forget_progress()
    studies = record.origin.get("studies", [])
    if study not in studies:
        add_origin(record, {**record.origin, "studies": [*studies, study]})


def _train(
    config: Config,
    paths: Paths,
    record: Record,
    origin: dict[str, Any],
    resumed: tuple[Start, History] | None,
) -> float:
    ready = examples(config, paths)
    settings, seed = config.training, config.seed
    assert seed is not None
    _, inputs = ready.train.inputs.shape
    start, history = resumed or (Start(0, first_network(config, inputs), None), [])
    network = start.network
    clock = time.perf_counter()
    for epoch in train(
        start,
        ready.train,
        ready.validation,
        descent=COMPILED,
        seed=seed,
        cost=settings.cost,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        schedule=settings.schedule,
        momentum=settings.momentum,
    ):
        network = epoch.network
        history = [*history, epoch_entry(epoch, history)]
        now = time.perf_counter()
        timing = {"epoch": epoch.number, "seconds": now - clock, "ended": time.time()}
        clock = now
        origin["epochs"] = [*origin["epochs"], timing]
        record.save_origin(origin)
        record.save_epoch(epoch, history, momentum=settings.momentum > 0)
    record.finish(Model(ready.preprocessor, network), history, {**origin, "ended": time.time()})
    return float(history[-1]["validation"]["accuracy"])


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


def _origin(
    config: Config, provenance: Mapping[str, Any], before: Mapping[str, Any], done: int
) -> dict[str, Any]:
    """Return when, where and by whom; what `before` says of the `done` epochs stays."""
    return {
        "studies": sorted({*before.get("studies", []), config.study}),
        "started": before.get("started", time.time()),
        "resumed_after": [*before.get("resumed_after", []), done] if done else [],
        **provenance,
        "epochs": before.get("epochs", [])[:done],
    }

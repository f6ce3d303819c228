"""One job: train one seed of one configuration, from its record's last epoch on.

This module and all that it imports decide a result: their code is part of a run's identity. What
does not decide it, such as a run's provenance, is passed in and not imported.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from filelock import FileLock

from pipeline.base.config import Config
from pipeline.base.errors import describe
from pipeline.base.masking import masked
from pipeline.base.numerics import one_blas_thread
from pipeline.base.paths import Paths
from pipeline.data.catalogue import dataset_of
from pipeline.data.prepared import load
from pipeline.engine.descent import COMPILED
from pipeline.engine.examples import Ready, examples
from pipeline.network.dense import Network, initialise
from pipeline.network.randomness import generator
from pipeline.network.training import Descent, Diverged, Start, train
from pipeline.records.identity import Description, description, identity
from pipeline.records.model import Model
from pipeline.records.record import (
    Finished,
    History,
    Record,
    Unfinished,
    add_origin,
    epoch_entry,
    read_own,
    read_record,
)


def description_of(config: Config, paths: Paths) -> Description:
    """Return what determines the result of training `config.seed` on the data that are here.

    Raises:
        UserError: a data file is missing or damaged.
    """
    return description(config, load(config, paths).preparation)


def train_seed(
    config: Config, paths: Paths, provenance: Mapping[str, Any]
) -> Finished | Unfinished:
    """Train `config.seed`, unless its record is complete.

    Args:
        config: with a seed.
        paths: where data and records are.
        provenance: where the code comes from and what runs it, as the record keeps it.

    Returns:
        The record's state. If the training failed, it says why; nothing is raised, so that the
        other seeds continue.

    Raises:
        UserError: a data file is missing or damaged.
    """
    with one_blas_thread():
        described = description_of(config, paths)
        return fill(
            *(Record(paths.records / identity(described)), described, config, provenance),
            read=lambda: examples(config, paths),
            descent=COMPILED,
        )


def fill(
    record: Record,
    described: Description,
    config: Config,
    provenance: Mapping[str, Any],
    *,
    read: Callable[[], Ready],
    descent: Descent[Any],
    explain: Callable[[Exception], str] = describe,
    report: Callable[[dict[str, Any]], object] = lambda _: None,
) -> Finished | Unfinished:
    """Train from a record's last epoch on, unless it is complete; save every epoch.

    Args:
        record: its folder is named by the description's identity.
        described: what determines the result.
        config: with a seed.
        provenance: see `train_seed`.
        read: returns the data, which a complete record does not need.
        descent: how the training is computed.
        explain: describes an error in one line.
        report: called with each epoch's entry of the history.

    Returns:
        The record's state; if the training failed, it says why.
    """
    record.folder.mkdir(parents=True, exist_ok=True)
    # A worker of a killed sweep may hold the lock for another moment.
    with FileLock(record.folder / ".lock"):
        state = read_own(record.folder)
        if isinstance(state, Finished):
            reuse(state, config.study)
            return state
        start, history = record.resume()
        origin = _origin(config, provenance, state.origin if start else {}, len(history))
        record.begin(described)
        record.save_origin(origin)
        try:
            for entry in _train(record, config, origin, read(), descent, start, history):
                report(entry)
        except Diverged as error:
            record.fail(str(error))
        except Exception as error:  # reported by the launching process, once all seeds are done
            record.fail(masked(explain(error)))
            origin["traceback"] = masked(traceback.format_exc())
            record.save_origin(origin)
        return read_record(record.folder)


def reuse(record: Finished, study: str) -> None:
    """Add a study to a finished run, which is not trained again for it."""
    Record(record.folder).forget_progress()
    studies = record.origin.get("studies", [])
    if study not in studies:
        add_origin(record, {**record.origin, "studies": [*studies, study]})


def _train(
    record: Record,
    config: Config,
    origin: dict[str, Any],
    ready: Ready,
    descent: Descent[Any],
    start: Start | None,
    history: History,
) -> Iterator[dict[str, Any]]:
    """Yield each epoch's entry of the history, once it is written."""
    assert config.seed is not None
    start = start or Start(0, first_network(config, ready.inputs), None)
    network, clock = start.network, time.perf_counter()
    for epoch in train(
        *(start, ready.train, ready.validation, config.training),
        seed=config.seed,
        descent=descent,
    ):
        network = epoch.network
        history = [*history, epoch_entry(epoch, history)]
        seconds, clock = time.perf_counter() - clock, time.perf_counter()
        timing = {"epoch": epoch.number, "seconds": seconds, "ended": time.time()}
        origin["epochs"] = [*origin["epochs"], timing]
        record.save_origin(origin)
        record.save_epoch(epoch, history)
        yield history[-1]
    record.finish(Model(ready.preprocessor, network), history, {**origin, "ended": time.time()})


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
        config.network,
        inputs,
        dataset_of(config.data).classes,
        generator(config.seed, "initialisation"),
        config.training.dtype,
    )


def _origin(
    config: Config, provenance: Mapping[str, Any], before: Mapping[str, Any], done: int
) -> dict[str, Any]:
    """Return when, where and by whom; keep what `before` says of the `done` epochs."""
    return {
        "studies": sorted({*before.get("studies", []), config.study}),
        "started": before.get("started", time.time()),
        "resumed_after": [*before.get("resumed_after", []), done] if done else [],
        **provenance,
        "epochs": before.get("epochs", [])[:done],
    }

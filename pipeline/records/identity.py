"""The identity of a training run: the hash of everything that determines its result.

Convention: two runs with the same identity leave the same bytes; so what is complete under an
identity never has to be trained again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from inspect import getfile
from pathlib import Path
from typing import Any

import pipeline.data
import pipeline.network
from pipeline import files
from pipeline.config import Config, experiment
from pipeline.data.catalogue import DATASETS
from pipeline.files import canonical_json, sha256
from pipeline.records import model, record
from pipeline.records.environment import numeric_environment

# What computes nothing that a result depends on: changing it trains nothing again.
NOT_NUMERICAL = {"catalogue.py", "effect.py", "estimators.py", "sources.py"}


@cache
def code_digest() -> str:
    """Return the SHA-256 of the numerical code, from raw files to a finished record's bytes."""
    sources = [Path(getfile(module)) for module in (files, model, record)]
    for package in (pipeline.data, pipeline.network):
        sources += Path(package.__path__[0]).glob("*.py")
    digests = {
        f"{source.parent.name}/{source.name}": sha256(source.read_bytes())
        for source in sources
        if source.name not in NOT_NUMERICAL
    }
    return sha256(canonical_json(digests))


def description(config: Config) -> dict[str, Any]:
    """Return what determines the result of training `config.seed`: what is hashed.

    Raises:
        AssertionError: the configuration has no seed.
    """
    assert config.seed is not None
    return {
        "experiment": experiment(config),
        "seed": config.seed,
        "data": dict(DATASETS[config.data.name].files),
        "code": code_digest(),
        "environment": numeric_environment(),
    }


def identity(described: Mapping[str, Any]) -> str:
    """Return the name of a record: the first 20 hexadecimal digits of its description's hash."""
    return sha256(canonical_json(described))[:20]


def configuration_identity(described: Mapping[str, Any]) -> str:
    """Return what the seeds of one configuration share: the identity without the seed."""
    return identity({key: value for key, value in described.items() if key != "seed"})

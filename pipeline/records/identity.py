"""The identity of a training run: the hash of everything that determines its result.

Convention: two runs with the same identity leave the same bytes; so what is complete under an
identity never has to be trained again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.config import Config, experiment, from_experiment
from pipeline.data.catalogue import DATASETS
from pipeline.errors import UserError
from pipeline.files import canonical_json, sha256
from pipeline.records.code import code_digest
from pipeline.records.environment import is_environment, numeric_environment

# Of records: raised when their files or their meaning change. Records of an earlier format stay
# where they are, and nothing reads them.
FORMAT = 2

Description = dict[str, Any]


def description(config: Config) -> Description:
    """Return what determines the result of training `config.seed`: what is hashed.

    Raises:
        AssertionError: the configuration has no seed.
    """
    assert config.seed is not None
    return {
        "format": FORMAT,
        "experiment": experiment(config),
        "seed": config.seed,
        "data": dict(DATASETS[config.data.name].files),
        "code": code_digest(),
        "environment": numeric_environment(),
    }


def check_description(value: Any, name: str) -> Description:
    """Return `value` if it is a description of today's format, of an experiment that can be.

    Raises:
        UserError: it is not; `name` is in the message.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise UserError(f"{name} is no description of format {FORMAT}")
    for key, kind in (("data", dict), ("code", str), ("environment", dict)):
        if not isinstance(value.get(key), kind):
            raise UserError(f"{name}: {key} is missing or of the wrong type")
    if not all(isinstance(digest, str) for digest in value["data"].values()):
        raise UserError(f"{name}: data must map file names to hashes")
    if not is_environment(value["environment"]):
        raise UserError(f"{name}: environment is not what a record says of one")
    try:
        from_experiment(value.get("experiment"), value.get("seed"))
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    return value


def identity(described: Mapping[str, Any]) -> str:
    """Return the name of a record: the first 20 hexadecimal digits of its description's hash."""
    return sha256(canonical_json(described))[:20]


def configuration_identity(described: Mapping[str, Any]) -> str:
    """Return what the seeds of one configuration share: the identity without the seed."""
    return identity({key: value for key, value in described.items() if key != "seed"})

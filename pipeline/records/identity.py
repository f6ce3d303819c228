"""The identity of a training run: the hash of everything that determines its result.

Convention: two runs with the same identity write the same bytes, so a complete run never has to be
trained again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pipeline.base.config import Config, experiment, from_experiment
from pipeline.base.errors import UserError
from pipeline.base.files import canonical_json, fits, sha256
from pipeline.data.catalogue import dataset_of
from pipeline.engine import VERSION
from pipeline.engine.canary import canary
from pipeline.records.code import code_digest

# The version of the record format, raised when files or their meaning change. Records of an earlier
# format are kept, but no longer read.
FORMAT = 2

Description = dict[str, Any]
# The entries of a description that hold hashes.
HASHES = {
    "code": str,
    "data": {str: str},
    "preparation": {str: str},
    "arithmetic": dict,
}
T = TypeVar("T")


def description(config: Config, preparation: Mapping[str, str]) -> Description:
    """Return what determines the result of training `config.seed`, for hashing.

    Args:
        config: with a seed.
        preparation: the hashes of split and fitted preprocessor. They count as data, since
            scikit-learn draws the split and LAPACK computes a whitening.

    Raises:
        AssertionError: the configuration has no seed.
    """
    assert config.seed is not None
    return {
        "format": FORMAT,
        "experiment": experiment(config),
        "seed": config.seed,
        "data": dataset_of(config.data).files,
        "code": code_digest(),
        "preparation": dict(preparation),
        "arithmetic": {"version": VERSION, "canary": canary(config.training.dtype)},
    }


def check_description(value: Any, name: str) -> Description:
    """Return `value` if it is a description of the current format and a valid experiment.

    Raises:
        UserError: it is none; `name` is in the message.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise UserError(f"{name} is not a description in format {FORMAT}")
    for key, shape in HASHES.items():
        if not fits(value.get(key), shape):
            raise UserError(f"{name}: {key} is missing or of the wrong type")
    try:
        from_experiment(value.get("experiment"), value.get("seed"))
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    return value


def identity(described: Mapping[str, Any]) -> str:
    """Return the name of a record: the first 20 hexadecimal digits of its description's hash."""
    return sha256(canonical_json(described))[:20]


def grouped(items: Iterable[T], what: Callable[[T], Mapping[str, Any]]) -> dict[str, list[T]]:
    """Group `items` by the identity of `what(item)`, such as the item's configuration."""
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(identity(what(item)), []).append(item)
    return groups

"""The typed configuration: composed by Hydra on top of `params.yaml`, checked before any work.

Convention: `params.yaml` holds every value of the experiment; files in `conf/` and overrides on
the command line say only what differs. A field's metadata is its range. The result is
a checked `Config`, or an error that names the key, its value and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    OmegaConfBaseException,
)

from pipeline.base.errors import UserError, describe, refuse
from pipeline.base.masking import masked, one_line
from pipeline.base.params import read_params
from pipeline.base.paths import Paths, find_root
from pipeline.data.catalogue import Data, dataset_of
from pipeline.data.preprocessing import Preprocess
from pipeline.data.split import Split
from pipeline.network.costs import COSTS
from pipeline.network.settings import SEED, Architecture, Training, allow, one_of, several

LONGEST_STUDY = 100
# Addresses of MLflow's stores; MLflow no longer supports a folder of files.
STORE = re.compile(r"sqlite:///(?!:memory:)[^?\s]+|(https?|(postgresql|mysql|mssql)(\+\w+)?)://\S+")
TRUTH = allow("true or false", lambda value: type(value) is bool)


def is_study(name: str) -> bool:
    """Tell whether a study can have this name, which experiments and folders get, too."""
    return name == name.strip() and 0 < len(name) <= LONGEST_STUDY and name.isprintable()


@dataclass(kw_only=True)
class Tracking:
    """The MLflow store that mirrors the records."""

    uri: str | None = field(
        default=None,
        metadata=allow(
            "sqlite:///FILE (from the checkout's folder), http(s)://SERVER, or a database's "
            "address (postgresql://, mysql://, mssql://), without spaces",
            lambda value: STORE.fullmatch(value) is not None,
        ),
    )
    live: bool = field(default=True, metadata=TRUTH)


@dataclass(kw_only=True)
class Config:
    """An experiment: the values of `params.yaml`, plus the options of one command."""

    study: str = field(
        metadata=allow(f"a name of up to {LONGEST_STUDY} printable characters", is_study)
    )
    data: Data
    split: Split
    preprocess: Preprocess
    network: Architecture
    training: Training
    seeds: list[int] = field(metadata=several(SEED, [0, 1, 2, 3, 4], once=True))
    tracking: Tracking = field(default_factory=Tracking)
    # The folder of the user's own data, if not the default one; decides no result.
    data_folder: str | None = field(default=None, metadata=allow("a folder", bool))
    # Options of one command, not in params.yaml: a job's seed, where a sweep publishes its runs,
    # whether it evaluates them on the test images, and whether it only lists them.
    seed: int | None = field(default=None, metadata=SEED)
    output: str | None = field(default=None, metadata=one_of(["runs"]))
    test: bool = field(default=False, metadata=TRUTH)
    dry_run: bool = field(default=False, metadata=TRUTH)


# What determines a result besides the seed.
SECTIONS: dict[str, type[Any]] = {
    "data": Data,
    "split": Split,
    "preprocess": Preprocess,
    "network": Architecture,
    "training": Training,
}
NESTED = {**SECTIONS, "tracking": Tracking}


def experiment(config: Config) -> dict[str, Any]:
    """Return what determines a result besides the seed: plain values, for hashing and showing."""
    return {section: asdict(getattr(config, section)) for section in SECTIONS}


def from_experiment(values: Any, seed: Any) -> Config:
    """Return the checked configuration of a recorded experiment.

    Args:
        values: what `experiment` returned, as read from a record; not trusted.
        seed: the seed.

    Raises:
        UserError: a section or a value is missing, unknown, of the wrong type or out of range.
    """
    if not isinstance(values, dict) or values.keys() != SECTIONS.keys():
        raise UserError(f"experiment: allowed is a mapping of {', '.join(SECTIONS)}")
    # Without OmegaConf, which would resolve `${...}` in a stranger's record.
    for section, known in SECTIONS.items():
        names = [entry.name for entry in fields(known)]
        if not isinstance(values[section], dict) or values[section].keys() != set(names):
            raise UserError(f"{section}: allowed is a mapping of {', '.join(names)}")
    sections = {section: known(**values[section]) for section, known in SECTIONS.items()}
    config = Config(study="recorded", seeds=[seed], seed=seed, **sections)
    check(config)
    return config


# --- composition -------------------------------------------------------------------------------


def _read_tracking_uri_from(paths: Paths) -> None:
    OmegaConf.register_new_resolver(
        "tracking_uri", lambda: read_params(paths.params).values["tracking"]["uri"], replace=True
    )


# Workers import this module with the job's function, so they have the resolvers, too.
OmegaConf.register_new_resolver("root", lambda: str(find_root()), replace=True)
_read_tracking_uri_from(Paths(find_root()))


def register(paths: Paths) -> None:
    """Check `params.yaml`, and register it with Hydra as `params`.

    Raises:
        UserError: `params.yaml` is missing or wrong; the message names line and column.
    """
    params = read_params(paths.params)
    try:
        base = _typed(params.values)
        if _has_password(base):
            # Hydra writes the composed configuration to files, which must not hold a password.
            base.tracking.uri = "${tracking_uri:}"
            _read_tracking_uri_from(paths)
        checked(base)
    except (UserError, OmegaConfBaseException) as error:
        key = error.key if isinstance(error, UserError) else error.full_key
        raise UserError(f"{params.place(key or '')}: {describe(error)}") from None
    # Without types: a value of the wrong type is refused by `checked`, which names its key.
    ConfigStore.instance().store(name="params", node=OmegaConf.to_container(base))


def compose(paths: Paths, overrides: Sequence[str] = ()) -> Config:
    """Return the checked configuration: `params.yaml`, `conf/`, then `overrides`.

    Raises:
        UserError, hydra.errors.HydraException, omegaconf.errors.OmegaConfBaseException: an
            override cannot be read, a key is unknown, or a value is not allowed.
    """
    with started(paths):
        return checked(composed(overrides))


@contextmanager
def located_errors(config: Config, paths: Paths) -> Iterator[None]:
    """Add line and column to an error about a value that `params.yaml` states."""
    try:
        yield
    except UserError as error:
        section, _, name = error.key.partition(".")
        if not name or not paths.params.exists():
            raise
        params = read_params(paths.params)
        if params.values[section].get(name) != getattr(getattr(config, section), name):
            raise
        raise UserError(f"{params.place(error.key)}: {error}", error.key) from None


@contextmanager
def started(paths: Paths) -> Iterator[None]:
    """Register `params.yaml`, and let Hydra compose for as long as the context lasts."""
    register(paths)
    with initialize_config_dir(str(paths.conf), version_base="1.3"):
        yield


def composed(overrides: Sequence[str]) -> DictConfig:
    """Return what Hydra composes; `params.yaml` has to be registered.

    Raises:
        UserError, hydra.errors.HydraException: an override cannot be read, or does not fit.
    """
    try:
        return hydra_compose("config", list(overrides), return_hydra_config=True)
    except HydraException as error:
        cause = error.__cause__
        key = str(getattr(cause, "full_key", ""))
        if not key or key.startswith("hydra."):
            raise
        unknown = isinstance(cause, (ConfigKeyError, ConfigAttributeError))
        text = f"{key}: unknown key" if unknown else " ".join(overrides)
        raise UserError(f"{text}; allowed is {allowed(key)}", key) from None
    except Exception as error:  # Hydra crashes on some values, such as `data=0`
        for override in overrides if len(overrides) > 1 else ():
            composed([override])  # raises for the wrong one alone
        reason = one_line(error) or "Hydra cannot use it"
        raise UserError(f"{' '.join(overrides)}: {reason}") from None


def checked(given: DictConfig) -> Config:
    """Return the dataclass of a composed configuration, interpolations resolved, ranges checked.

    Raises:
        UserError, omegaconf.errors.OmegaConfBaseException: see `compose`.
    """
    if _has_password(given):
        refuse(
            "tracking.uri",
            given.tracking.uri,
            "a password in params.yaml or in an environment variable (tracking.uri=${oc.env:NAME}, "
            "or MLflow's own MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD), since Hydra "
            "writes command lines and conf/ into files",
        )
    ours = OmegaConf.masked_copy(given, [str(key) for key in given if key != "hydra"])
    plain: Any = OmegaConf.to_container(ours, resolve=True)
    config = OmegaConf.to_object(_typed(plain))
    assert isinstance(config, Config)
    check(config)
    return config


def _typed(values: Mapping[str, Any]) -> DictConfig:
    """Return plain values, converted to the types of `Config`.

    Raises:
        UserError: a key is unknown, a value cannot be converted, or one of the experiment is
            missing: defaults in the code do not count.
    """
    typed = OmegaConf.structured(Config)
    for section, entries in values.items():
        if section in NESTED and isinstance(entries, dict):
            typed[section] = OmegaConf.structured(NESTED[section])
            for name, value in entries.items():
                _put(typed[section], name, value, f"{section}.{name}")
        else:
            _put(typed, section, entries, str(section))
    for section, known in SECTIONS.items():
        for entry in fields(known):
            if entry.name not in values.get(section, {}):
                key = f"{section}.{entry.name}"
                raise UserError(f"{key} is missing: allowed is {allowed(key)}", key)
    return typed


def _put(typed: DictConfig, name: str, value: Any, key: str) -> None:
    if name not in {*typed.keys()}:
        raise UserError(f"{key}: unknown key; allowed is {allowed(key)}", key)
    try:
        typed[name] = value
    except OmegaConfBaseException:
        refuse(key, value, allowed(key))


def _has_password(given: DictConfig) -> bool:
    """Tell whether the tracking address itself holds a password, not a variable's name."""
    tracking = given.get("tracking")
    if not isinstance(tracking, DictConfig) or OmegaConf.is_interpolation(tracking, "uri"):
        return False
    return masked(str(tracking.get("uri"))) != str(tracking.get("uri"))


# --- ranges ------------------------------------------------------------------------------------


def check(config: Config) -> None:
    """Refuse every value that cannot work, naming key, value and what is allowed.

    Raises:
        UserError: the first such value.
    """
    _check_ranges(config)
    dataset_of(config.data)
    accepted = COSTS[config.training.cost].outputs
    if config.network.output not in accepted:
        refuse(
            "network.output",
            config.network.output,
            f"{' or '.join(accepted)}, since training.cost = {config.training.cost}",
        )
    if config.training.batch_size > config.split.train:
        refuse(
            "training.batch_size",
            config.training.batch_size,
            f"1 to split.train = {config.split.train}",
        )


def _check_ranges(settings: Any, prefix: str = "") -> None:
    """Check the fields of a dataclass, nested ones too, against their ranges."""
    for entry in fields(settings):
        key, value = f"{prefix}{entry.name}", getattr(settings, entry.name)
        if is_dataclass(value):
            _check_ranges(value, f"{key}.")
        elif "range" in entry.metadata and (value is not None or entry.default is not None):
            allowed, holds = entry.metadata["range"]
            if not holds(value):
                refuse(key, value, allowed)


def allowed(key: str) -> str:
    """Return what a key such as `training.epochs` allows; for an unknown key, the known ones."""
    known: type[Any] = Config
    for part in key.partition("[")[0].split("."):
        names = {entry.name: entry for entry in fields(known)}
        if part not in names:
            break
        if "range" in names[part].metadata:
            return str(names[part].metadata["range"].allowed)
        known = NESTED.get(part, known)
    return f"one of {', '.join(entry.name for entry in fields(known))}"

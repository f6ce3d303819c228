"""The typed configuration: composed by Hydra on top of `params.yaml`, checked before any work.

Convention: `params.yaml` holds every value of the experiment; files in `conf/` and overrides on
the command line say only what differs. Whatever comes out is one `Config`, or one line that
names the key, its value and what is allowed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import MISSING, DictConfig, OmegaConf

from pipeline.data.catalogue import DATASETS
from pipeline.errors import UserError
from pipeline.masking import masked
from pipeline.paths import Paths, find_root

# The names that the numerical code knows; a test holds the two together. Spelled here, since
# a stage that only downloads should not depend on the network's code.
ACTIVATIONS = ("relu", "sigmoid", "identity")
COSTS = ("cross_entropy", "squared_error")
SCHEDULES = ("constant", "halving", "cosine")
WEIGHT_INITIALISERS = ("he_normal", "lecun_normal", "glorot_uniform", "fan_in_uniform", "uniform")
BIAS_INITIALISERS = ("zeros", "normal", "fan_in_uniform")
SPLIT_METHODS = ("stratified", "first")
PREPROCESS_METHODS = ("raw", "standardise", "whiten")
STATISTICS = ("scalar", "per_feature")
ROTATIONS = ("pca", "zca")
DTYPES = ("float32", "float64")
LONGEST_STUDY = 100
# scikit-learn's and NumPy's legacy generators take no larger seed, so nobody else's can either.
LARGEST_SEED = 2**32 - 1


@dataclass
class Data:
    """Which digits."""

    name: str = MISSING


@dataclass
class Split:
    """How many images train, validate and test, and how they are drawn."""

    train: int = MISSING
    validation: int = MISSING
    test: int = MISSING
    method: str = MISSING
    seed: int = MISSING


@dataclass
class Preprocess:
    """How pixels become inputs: (20), or (21) and (22)."""

    method: str = MISSING
    statistics: str = MISSING
    rotation: str = MISSING
    epsilon: float = MISSING


@dataclass
class Network:
    """The dense network (2)."""

    hidden: list[int] = MISSING
    activation: str = MISSING
    output: str = MISSING
    weights: str = MISSING
    weight_limit: float = MISSING
    biases: str = MISSING


@dataclass
class Training:
    """Gradient descent (17) on a cost, (3) or (18)."""

    cost: str = MISSING
    epochs: int = MISSING
    batch_size: int = MISSING
    learning_rate: float = MISSING
    schedule: str = MISSING
    momentum: float = MISSING
    dtype: str = MISSING


@dataclass
class Tracking:
    """Where the records are mirrored to."""

    uri: str | None = None
    live: bool = True


@dataclass
class Config:
    """An experiment: what `params.yaml` says, plus what is asked of one command."""

    study: str = MISSING
    data: Data = field(default_factory=Data)
    split: Split = field(default_factory=Split)
    preprocess: Preprocess = field(default_factory=Preprocess)
    network: Network = field(default_factory=Network)
    training: Training = field(default_factory=Training)
    seeds: list[int] = MISSING
    tracking: Tracking = field(default_factory=Tracking)
    # Asked of one command, so not in params.yaml: the seed of a job, where a sweep puts its
    # runs, whether it evaluates them on the test images, and whether it only tells.
    seed: int | None = None
    output: str | None = None
    test: bool = False
    dry_run: bool = False


def experiment(config: Config) -> dict[str, Any]:
    """Return what determines a result besides the seed: plain values, for hashing and showing."""
    return {section: asdict(getattr(config, section)) for section in SECTIONS}


SECTIONS: dict[str, type[Any]] = {
    "data": Data,
    "split": Split,
    "preprocess": Preprocess,
    "network": Network,
    "training": Training,
}


def from_experiment(values: Any, seed: Any) -> Config:
    """Return the configuration of a recorded experiment, checked as any other is.

    Args:
        values: what `experiment` returned, or whatever stands in its place in a record.
        seed: the seed.

    Raises:
        UserError: a section or a value is missing, unknown, of the wrong type or out of range.
    """
    if not isinstance(values, dict) or values.keys() != SECTIONS.keys():
        raise UserError(f"experiment: allowed is a mapping of {', '.join(SECTIONS)}")
    sections = {}
    for name, section in SECTIONS.items():
        given = values[name]
        known = {entry.name: str(entry.type) for entry in fields(section)}
        if not isinstance(given, dict) or given.keys() != known.keys():
            raise UserError(f"{name}: allowed is a mapping of {', '.join(known)}")
        for key, value in given.items():
            if not _TYPES[known[key]](value):
                _refuse(f"{name}.{key}", value, f"a value of type {known[key]}")
        sections[name] = section(**given)
    if not _TYPES["int"](seed):
        _refuse("seed", seed, "a whole number")
    config = Config(study="recorded", seeds=[seed], seed=seed, **sections)
    check(config)
    return config


_TYPES: dict[str, Callable[[Any], bool]] = {
    "int": lambda value: type(value) is int,
    "float": lambda value: type(value) is float,
    "str": lambda value: type(value) is str,
    "list[int]": lambda value: type(value) is list and all(type(entry) is int for entry in value),
}


# --- composition -------------------------------------------------------------------------------


def _join(values: Iterable[object]) -> str:
    return ",".join(str(value) for value in values)


# In workers this module is imported with the job's function, so resolvers exist there too.
OmegaConf.register_new_resolver("join", _join, replace=True)
OmegaConf.register_new_resolver("root", lambda: str(find_root()), replace=True)


def _read_tracking_uri_from(paths: Paths) -> None:
    OmegaConf.register_new_resolver(
        "tracking_uri", lambda: OmegaConf.load(paths.params).tracking.uri, replace=True
    )


_read_tracking_uri_from(Paths(find_root()))


def register(paths: Paths) -> None:
    """Make `params.yaml`, merged into the typed schema, known to Hydra as `params`.

    Raises:
        UserError: `params.yaml` is missing, is no mapping, or does not fit the schema.
    """
    try:
        values = OmegaConf.load(paths.params)
    except FileNotFoundError:
        raise UserError(f"{paths.params} is missing; it holds the experiment") from None
    if not isinstance(values, DictConfig):
        raise UserError(f"{paths.params} must map names to values")
    base = OmegaConf.merge(OmegaConf.structured(Config), values)
    if _has_password(base):
        # Hydra writes what it composes into files, where a password must not stand.
        base.tracking.uri = "${tracking_uri:}"
        _read_tracking_uri_from(paths)
    ConfigStore.instance().store(name="params", node=base)


def compose(paths: Paths, overrides: Sequence[str] = ()) -> Config:
    """Return the checked configuration: `params.yaml`, `conf/`, then `overrides`.

    Raises:
        UserError: a value is out of its range, or a key is unknown.
        hydra.errors.HydraException, omegaconf.errors.OmegaConfBaseException: a value has the
            wrong type, or an override cannot be read.
    """
    if GlobalHydra.instance().is_initialized():
        return checked(hydra_compose("config", overrides=list(overrides)))
    register(paths)
    with initialize_config_dir(str(paths.conf), version_base="1.3"):
        return checked(hydra_compose("config", overrides=list(overrides)))


def checked(composed: DictConfig) -> Config:
    """Return the dataclass of a composed configuration, interpolations resolved, ranges checked.

    Raises:
        UserError: see `compose`.
    """
    known = {entry.name for entry in fields(Config)}
    for key in map(str, composed):
        if key not in known and key != "hydra":
            raise UserError(f"{key}: unknown key; known are {', '.join(sorted(known))}")
    if _has_password(composed):
        raise UserError(
            f"tracking.uri = {masked(str(composed.tracking.uri))}: allowed is a password in "
            "params.yaml or in an environment variable (tracking.uri=${oc.env:NAME}, or MLflow's "
            "own MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD), since Hydra writes "
            "command lines and conf/ into files"
        )
    # As plain values: a merge of typed nodes would let keys pass that were added with `+`.
    plain = OmegaConf.to_container(OmegaConf.masked_copy(composed, sorted(known)), resolve=True)
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), plain))
    assert isinstance(config, Config)
    check(config)
    return config


def _has_password(composed: Any) -> bool:
    """Tell whether the tracking server's address, as it is written there, holds a password."""
    tracking = composed.get("tracking")
    if not isinstance(tracking, DictConfig) or OmegaConf.is_interpolation(tracking, "uri"):
        return False
    return masked(str(tracking.get("uri"))) != str(tracking.get("uri"))


# --- ranges ------------------------------------------------------------------------------------


def check(config: Config) -> None:
    """Refuse every value that cannot work, naming key, value and what is allowed.

    Raises:
        UserError: the first such value.
    """
    if not is_study(config.study):
        _refuse("study", config.study, f"a name of up to {LONGEST_STUDY} printable characters")
    if config.tracking.uri is not None and re.search(r"\s", config.tracking.uri):
        _refuse("tracking.uri", masked(config.tracking.uri.split()[0]), "an address without spaces")
    _one_of("data.name", config.data.name, DATASETS)
    _check_split(config)
    _one_of("preprocess.method", config.preprocess.method, PREPROCESS_METHODS)
    _one_of("preprocess.statistics", config.preprocess.statistics, STATISTICS)
    _one_of("preprocess.rotation", config.preprocess.rotation, ROTATIONS)
    _number("preprocess.epsilon", config.preprocess.epsilon, lowest=0.0, highest=1e6)
    _check_network(config.network)
    _check_training(config)
    _check_seeds("seeds", config.seeds)
    if config.seed is not None:
        _check_seeds("seed", [config.seed])


def is_study(name: str) -> bool:
    """Tell whether a study can be called so: it names experiments, folders and lines."""
    return name == name.strip() and 0 < len(name) <= LONGEST_STUDY and name.isprintable()


def _check_split(config: Config) -> None:
    split, dataset = config.split, DATASETS[config.data.name]
    _one_of("split.method", split.method, SPLIT_METHODS)
    _whole("split.seed", split.seed, 0, LARGEST_SEED)
    for name in ("train", "validation", "test"):
        _whole(f"split.{name}", getattr(split, name), 1, 10**9)
    wanted = split.train + split.validation
    if wanted > dataset.train_images:
        raise UserError(
            f"split.train + split.validation = {split.train} + {split.validation} = {wanted}: "
            f"the training file of {config.data.name} holds {dataset.train_images} images"
        )
    if split.test > dataset.test_images:
        _refuse("split.test", split.test, f"1 to {dataset.test_images}, the test file's images")
    if split.method == "stratified":
        for name in ("train", "validation"):
            if getattr(split, name) < dataset.classes:
                _refuse(
                    f"split.{name}",
                    getattr(split, name),
                    f"at least {dataset.classes}, one image a class, in a stratified split",
                )


def _check_network(network: Network) -> None:
    if not network.hidden:
        _refuse("network.hidden", network.hidden, "at least one layer, such as [256, 128]")
    for width in network.hidden:
        _whole("network.hidden", width, 1, 10**6)
    _one_of("network.activation", network.activation, ACTIVATIONS)
    _one_of("network.output", network.output, ACTIVATIONS)
    _one_of("network.weights", network.weights, WEIGHT_INITIALISERS)
    _number("network.weight_limit", network.weight_limit, above=0.0, highest=1e6)
    _one_of("network.biases", network.biases, BIAS_INITIALISERS)


def _check_training(config: Config) -> None:
    training = config.training
    _one_of("training.cost", training.cost, COSTS)
    if training.cost == "cross_entropy" and config.network.output != "sigmoid":
        _refuse("network.output", config.network.output, "sigmoid, since (18) takes its outputs")
    _whole("training.epochs", training.epochs, 1, 10**6)
    if not 1 <= training.batch_size <= config.split.train:
        _refuse(
            "training.batch_size",
            training.batch_size,
            f"1 to split.train = {config.split.train}",
        )
    _number("training.learning_rate", training.learning_rate, above=0.0, highest=1e6)
    _one_of("training.schedule", training.schedule, SCHEDULES)
    _number("training.momentum", training.momentum, lowest=0.0, below=1.0)
    _one_of("training.dtype", training.dtype, DTYPES)


def _check_seeds(key: str, seeds: Sequence[int]) -> None:
    if not seeds:
        _refuse(key, list(seeds), "at least one seed, such as [0, 1, 2, 3, 4]")
    for seed in seeds:
        _whole(key, seed, 0, LARGEST_SEED)
    if len(set(seeds)) != len(seeds):
        _refuse(key, list(seeds), "each seed once")


def _refuse(key: str, value: object, allowed: str) -> None:
    raise UserError(f"{key} = {value}: allowed is {allowed}")


def _one_of(key: str, value: str, allowed: Iterable[str]) -> None:
    names = list(allowed)
    if value not in names:
        _refuse(key, value, "one of " + ", ".join(names))


def _whole(key: str, value: int, lowest: int, highest: int) -> None:
    # bool is an int to Python, yet `seed=true` is nobody's seed.
    if isinstance(value, bool) or not lowest <= value <= highest:
        _refuse(key, value, f"a whole number from {lowest} to {highest}")


def _number(
    key: str,
    value: float,
    *,
    lowest: float = -math.inf,
    highest: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> None:
    # Written so that nan, for which every comparison is false, is refused.
    if lowest <= value <= highest and above < value < below:
        return
    low = f"above {above:g}" if math.isfinite(above) else f"from {lowest:g}"
    high = f"below {below:g}" if math.isfinite(below) else f"to {highest:g}"
    _refuse(key, value, f"a number {low} {high}")

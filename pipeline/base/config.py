"""The typed configuration: composed by Hydra on top of `params.yaml`, checked before any work.

Convention: `params.yaml` holds every value of the experiment; files in `conf/` and overrides on
the command line say only what differs. Whatever comes out is one `Config`, or one line that
names the key, its value and what is allowed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from pipeline.base.errors import UserError, describe
from pipeline.base.files import read_bytes
from pipeline.base.masking import masked, one_line
from pipeline.base.paths import Paths, find_root
from pipeline.data.catalogue import DATASETS

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
# What MLflow can keep runs in; its folders of files are no longer among them.
STORE = re.compile(r"sqlite:///(?!:memory:)[^?\s]+|(https?|(postgresql|mysql|mssql)(\+\w+)?)://\S+")
STORES = (
    "sqlite:///FILE (from the checkout's folder), http(s)://SERVER, or a database's address "
    "(postgresql://, mysql://, mssql://), without spaces"
)
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
        "tracking_uri", lambda: read_params(paths.params)[0]["tracking"]["uri"], replace=True
    )


_read_tracking_uri_from(Paths(find_root()))


def register(paths: Paths) -> None:
    """Make `params.yaml`, merged into the typed schema and checked, known to Hydra as `params`.

    Raises:
        UserError: `params.yaml` is missing or wrong; says in which line and column.
    """
    values, document = read_params(paths.params)
    base = OmegaConf.structured(Config)
    try:
        base.merge_with(values)
        if _has_password(base):
            # Hydra writes what it composes into files, where a password must not stand.
            base.tracking.uri = "${tracking_uri:}"
            _read_tracking_uri_from(paths)
        checked(base)
    except (UserError, OmegaConfBaseException) as error:
        key = error.key if isinstance(error, UserError) else error.full_key
        place = _place(paths.params, position(document, key or ""))
        raise UserError(f"{place}: {describe(error)}") from None
    ConfigStore.instance().store(name="params", node=base)


def compose(paths: Paths, overrides: Sequence[str] = ()) -> Config:
    """Return the checked configuration: `params.yaml`, `conf/`, then `overrides`.

    Raises:
        UserError: a value is out of its range, or a key is unknown.
        hydra.errors.HydraException, omegaconf.errors.OmegaConfBaseException: a value has the
            wrong type, or an override cannot be read.
    """
    if GlobalHydra.instance().is_initialized():
        return checked(composed(overrides))
    with started(paths):
        return checked(composed(overrides))


@contextmanager
def started(paths: Paths) -> Iterator[None]:
    """Register `params.yaml`, and let Hydra compose for as long as the context lasts."""
    register(paths)
    with initialize_config_dir(str(paths.conf), version_base="1.3"):
        yield


def composed(overrides: Sequence[str]) -> DictConfig:
    """Return what Hydra composes, once `params.yaml` is registered.

    Raises:
        UserError, hydra.errors.HydraException, omegaconf.errors.OmegaConfBaseException: an
            override cannot be read, or does not fit.
    """
    try:
        return hydra_compose("config", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException):
        raise
    except Exception as error:  # Hydra's code trips over some values, such as `data=0`
        for override in overrides if len(overrides) > 1 else ():
            composed([override])  # the one that is wrong raises what follows
        raise UserError(f"{' '.join(overrides)}: {one_line(error)}") from None


def checked(given: DictConfig) -> Config:
    """Return the dataclass of a composed configuration, interpolations resolved, ranges checked.

    Raises:
        UserError: see `compose`.
    """
    known = {entry.name for entry in fields(Config)}
    for key in map(str, given):
        if key not in known and key != "hydra":
            raise UserError(f"{key}: unknown key; known are {', '.join(sorted(known))}", key)
    if _has_password(given):
        raise UserError(
            f"tracking.uri = {masked(str(given.tracking.uri))}: allowed is a password in "
            "params.yaml or in an environment variable (tracking.uri=${oc.env:NAME}, or MLflow's "
            "own MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD), since Hydra writes "
            "command lines and conf/ into files"
        )
    # As plain values: a merge of typed nodes would let keys pass that were added with `+`.
    plain = OmegaConf.to_container(OmegaConf.masked_copy(given, sorted(known)), resolve=True)
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), plain))
    assert isinstance(config, Config)
    check(config)
    return config


# Deeper than any configuration; the parser in C fails where it has no room left.
DEEPEST = 20


def read_params(path: Path) -> tuple[dict[str, Any], Any]:
    """Return the values of `params.yaml`, and its nodes, which know their lines.

    By the library that DVC reads it with, so that `010` or `no` is the same to both.

    Raises:
        UserError: it is missing or is no mapping in YAML; says in which line and column.
    """
    content, depth = b"", 0
    try:
        content = read_bytes(path)
        text = content.decode()
        for event in YAML(typ="safe").parse(text):
            depth += isinstance(event, CollectionStartEvent)
            depth -= isinstance(event, CollectionEndEvent)
            if depth > DEEPEST or isinstance(event, AliasEvent):
                problem = "aliases are not allowed" if depth <= DEEPEST else "too deeply nested"
                raise MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        values, document = YAML(typ="safe").load(text), YAML(typ="safe").compose(text)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; it holds the experiment") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{_place(path, _end(content[: error.start]))}: not in UTF-8") from None
    except ReaderError as error:
        # Of a character that YAML does not allow it knows where it is, not the line.
        before = content.decode()[: error.position].encode()
        raise UserError(f"{_place(path, _end(before))}: {error.reason}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(path, (mark.line, mark.column) if mark else (0, 0))
        raise UserError(f"{place}: {one_line(error.problem or error.context)}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} must map names to values")
    return values, document


def position(document: Any, key: str) -> tuple[int, int]:
    """Return line and column, from 0, of a key in YAML's nodes, or of what should hold it."""
    mark = document.start_mark
    for part in re.findall(r"[^.\[\]]+", key):
        entries: list[tuple[Any, Any]] = []
        if isinstance(document, MappingNode):
            entries = [(name, node) for name, node in document.value if name.value == part]
        elif isinstance(document, SequenceNode) and part.isdecimal():
            entries = [(node, node) for node in document.value[int(part) :][:1]]
        if not entries:
            break
        mark, document = entries[0][0].start_mark, entries[0][1]
    return mark.line, mark.column


def _end(content: bytes) -> tuple[int, int]:
    lines = content.split(b"\n")
    return len(lines) - 1, len(lines[-1].decode(errors="replace"))


def _place(path: Path, position: tuple[int, int]) -> str:
    line, column = position
    return f"{path}, line {line + 1}, column {column + 1}"


def _has_password(given: Any) -> bool:
    """Tell whether the tracking server's address, as it is written there, holds a password."""
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
    if not is_study(config.study):
        _refuse("study", config.study, f"a name of up to {LONGEST_STUDY} printable characters")
    uri = config.tracking.uri
    if uri is not None and not STORE.fullmatch(uri):
        # With spaces in it, a password could not be told from the rest.
        known = (
            masked(uri) if not re.search(r"\s", uri) else f"{uri.partition('://')[0][:20]}://..."
        )
        _refuse("tracking.uri", known, STORES)
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
            f"the training file of {config.data.name} holds {dataset.train_images} images",
            "split.train",
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
    raise UserError(f"{key} = {value}: allowed is {allowed}", key)


def _one_of(key: str, value: str, allowed: Iterable[str]) -> None:
    names = list(allowed)
    if value not in names:
        _refuse(key, value, "one of " + ", ".join(names))


def _whole(key: str, value: int, lowest: int, highest: int) -> None:
    # bool is an int to Python, yet `seed=true` is nobody's seed; a list of lists passes OmegaConf.
    if type(value) is not int or not lowest <= value <= highest:
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
    # Written so that nan, for which every comparison is false, is refused; and -0.0, which
    # computes what 0.0 does and would have another identity.
    if lowest <= value <= highest and above < value < below and str(value) != "-0.0":
        return
    low = f"above {above:g}" if math.isfinite(above) else f"from {lowest:g}"
    high = f"below {below:g}" if math.isfinite(below) else f"to {highest:g}"
    _refuse(key, value, f"a number {low} {high}")

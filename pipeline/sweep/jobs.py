"""The jobs of a command: every combination of its swept values, with every seed.

Convention: seeds vary fastest, so the seeds of one configuration are adjacent.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, Sweep

from pipeline.base.config import Config, check, checked, composed, experiment
from pipeline.base.errors import UserError, refuse
from pipeline.base.paths import Paths
from pipeline.data.prepared import PREPROCESS, load, made_for
from pipeline.network.settings import SEED
from pipeline.records.identity import description, grouped, identity
from pipeline.records.names import configuration_names

# More are a mistake: each job has a record's folder and a line of the table.
MOST_JOBS = 10_000


@dataclass(frozen=True)
class Job:
    """One seed of one configuration.

    Attributes:
        config: what to train.
        words: its overrides, for Hydra's launchers.
        folder: its record's.
        configuration: the configuration's name among those of the sweep.
        label: tells the job from the sweep's others.
    """

    config: Config
    words: tuple[str, ...]
    folder: Path
    configuration: str
    label: str

    @property
    def seed(self) -> int:
        """The seed."""
        assert self.config.seed is not None
        return self.config.seed


def parsed(words: Sequence[str]) -> list[Override]:
    """Return overrides as Hydra reads them.

    Raises:
        UserError: one holds a sweep inside its value.
        hydra.errors.HydraException: one cannot be read.
    """
    loader = GlobalHydra.instance().config_loader()
    overrides = OverridesParser.create(loader).parse_overrides(list(words))
    for override in overrides:
        if _holds_sweep(override.value()):
            raise UserError(
                f"{override.input_line}: allowed is range(), choice() and the like as the whole "
                "value, as in seed='range(3)'"
            )
    return overrides


def _holds_sweep(value: Any) -> bool:
    """Tell whether a sweep is part of a value, where Hydra takes it for a plain object."""
    if isinstance(value, (dict, ChoiceSweep)):
        value = value.list if isinstance(value, ChoiceSweep) else [*value.values()]
    parts = value if isinstance(value, list) else []
    return any(isinstance(part, Sweep) or _holds_sweep(part) for part in parts)


def expand(overrides: Sequence[Override]) -> list[tuple[Config, tuple[str, ...]]]:
    """Return every job of a grid, checked, with its overrides.

    Raises:
        UserError: a value is out of its range, there is no job, there are too many, or two would
            be the same.
        hydra.errors.HydraException, omegaconf.errors.OmegaConfBaseException: a value has the
            wrong type.
    """
    choices = {override.get_key_element(): _choices(override) for override in overrides}
    seeds = choices.pop("seed", None)
    _refuse_too_many(math.prod(map(len, choices.values())) * len(seeds or "1"))
    jobs: list[tuple[Config, tuple[str, ...]]] = []
    # Composing takes tens of milliseconds: once per configuration, not once per seed.
    for words in itertools.product(*choices.values()):
        config = checked(composed(words))
        for seed in config.seeds if seeds is None else map(_seed, seeds):
            job = dataclasses.replace(config, seed=seed)
            check(job)
            jobs.append((job, (*words, f"seed={seed}")))
    _refuse_too_many(len(jobs))
    for same in grouped(jobs, lambda job: {**experiment(job[0]), "seed": job[0].seed}).values():
        if len(same) > 1:
            once = "each seed once per configuration; swept values must differ in what they train"
            refuse("seed", same[0][0].seed, once)
    return jobs


def _refuse_too_many(jobs: int) -> None:
    if jobs > MOST_JOBS:
        raise UserError(f"{jobs} jobs: allowed are {MOST_JOBS} per sweep")


def _choices(override: Override) -> list[str]:
    """Return one override per value of a swept override."""
    word = str(override.input_line)
    if override.key_or_group == "seed" and override.get_key_element() != "seed":
        raise UserError(f"{word}: allowed is seed=0,1,2")  # it would replace every job's own seed
    if not override.is_sweep_override():
        return [word]
    if not override.is_discrete_sweep():
        raise UserError(f"{word}: allowed with hydra/sweeper=search; a grid needs single values")
    try:
        # Does not expand all of `range(10**8)`.
        values = list(itertools.islice(override.sweep_string_iterator(), MOST_JOBS + 1))
    except (ValueError, TypeError) as error:  # range(1,3,0), and values that do not sort
        raise UserError(f"{word}: {error}") from None
    if not values:
        raise UserError(f"{word}: allowed is at least one value to sweep over")
    return [f"{override.get_key_element()}={value}" for value in values]


def _seed(word: str) -> int:
    value = parsed([word])[0].value()
    try:
        return int(str(value))
    except ValueError:
        refuse("seed", value, SEED["range"].allowed)


def labelled(jobs: Iterable[tuple[Config, tuple[str, ...]]], paths: Paths) -> list[Job]:
    """Return jobs with their records, names and labels.

    Raises:
        UserError: a data file is missing or damaged.
    """
    groups = list(grouped(jobs, lambda job: experiment(job[0])).values())
    names = configuration_names([experiment(members[0][0]) for members in groups])
    labelled = []
    # Once each: fitting a whitening takes seconds.
    preparations: dict[str, Mapping[str, str]] = {}
    for name, members in zip(names, groups, strict=True):
        first, _ = members[0]
        prepared = str(made_for(first, PREPROCESS))
        if prepared not in preparations:
            preparations[prepared] = load(first, paths).preparation
        # Once per configuration: the canary takes as long as reading ten records.
        described = description(first, preparations[prepared])
        for config, words in members:
            folder = paths.records / identity({**described, "seed": config.seed})
            label = f"{name} · seed {config.seed}" if len(groups) > 1 else f"seed {config.seed}"
            labelled.append(Job(config, words, folder, name, label))
    return labelled

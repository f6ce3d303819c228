"""Which jobs a command means: every combination of what it sweeps, every one checked.

Convention: seeds are the fastest-running index, so a configuration's seeds lie side by side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import islice
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from pipeline.base.config import Config, check, checked, composed, experiment
from pipeline.base.errors import UserError
from pipeline.base.files import canonical_json

# Each is composed, has a record's folder and a line of the table; more were never meant.
MOST_JOBS = 10_000


def is_grid(given: DictConfig) -> bool:
    """Tell whether all jobs are known beforehand; a search chooses its own as it goes."""
    return str(given.hydra.sweeper._target_).endswith("BasicSweeper")


def expand(given: DictConfig) -> list[Config]:
    """Return every job of a sweep, each checked before any of them runs.

    Args:
        given: what Hydra composed, its own section included.

    Raises:
        UserError: a value is out of its range, there is no job, two would be the same, or
            configurations declare different seeds.
        hydra.errors.HydraException, omegaconf.errors.OmegaConfBaseException: a value has the
            wrong type, or an override cannot be read.
    """
    section = (
        OmegaConf.create() if given.hydra.sweeper.params is None else given.hydra.sweeper.params
    )
    if not isinstance(section, DictConfig):
        raise UserError(f"hydra.sweeper.params = {section}: allowed is a mapping")
    params: Any = OmegaConf.to_container(section, resolve=True)
    # As they were written: what `${oc.env:...}` stands for may be a password.
    words = OmegaConf.to_container(given.hydra.overrides.task, resolve=False)
    assert isinstance(words, list)
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    asked = parser.parse_overrides(list(map(str, words)))
    overrides = [*parser.parse_overrides([f"{key!s}={params[key]}" for key in params]), *asked]
    _refuse_seeds_otherwise(overrides)
    _refuse_too_many(overrides)
    # The same function that Hydra's sweeper multiplies with.
    (combinations,) = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    if not combinations:
        raise UserError(f"{' '.join(map(str, words))}: allowed is at least one value to sweep over")
    jobs: list[Config] = []
    once: dict[tuple[str, ...], Config] = {}
    for combination in combinations:
        seeds = [word.removeprefix("seed=") for word in combination if word.startswith("seed=")]
        if not seeds:
            raise UserError("seed: allowed is seed=0,1,2, or hydra/sweeper=grid, which has `seeds`")
        rest = tuple(word for word in combination if not word.startswith("seed="))
        # Composing takes tens of milliseconds: once a configuration, not once a seed.
        if rest not in once:
            once[rest] = checked(composed(rest))
        job = dataclasses.replace(once[rest], seed=_seed(seeds[-1]))
        check(job)
        jobs.append(job)
    if not any(override.key_or_group == "seed" for override in asked):
        _refuse_other_seeds(once, list(given.seeds))
    _refuse_doubles(jobs)
    return jobs


def _refuse_seeds_otherwise(overrides: Sequence[Override]) -> None:
    """Refuse `++seed=5` and the like, which would replace every job's own seed."""
    for override in overrides:
        if override.key_or_group == "seed" and override.get_key_element() != "seed":
            raise UserError(f"{override.input_line}: allowed is seed=0,1,2")


def _refuse_too_many(overrides: Sequence[Override]) -> None:
    """Refuse `range(10**8)` before it is multiplied out."""
    jobs = 1
    for override in overrides:
        if override.is_discrete_sweep():
            try:
                jobs *= sum(1 for _ in islice(override.sweep_string_iterator(), MOST_JOBS + 1))
            except (ValueError, TypeError) as error:  # range(1,3,0), and values that do not sort
                raise UserError(f"{override.input_line}: {error}") from None
            if jobs > MOST_JOBS:
                raise UserError(f"{override.input_line}: allowed are {MOST_JOBS} jobs a sweep")


def _refuse_other_seeds(configs: dict[tuple[str, ...], Config], seeds: list[int]) -> None:
    for words, config in configs.items():
        if config.seeds != seeds:
            raise UserError(
                f"{' '.join(words)}: declares the seeds {config.seeds}, and this sweep has {seeds} "
                "for all; allowed is one list of seeds (seed=0,1,2), or one sweep after the other"
            )


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(f"seed = {text}: allowed is a whole number from 0 on") from None


def _refuse_doubles(jobs: Sequence[Config]) -> None:
    seen = set()
    for job in jobs:
        key = canonical_json([experiment(job), job.seed])
        if key in seen:
            raise UserError(
                f"seed = {job.seed}: allowed is each seed once a configuration; swept values "
                "must differ in what they train"
            )
        seen.add(key)

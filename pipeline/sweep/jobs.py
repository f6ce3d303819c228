"""Which jobs a command means: every combination of what it sweeps, every one checked.

Convention: seeds are the fastest-running index, so a configuration's seeds lie side by side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hydra import compose as hydra_compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from pipeline.config import Config, check, checked
from pipeline.errors import UserError
from pipeline.files import canonical_json


def is_grid(composed: DictConfig) -> bool:
    """Tell whether all jobs are known beforehand; a search chooses its own as it goes."""
    return str(composed.hydra.sweeper._target_).endswith("BasicSweeper")


def expand(composed: DictConfig) -> list[Config]:
    """Return every job of a sweep, each checked before any of them runs.

    Args:
        composed: what Hydra composed, its own section included.

    Raises:
        UserError: a value is out of its range, or two jobs would be the same.
        hydra.errors.HydraException, omegaconf.errors.OmegaConfBaseException: a value has the
            wrong type, or an override cannot be read.
    """
    params = OmegaConf.to_container(composed.hydra.sweeper.params, resolve=True)
    assert isinstance(params, dict)
    words = [f"{key!s}={value}" for key, value in params.items()]
    # As they were written: what `${oc.env:...}` stands for may be a password.
    given = OmegaConf.to_container(composed.hydra.overrides.task, resolve=False)
    assert isinstance(given, list)
    words += map(str, given)
    overrides = OverridesParser.create().parse_overrides(words)
    # The same function that Hydra's sweeper multiplies with.
    (combinations,) = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    jobs: list[Config] = []
    composed_once: dict[tuple[str, ...], Config] = {}
    for words in combinations:
        seeds = [word.removeprefix("seed=") for word in words if word.startswith("seed=")]
        rest = tuple(word for word in words if not word.startswith("seed="))
        # Composing takes tens of milliseconds: once a configuration, not once a seed.
        if rest not in composed_once:
            composed_once[rest] = _compose(rest)
        job = dataclasses.replace(composed_once[rest], seed=_seed(seeds[-1]))
        check(job)
        jobs.append(job)
    _refuse_doubles(jobs)
    return jobs


def _compose(overrides: Sequence[str]) -> Config:
    return checked(hydra_compose("config", overrides=list(overrides)))


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(f"seed = {text}: allowed is a whole number from 0 on") from None


def _refuse_doubles(jobs: Sequence[Config]) -> None:
    seen = set()
    for job in jobs:
        key = canonical_json(dataclasses.asdict(job))
        if key in seen:
            raise UserError(f"seed = {job.seed}: allowed is each seed once a configuration")
        seen.add(key)

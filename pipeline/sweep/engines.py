"""What Hydra's launchers and sweepers need, checked before any work; they would tell late."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.plugin import Plugin
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig

from pipeline.base.errors import UserError

# Semaphores and arguments of joblib's workers; without it, they do not start.
SHARED_MEMORY, SHARED_BYTES = Path("/dev/shm"), 2**20  # noqa: S108 - where Linux has it


def refuse_engine(hydra: DictConfig, jobs: int) -> None:
    """Refuse a launcher or sweeper that could not run.

    Args:
        hydra: Hydra's own section of what it composed.
        jobs: how many there are; 0 for a search.

    Raises:
        UserError: names the key, or what this machine lacks.
    """
    launcher, sweeper = hydra.launcher, hydra.sweeper
    for name, section, kind in (
        ("launcher", launcher, Launcher),
        ("sweeper", sweeper, Sweeper),
    ):
        known = {f"{plugin.__module__}.{plugin.__name__}" for plugin in _plugins(kind)}
        if section._target_ not in known:
            raise UserError(f"hydra.{name}._target_ = {section._target_}: no {name} is called so")
    for key in ("n_trials", "n_jobs", "max_batch_size"):
        value = sweeper.get(key)
        if value is not None and value < 1:
            raise UserError(f"hydra.sweeper.{key} = {value}: allowed is a whole number from 1")
    check = CHECKS.get(str(launcher._target_).rpartition(".")[2])
    if check:
        check(launcher, jobs)


def _plugins(kind: type[Plugin]) -> list[type[Plugin]]:
    return Plugins.instance().discover(kind)


def _joblib(launcher: DictConfig, _: int) -> None:
    if launcher.n_jobs == 0:
        raise UserError("hydra.launcher.n_jobs = 0: allowed is from 1, or -1 for one a core")
    cores = os.environ.get("LOKY_MAX_CPU_COUNT", "1")
    if not cores.isdecimal():
        raise UserError(f"LOKY_MAX_CPU_COUNT = {cores}: allowed is a whole number from 1")
    if launcher.n_jobs != 1 and SHARED_MEMORY.exists():
        free = shutil.disk_usage(SHARED_MEMORY).free
        if free < SHARED_BYTES:
            raise UserError(
                f"{SHARED_MEMORY} has {free} bytes free, workers need {SHARED_BYTES}; "
                "hydra/launcher=basic trains without any"
            )


def _submitit_local(_: DictConfig, jobs: int) -> None:
    cores = len(os.sched_getaffinity(0))
    if jobs > cores:
        raise UserError(
            f"hydra/launcher = submitit_local: allowed are {cores} jobs, one a core, since it "
            f"starts all at once, and these are {jobs}; `local` queues them"
        )


def _slurm(_: DictConfig, __: int) -> None:
    if shutil.which("sbatch") is None:
        raise UserError("hydra/launcher = slurm: sbatch is not on PATH; it comes with SLURM")


CHECKS: dict[str, Callable[[DictConfig, int], None]] = {
    "JoblibLauncher": _joblib,
    "LocalLauncher": _submitit_local,
    "SlurmLauncher": _slurm,
}

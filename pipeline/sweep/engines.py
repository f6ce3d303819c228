"""Check Hydra's launcher and sweeper before any work."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from pipeline.base.errors import UserError, refuse

# Hydra's settings that a command line may change; others would bypass a sweep's checks.
CHOICES = re.compile(
    r"hydra/(launcher|sweeper)(/\w+)?|hydra\.(launcher|sweeper)\.\S+|hydra\.sweep\.dir"
)
# joblib's workers need it for semaphores and arguments.
SHARED_MEMORY, SHARED_BYTES = Path("/dev/shm"), 2**20  # noqa: S108 - where Linux has it


def refuse_override(override: Override) -> None:
    """Refuse an override of Hydra's own settings that a sweep does not allow.

    Raises:
        UserError: it is not allowed.
    """
    key, line = override.key_or_group, str(override.input_line)
    if key.partition(".")[0].partition("/")[0] == "hydra" and (
        not CHOICES.fullmatch(key) or override.is_sweep_override() or "_target_" in line
    ):
        raise UserError(
            f"{line}: allowed of Hydra's own are one hydra/launcher, one hydra/sweeper, their "
            "settings (hydra.launcher.n_jobs=2), and hydra.sweep.dir"
        )


def refuse_engine(hydra: DictConfig) -> None:
    """Refuse a launcher or sweeper that cannot run here.

    Args:
        hydra: Hydra's own section of what it composed.

    Raises:
        UserError: names the key, or what this machine lacks.
    """
    launcher, sweeper = hydra.launcher, hydra.sweeper
    for key in ("n_trials", "n_jobs", "max_batch_size"):
        value = sweeper.get(key)
        if value is not None and value < 1:
            refuse(f"hydra.sweeper.{key}", value, "a whole number from 1")
    direction = sweeper.get("direction")
    if getattr(direction, "name", direction) not in (None, "maximize", "minimize"):
        largest = "maximize, since a search is for the largest validation accuracy, or minimize"
        refuse("hydra.sweeper.direction", direction, largest)
    if sweeper.get("storage") is not None:
        # Hydra's sweeper needs Optuna 2, whose tables SQLAlchemy 2 never completes.
        none = "null; a repeated search continues without one, since the records keep its trials"
        refuse("hydra.sweeper.storage", sweeper.storage, none)
    if not isinstance(sweeper.params or {}, (dict, DictConfig)):
        refuse("hydra.sweeper.params", sweeper.params, "a mapping")
    if launcher._target_.endswith("JoblibLauncher"):
        if launcher.n_jobs == 0:
            any_other = "from 1, or -1 for one per core, -2 for one fewer, and so on"
            refuse("hydra.launcher.n_jobs", 0, any_other)
        cores = os.environ.get("LOKY_MAX_CPU_COUNT", "1")
        if not cores.isdecimal():
            refuse("LOKY_MAX_CPU_COUNT", cores, "a whole number from 1")
        if launcher.n_jobs != 1 and SHARED_MEMORY.exists():
            free = shutil.disk_usage(SHARED_MEMORY).free
            if free < SHARED_BYTES:
                raise UserError(
                    f"{SHARED_MEMORY} has {free} bytes free, workers need {SHARED_BYTES}; "
                    "hydra/launcher=basic trains without any"
                )
    if launcher._target_.endswith("SlurmLauncher") and shutil.which("sbatch") is None:
        raise UserError("hydra/launcher = slurm: sbatch is not on PATH; it comes with SLURM")


def batch_size(hydra: DictConfig) -> int | None:
    """Return how many jobs are launched at once; None if the launcher queues them itself."""
    if hydra.launcher._target_.endswith("LocalLauncher"):  # submitit's
        return len(os.sched_getaffinity(0))
    size: int | None = hydra.sweeper.get("max_batch_size")
    return size

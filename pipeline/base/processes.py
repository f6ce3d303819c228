"""Processes: their names, whether they still run, and stages run in a copy of a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from pipeline.base.errors import StageFailed
from pipeline.base.git import environment

# Of whatever stage this process is.
DVC_VARIABLES = {"DVC_ROOT", "DVC_STAGE", "DVC_EXP_BASELINE_REV", "DVC_EXP_NAME"}
# With this, Python would not look for the package in the folder it is started in.
SAFE_PATH = "PYTHONSAFEPATH"


def own_name() -> str:
    """Return "<pid>:<start time>" of this process, which no later process shares."""
    return process_name(psutil.Process())


def process_name(process: psutil.Process) -> str:
    """Return "<pid>:<start time>": a pid alone can be taken over by another process."""
    return f"{process.pid}:{process.create_time()}"


def is_alive(name: str) -> bool:
    """Tell whether the process called "<pid>:<start time>" still runs."""
    pid, _, started = name.partition(":")
    try:
        process = psutil.Process(int(pid))
        return process.create_time() == float(started) and process.status() != "zombie"
    except (psutil.Error, ValueError, OverflowError):
        return False


def copy_code(root: Path, folder: Path, *more: str) -> None:
    """Copy what a checkout needs to run stages, in place of what is in `folder`.

    Args:
        root: the checkout.
        folder: where to; params.yaml and the data come there in other ways, or by `more`.
        more: what else, where it exists.
    """
    for name in ("pipeline", "conf", "dvc.yaml", ".dvcignore", *more):
        source, target = root / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copyfile(source, target)


def python(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> None:
    """Run `python -m` with `words` in `folder`, by this very Python.

    What git's hooks, DVC's stages and the user have set in the environment to find another checkout
    is left out.

    Raises:
        StageFailed: it failed; it has told why.
    """
    left_out = {*DVC_VARIABLES, SAFE_PATH}
    kept = {name: value for name, value in environment().items() if name not in left_out}
    # Stages say `python`, which has to be this one, also where nobody activated anything.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603 - no shell
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**kept, "PATH": path, **(env or {})},
        check=False,
    )
    if done.returncode:
        raise StageFailed(f"`python -m {' '.join(words)}` failed in {folder}; see above")

"""Name processes, tell whether they still run, and run stages in a copy of a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from pipeline.base.errors import Failed
from pipeline.base.git import environment

# DVC sets these for the commands of a stage.
DVC_VARIABLES = {"DVC_ROOT", "DVC_STAGE", "DVC_EXP_BASELINE_REV", "DVC_EXP_NAME"}
# What stages run. A record holds the uncommitted changes of these files.
CODE = ("pipeline", "conf", "dvc.yaml", ".dvcignore")
# If it is set, Python does not look for the package in the working directory.
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
    """Copy the files that stages need, replacing those in `folder`.

    Args:
        root: the checkout.
        folder: the copy, without params.yaml and data.
        more: other files and folders to copy, if they exist.
    """
    for name in (*CODE, *more):
        source, target = root / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            ignored = shutil.ignore_patterns("__pycache__", ".#*")  # an editor's lock is a bad link
            shutil.copytree(source, target, ignore=ignored)
        elif source.exists():
            shutil.copyfile(source, target)


def for_modules(variables: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables with which `python -m` finds the package in its folder."""
    return {name: value for name, value in variables.items() if name != SAFE_PATH}


def python(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> None:
    """Run `python -m` with `words` in `folder`, with this Python.

    Environment variables of git, DVC and the user that point to another checkout are removed.

    Raises:
        Failed: it failed; it has printed why.
    """
    variables = for_modules(environment())
    kept = {name: value for name, value in variables.items() if name not in DVC_VARIABLES}
    # Stages call `python`, which has to be this one even if no environment is activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603 - no shell
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**kept, "PATH": path, **(env or {})},
        check=False,
    )
    if done.returncode:
        raise Failed(f"`python -m {' '.join(words)}` failed in {folder}; see above")

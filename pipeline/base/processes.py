"""Processes: their names, whether they still run, and running a stage in another checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from pipeline.base.errors import StageFailed
from pipeline.base.git import environment

# Of whatever stage this process is.
DVC_VARIABLES = {"DVC_ROOT", "DVC_STAGE", "DVC_EXP_BASELINE_REV", "DVC_EXP_NAME"}


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


def python(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> None:
    """Run `python -m` with `words` in `folder`, by this very Python.

    What git's hooks and DVC's stages have set in the environment speaks of another checkout and
    is left out.

    Raises:
        StageFailed: it failed; it has told why.
    """
    kept = {name: value for name, value in environment().items() if name not in DVC_VARIABLES}
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

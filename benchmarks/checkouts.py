"""Fresh checkouts to measure in: the code and the raw data of this one, nothing made yet."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from pipeline.base.paths import Paths, find_root
from pipeline.base.processes import copy_code


def fresh(folder: Path) -> Paths:
    """Make a checkout in `folder`, for `python -m` and `dvc` to run in."""
    root = find_root()
    copy_code(root, folder, "params.yaml")
    # As DVC makes them, for sweeps; and as they are given, since DVC makes them anew.
    for name in ("raw", "given"):
        shutil.copytree(root / "data" / "raw", folder / "data" / name)
    return Paths(folder)


def run(paths: Paths, *words: str) -> subprocess.Popen[bytes]:
    """Start `python -m` with `words` in a checkout, its output thrown away."""
    folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([folder, os.environ.get("PATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=paths.root,
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL,
    )


def timed(paths: Paths, *commands: tuple[str, ...]) -> float:
    """Return the seconds that commands take, one after the other."""
    started = time.perf_counter()
    for words in commands:
        process = run(paths, *words)
        if process.wait():
            raise SystemExit(process.returncode)
    return time.perf_counter() - started

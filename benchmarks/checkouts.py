"""Make fresh checkouts to measure in, with the code and raw data of this one."""

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
    # In data/raw for sweeps without DVC, and in data/given for DVC, which empties data/raw.
    for name in ("raw", "given"):
        shutil.copytree(root / "data" / "raw", folder / "data" / name)
    return Paths(folder)


def run(paths: Paths, *words: str) -> subprocess.Popen[bytes]:
    """Start `python -m` with `words` in a checkout; discard its output."""
    folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([folder, os.environ.get("PATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=paths.root,
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL,
    )


def timed(paths: Paths, *commands: tuple[str, ...]) -> float:
    """Return the seconds that commands take one after another."""
    started = time.perf_counter()
    for words in commands:
        process = run(paths, *words)
        if process.wait():
            raise SystemExit(process.returncode)
    return time.perf_counter() - started

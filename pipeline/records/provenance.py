"""Where a run came from: commit, uncommitted changes, lock file, machine.

Convention: what cannot be known is None, never a guess; environment variables are not recorded.
"""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.files import sha256


@cache
def provenance(root: Path) -> dict[str, Any]:
    """Return commit, uncommitted diff, lock-file hash, host, CPU and Python of this process."""
    commit = _git(root, "rev-parse", "HEAD")
    diff = _git(root, "diff", "HEAD", "--", "pipeline", "conf", "params.yaml", "dvc.yaml")
    lock = root / "requirements.lock"
    return {
        "commit": commit,
        "dirty": None if diff is None else bool(diff),
        "diff": diff or None,
        "lock": sha256(lock.read_bytes()) if lock.exists() else None,
        "host": platform.node(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def made_by(root: Path) -> list[tuple[str, str]]:
    """Return which code this process runs, with which packages, for a person to read."""
    found = provenance(root)
    changes = " with uncommitted changes" if found["dirty"] else ""
    return [
        ("commit", f"{found['commit'] or 'unknown: this is no checkout of git'}{changes}"),
        ("lock file, SHA-256", found["lock"] or "there is none"),
    ]


def _git(root: Path, *arguments: str) -> str | None:
    # A checkout may lie, without git, inside somebody else's repository.
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            ["git", *arguments],  # noqa: S607 - the user's own git
            cwd=root,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or None
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else None

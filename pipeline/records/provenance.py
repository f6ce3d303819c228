"""Where a run came from: commit, uncommitted changes, lock file, machine.

Convention: an unknown value is None, never a guess; environment variables are not recorded. No
result depends on these values.
"""

from __future__ import annotations

import os
import platform
import stat
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import threadpoolctl

from pipeline.base.errors import UserError
from pipeline.base.files import sha256
from pipeline.base.git import GitError, borrow, git, head
from pipeline.base.masking import masked, one_line
from pipeline.base.processes import CODE
from pipeline.engine.code import machine

# In bytes. A larger diff is not kept: it comes from a data file, not from changed code.
LARGEST_DIFF = 2**20
LIBRARIES = {"NumPy": "numpy", "SciPy": "scipy", "llvmlite": "llvmlite"}


@cache
def provenance(root: Path) -> dict[str, Any]:
    """Return commit, uncommitted changes, lock-file hash, host, CPU and Python of this process.

    Never fails. `git` is the reason why git failed. `changed` names the files that differ from the
    commit, `diff` is the change itself (see `diff_bytes`), and `masked` is true if a password was
    removed from it, so that it is not exactly what ran.
    """
    cpu = _content(Path("/proc/cpuinfo")).decode(errors="replace").partition("model name")[2]
    lock = _content(root / "requirements.lock")
    return {
        **_changes(root),
        "lock": sha256(lock) if lock else None,
        "host": platform.node(),
        "cpu": cpu.partition("\n")[0].strip("\t :") or platform.processor() or None,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "environment": numeric_environment(),
    }


def numeric_environment() -> dict[str, str]:
    """Return versions of libraries, NumPy's BLAS with kernel and threads, and LLVM's target."""
    blas = [
        f"{library['internal_api']} {library['version']} {library.get('architecture', '')}, "
        f"{library['num_threads']} thread"
        for library in threadpoolctl.threadpool_info()
        # SciPy and scikit-learn bring their own BLAS, which no whitening here uses.
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    ]
    return {
        **{name: version(package) for name, package in LIBRARIES.items()},
        "BLAS": "; ".join(blas),
        "compiled for": machine().cpu,
    }


def diff_bytes(origin: Mapping[str, Any]) -> bytes:
    """Return the uncommitted diff of a record's origin, ready for `pipeline.base.git.apply`.

    Raises:
        UserError: its text is no diff.
    """
    try:
        # In JSON, bytes that are not UTF-8 are lone surrogates.
        return (origin.get("diff") or "").encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise UserError("diff of the record's origin: allowed is the text of a diff") from None


def made_by(root: Path) -> list[tuple[str, str]]:
    """Return commit and lock file of this process, as readable names and values."""
    known = provenance(root)
    commit = known["commit"] or f"unknown: {known['git']}"
    if known["dirty"]:
        commit += " with uncommitted changes"
    elif known["commit"] and known["git"]:
        commit += f" (uncommitted changes unknown: {known['git']})"
    return [("commit", commit), ("lock file, SHA-256", known["lock"] or "there is none")]


def _changes(root: Path) -> dict[str, Any]:
    known: dict[str, Any] = dict.fromkeys(("commit", "git", "dirty", "changed", "diff", "masked"))
    try:
        known["commit"] = head(root)
        with tempfile.TemporaryDirectory() as folder:
            names, diff = _diff(root, known["commit"], Path(folder))
    except (GitError, OSError) as error:
        return {**known, "git": one_line(error)}
    changed = [name.decode(errors="backslashreplace") for name in names]
    known |= {"dirty": bool(names), "changed": changed}
    if diff is not None:
        text = diff.decode(errors="surrogateescape")
        known |= {"diff": masked(text), "masked": masked(text) != text}
    return known


def _diff(root: Path, commit: str, folder: Path) -> tuple[list[bytes], bytes | None]:
    """Return the names of the code's files that differ from the commit, and the diff.

    The comparison uses a temporary repository in `folder`, whose index is the commit's. So the
    user's index does not matter, and new files are part of the diff.
    """
    borrow(root, folder, commit)
    mode = git(root, "config", "--local", "--type=bool", "--default=true", "core.fileMode")
    words = (f"--work-tree={root.resolve()}", "-c", f"core.fileMode={mode.decode().strip()}")
    git(folder, *words, "reset", "--quiet", commit)
    options = ("--no-renames", "--ignore-submodules=none")
    command = ("status", "--porcelain", "-z", "--untracked-files=all")
    listed = git(folder, *words, *command, *options, "--", *CODE)
    names = sorted(entry[3:] for entry in listed.split(b"\0") if entry)
    if sum(_size(root / os.fsdecode(name)) for name in names) > LARGEST_DIFF:
        return names, None
    if names:
        from_stdin = ("--pathspec-from-file=-", "--pathspec-file-nul")
        git(folder, *words, "add", "--all", *from_stdin, stdin=b"\0".join(names))
    command = ("diff", "--cached", "--binary", "--full-index")
    diff = git(folder, *words, *command, *options, commit, "--", *CODE)
    return names, diff if len(diff) <= LARGEST_DIFF else None


def _size(path: Path) -> float:
    """Return the size of a file in bytes; 0 if it is deleted, infinity for a folder."""
    try:
        state = path.lstat()
    except OSError:  # deleted
        return 0
    return float("inf") if stat.S_ISDIR(state.st_mode) else state.st_size


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

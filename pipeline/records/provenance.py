"""Where a run came from: commit, uncommitted changes, lock file, machine.

Convention: what cannot be known is None, never a guess; environment variables are not recorded.
"""

from __future__ import annotations

import os
import platform
import stat
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.base.errors import UserError
from pipeline.base.files import sha256
from pipeline.base.git import GitError, borrow, git, head
from pipeline.base.masking import masked, printable
from pipeline.records.environment import numeric_environment

# What decides a result, beside the experiment, which a record's description holds.
CODE = ("pipeline", "conf", "dvc.yaml")
# A larger diff is not kept, in bytes. It is no change of code, but a file that lies in its folder.
LARGEST_DIFF = 2**20


@cache
def provenance(root: Path) -> dict[str, Any]:
    """Return commit, uncommitted changes, lock-file hash, host, CPU and Python of this process.

    Never fails. `git` is the reason why git could not be asked. `changed` names the files that
    differ from the commit, `diff` is the change itself (see `diff_bytes`), and `masked` says that
    a password was taken out of it, so that it is not quite what ran.
    """
    return {
        **_changes(root),
        "lock": _digest(root / "requirements.lock"),
        "host": platform.node(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "environment": numeric_environment(),
    }


def diff_text(diff: bytes) -> str:
    """Return a diff as JSON can hold it: bytes that are not UTF-8 become lone surrogates."""
    return diff.decode(errors="surrogateescape")


def diff_bytes(origin: Mapping[str, Any]) -> bytes:
    """Return the uncommitted diff that a provenance holds, ready for `pipeline.base.git.apply`.

    Raises:
        UserError: what is there was never a diff.
    """
    diff = origin.get("diff") or ""
    try:
        return diff.encode(errors="surrogateescape")
    except (AttributeError, UnicodeEncodeError):
        raise UserError("diff of the record's origin: allowed is the text of a diff") from None


def made_by(root: Path) -> list[tuple[str, str]]:
    """Return which code this process runs, with which packages, for a person to read."""
    known = provenance(root)
    changes = " with uncommitted changes" if known["dirty"] else ""
    unknown = f" (uncommitted changes unknown: {known['git']})" if known["git"] else ""
    commit = (
        f"{known['commit']}{changes}{unknown}" if known["commit"] else f"unknown: {known['git']}"
    )
    return [
        ("commit", commit),
        ("lock file, SHA-256", known["lock"] or "there is none"),
    ]


def _changes(root: Path) -> dict[str, Any]:
    known: dict[str, Any] = dict.fromkeys(("commit", "git", "dirty", "changed", "diff", "masked"))
    try:
        known["commit"] = head(root)
        with tempfile.TemporaryDirectory() as folder:
            names, diff = _diff(root, known["commit"], Path(folder))
    except (GitError, OSError) as error:
        return {**known, "git": printable(" ".join(str(error).split()))}
    changed = [name.decode(errors="backslashreplace") for name in names]
    known |= {"dirty": bool(names), "changed": changed}
    if diff is not None:
        text = diff_text(diff)
        known |= {"diff": masked(text), "masked": masked(text) != text}
    return known


def _diff(root: Path, commit: str, folder: Path) -> tuple[list[bytes], bytes | None]:
    """Return the names of the code's files that differ from the commit, and the diff.

    The files are compared in a repository of our own, in `folder`: its index is the commit's, so
    that nothing that the user's index hides or stages matters, and new files are part of it.
    """
    borrow(root, folder, commit)
    mode = git(root, "config", "--local", "--type=bool", "--default=true", "core.fileMode")
    words = (f"--work-tree={root.resolve()}", "-c", f"core.fileMode={mode.decode().strip()}")
    git(folder, *words, "read-tree", commit)
    listed = git(folder, *words, "ls-files", "-z", "--others", "--exclude-standard", "--", *CODE)
    # A name that ends with a slash is a repository inside this one, which no diff can hold.
    new = [name for name in listed.split(b"\0") if name]
    files = b"\0".join(name for name in new if not name.endswith(b"/"))
    if files:
        from_stdin = ("--pathspec-from-file=-", "--pathspec-file-nul")
        git(folder, *words, "add", "--intent-to-add", *from_stdin, stdin=files)
    compared = ("diff", "--no-renames", "--ignore-submodules=none")
    listed = git(folder, *words, *compared, "--name-only", "-z", commit, "--", *CODE)
    names = sorted({*listed.split(b"\0"), *new} - {b""})
    if sum(_size(root / os.fsdecode(name)) for name in names) > LARGEST_DIFF:
        return names, None
    diff = git(folder, *words, *compared, "--binary", "--full-index", commit, "--", *CODE)
    return names, diff if len(diff) <= LARGEST_DIFF else None


def _size(path: Path) -> float:
    """Return the size in bytes of what can be in a diff; of a folder, infinity."""
    try:
        found = path.lstat()
    except OSError:  # deleted
        return 0
    return float("inf") if stat.S_ISDIR(found.st_mode) else found.st_size


def _digest(path: Path) -> str | None:
    try:
        return sha256(path.read_bytes())
    except OSError:
        return None


def _cpu() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor() or None
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else None

"""Run git, independently of the user's settings; no other module runs it.

Git reads settings from the environment (hooks export GIT_DIR and GIT_INDEX_FILE), from the user's
and the machine's files, and from the repository. The first two are disabled. What depends on the
third (attributes, filters, line ends, the index) runs in a temporary repository, which shares the
user's objects but not the settings: see `borrow`.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from pipeline.base.masking import printable

TIMEOUT = 60.0  # seconds
FULL_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Git stores and restores files byte for byte, and runs no filter.
ATTRIBUTES = b"* -text !eol -filter -ident -working-tree-encoding !diff\n"
FIXED_WORDS = (
    *("git", "--no-pager", "--literal-pathspecs"),
    *("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"),
    # Both have defaults in the home folder, which git reads even without configuration.
    *("-c", f"core.excludesFile={os.devnull}", "-c", f"core.attributesFile={os.devnull}"),
)
FIXED_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # a partial clone would fetch what it lacks
}
NO_CONFIGURATION = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


class GitError(Exception):
    """Git failed; the text is git's message, in one printable line."""


def environment() -> dict[str, str]:
    """Return this process's environment without git's variables, for a child that uses git."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def git(folder: Path, *words: str, stdin: bytes = b"") -> bytes:
    """Run git in the checkout `folder`; returns its standard output, byte for byte.

    Raises:
        GitError: git failed, or `folder` has no `.git` of its own: it may lie inside another
            repository.
    """
    if not os.path.exists(folder / ".git"):
        raise GitError(f"{folder} is not a git checkout")
    return _run(folder, *words, stdin=stdin)


def head(folder: Path) -> str:
    """Return the full hash of the commit that is checked out in `folder`.

    Raises:
        GitError: there is none.
    """
    return _of_head(folder, "%H")


def commit_date(folder: Path) -> str:
    """Return the date of the commit that is checked out in `folder`, in ISO 8601.

    Raises:
        GitError: there is none.
    """
    return _of_head(folder, "%cI")


def _of_head(folder: Path, value: str) -> str:
    # `log` has the clearest message for a branch without a commit.
    words = ("log", "-1", f"--format={value}", "--no-patch", "--no-show-signature")
    return git(folder, *words).decode().strip()


def reachable(folder: Path, commit: str) -> bool:
    """Tell whether `commit` is a full hash in the history of a local branch, a tag or HEAD.

    Dangling commits, stashes and commits of remote branches alone do not count. `commit` is not
    trusted, so it is not passed to git.

    Raises:
        GitError: git cannot tell.
    """
    listed = git(folder, "rev-list", "--ignore-missing", "--branches", "--tags", "HEAD")
    return commit in listed.decode().split()


def borrow(folder: Path, target: Path, commit: str) -> None:
    """Make a repository at `target` that shares the objects of `folder`, not its settings.

    Raises:
        GitError: git failed, or `commit` is not a full hash.
    """
    if not FULL_HASH.fullmatch(commit):
        raise GitError(f"{commit!r} is not the full hash of a commit")
    paths = ("rev-parse", "--path-format=absolute", "--git-path")
    objects, shallow = (git(folder, *paths, name)[:-1] for name in ("objects", "shallow"))
    target.mkdir(parents=True, exist_ok=True)
    kind = "sha1" if len(commit) == 40 else "sha256"
    _run(
        target, "init", "--quiet", "--template=", "--initial-branch=main", f"--object-format={kind}"
    )
    (target / ".git/info").mkdir()
    (target / ".git/info/attributes").write_bytes(ATTRIBUTES)
    (target / ".git/objects/info/alternates").write_bytes(objects + b"\n")
    if os.path.exists(shallow):
        (target / ".git/shallow").write_bytes(Path(os.fsdecode(shallow)).read_bytes())


def clone(folder: Path, target: Path, commit: str) -> None:
    """Check out `commit` of the checkout `folder` at `target`, byte for byte as committed.

    Raises:
        GitError: git failed, or `commit` is not the full hash of a commit it has.
    """
    borrow(folder, target, commit)
    git(target, "checkout", "--quiet", "--detach", commit)


def apply(folder: Path, patch: bytes) -> None:
    """Apply a patch to the files in a folder, all of it or nothing.

    Git refuses a patch of files elsewhere, or behind links.

    Raises:
        GitError: it does not fit exactly.
    """
    if patch:
        _run(folder, "apply", "--whitespace=nowarn", "-", stdin=patch)


def _run(folder: Path, *words: str, stdin: bytes = b"") -> bytes:
    settings = FIXED_ENVIRONMENT | {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent)}
    # For another user's checkout, git needs the setting `safe.directory`.
    if _owned(folder):
        settings |= NO_CONFIGURATION
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            [*FIXED_WORDS, *words],
            cwd=folder,
            env=environment() | settings,
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise GitError("git is not on PATH") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {words[0]} took longer than {TIMEOUT:g} s") from None
    except OSError as error:
        raise GitError(f"git could not be started: {error.strerror}") from None
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="backslashreplace").split())
        raise GitError(printable(reason) or f"git {words[0]} ended with {done.returncode}")
    return done.stdout


def _owned(folder: Path) -> bool:
    parts = (part for part in (folder, folder / ".git") if os.path.exists(part))
    return all(os.stat(part).st_uid == os.geteuid() for part in parts)

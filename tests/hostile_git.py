"""Users of git whose settings lie or run programs, and one who has set nothing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.base.paths import find_root

HOOKS = ("post-checkout", "post-index-change", "reference-transaction")
ATTRIBUTES = b"* text eol=crlf filter=trap diff=trap ident\n*.py -diff\n"
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER")
       for what in ("NAME", "EMAIL")},
}  # fmt: skip


def by_user(folder: Path, *words: str, **variables: str) -> str:
    """Run git as a user does who has set nothing but `variables`."""
    done = subprocess.run(
        ["git", *words], cwd=folder, env=CLEAN | variables, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def commit_all(folder: Path, message: str = "all", **variables: str) -> str:
    by_user(folder, "add", "--all")
    by_user(folder, "commit", "--quiet", "--allow-empty", f"--message={message}", **variables)
    return by_user(folder, "rev-parse", "HEAD")


def under_git(folder: Path, **variables: str) -> None:
    """Make a repository of a checkout, with a first commit of all that git does not ignore."""
    shutil.copyfile(find_root() / ".gitignore", folder / ".gitignore")
    by_user(folder, "init", "--quiet", "--initial-branch=main")
    # For those who commit without the variables above, such as DVC.
    by_user(folder, "config", "user.name", "Nobody")
    by_user(folder, "config", "user.email", "nobody@example.org")
    commit_all(folder, **variables)


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


HOSTILE_CONFIGURATION = """
[core]
    autocrlf = true
    eol = crlf
    pager = touch {trap}
    fsmonitor = touch {trap}
    hooksPath = {hooks}
    sshCommand = touch {trap}
    quotePath = false
    abbrev = 4
[color]
    ui = always
[diff]
    noprefix = true
    mnemonicPrefix = true
    external = touch {trap}
    algorithm = patience
    context = 0
    renames = copies
    ignoreSubmodules = all
    suppressBlankEmpty = true
    wordRegex = .
    orderFile = /nonexistent
[diff "trap"]
    textconv = touch {trap} #
    command = touch {trap} #
    binary = true
[filter "trap"]
    clean = touch {trap} #
    smudge = touch {trap} #
    process = touch {trap} #
    required = true
[apply]
    whitespace = error-all
    ignoreWhitespace = change
[log]
    showSignature = true
[gpg]
    program = touch {trap} #
[init]
    templateDir = {hooks}
    defaultObjectFormat = sha256
[advice]
    detachedHead = true
"""


@pytest.fixture
def hostile(tmp_path: Path) -> str:
    """Return a configuration of git in which everything that can lie or run a program does."""
    hooks = tmp_path / "hooks"
    trap = hooks.with_name("sprung")
    for name in HOOKS:
        write(hooks, {name: f"#!/bin/sh\ntouch {trap}\n".encode()})
        (hooks / name).chmod(0o755)
    return HOSTILE_CONFIGURATION.format(trap=trap, hooks=hooks)


@pytest.fixture
def hostile_home(hostile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the home folder and the environment be hostile; returns the file that no one writes."""
    home = tmp_path / "home"
    write(
        home,
        {
            ".gitconfig": hostile.encode(),
            ".config/git/attributes": ATTRIBUTES,
            ".config/git/ignore": b"*\n",
        },
    )
    for name, value in {
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_DIR": "/nonexistent",
        "GIT_WORK_TREE": "/nonexistent",
        "GIT_INDEX_FILE": "/nonexistent/index",
        "GIT_OBJECT_DIRECTORY": "/nonexistent",
        "GIT_EXTERNAL_DIFF": "echo",
        "GIT_DIFF_OPTS": "--unified=0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "diff.noprefix",
        "GIT_CONFIG_VALUE_0": "true",
        "LC_ALL": "de_DE.UTF-8",
        "LANGUAGE": "de",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path / "sprung"


def make_hostile(root: Path, configuration: str, sprung: Path) -> None:
    """Turn the checkout's own settings against whoever runs git in it."""
    with (root / ".git/config").open("a") as file:
        file.write(f"{configuration}\n[core]\n    worktree = {root.parent}\n")
    trap = f"#!/bin/sh\ntouch {sprung}\n".encode()
    for name in HOOKS:
        write(root / ".git/hooks", {name: trap})
        (root / ".git/hooks" / name).chmod(0o755)
    write(root / ".git/info", {"attributes": ATTRIBUTES, "exclude": b"*\n"})

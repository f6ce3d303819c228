"""A result that was shared: two seeds of the demo, in a checkout of git."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.base.paths import find_root
from pipeline.share.contents import CODE, FILES, FOLDERS
from pipeline.share.send import share
from tests.conftest import NOT_LIVE, Checkout, copy_of, reproduce

GIT = ("git", "-c", "user.name=A. Author", "-c", "user.email=a@example.org")


def commit(checkout: Checkout, date: str = "2026-01-02T03:04:05+01:00") -> None:
    for words in (["add", *CODE, *FOLDERS], ["commit", "--quiet", "--message", "all of it"]):
        subprocess.run(
            [*GIT, *words],
            cwd=checkout.paths.root,
            env={"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date},
            check=True,
        )


@pytest.fixture(scope="session")
def published(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with a commit, and with the runs and results of two seeds."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("published"))
    root = checkout.paths.root
    for name in (
        ".gitignore",
        "CITATION.cff",
        "LICENSE",
        "Makefile",
        "README.md",
        "pyproject.toml",
    ):
        shutil.copyfile(find_root() / name, root / name)
    shutil.copyfile(find_root() / "requirements.lock", root / "requirements.lock")
    checkout.declare(training={"epochs": 2}, seeds=[0, 1], tracking=NOT_LIVE)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    commit(checkout)
    reproduce(checkout)
    assert all((root / name).exists() for name in FILES)
    return checkout


@pytest.fixture(scope="session")
def shared(published: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the zip file of its result."""
    path = tmp_path_factory.mktemp("shared") / "result.zip"
    path.write_bytes(share(published.paths))
    return path

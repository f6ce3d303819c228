"""A result that was shared: two seeds of the demo, in a checkout of git."""

import shutil
from pathlib import Path

import pytest

from pipeline.base.paths import find_root
from pipeline.share.contents import FILES
from pipeline.share.send import share
from tests.conftest import NOT_LIVE, Checkout, copy_of, reproduce
from tests.hostile_git import under_git


@pytest.fixture(scope="session")
def published(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with a commit, and with the runs and results of two seeds."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("published"))
    root = checkout.paths.root
    for name in (
        "CITATION.cff",
        "LICENSE",
        "Makefile",
        "README.md",
        "pyproject.toml",
        "requirements.lock",
    ):
        shutil.copyfile(find_root() / name, root / name)
    checkout.declare(training={"epochs": 2}, seeds=[0, 1], tracking=NOT_LIVE)
    under_git(root, GIT_COMMITTER_DATE="2026-01-02T03:04:05+01:00")
    reproduce(checkout)
    assert all((root / name).exists() for name in FILES)
    return checkout


@pytest.fixture(scope="session")
def shared(published: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the zip file of its result."""
    path = tmp_path_factory.mktemp("shared") / "result.zip"
    path.write_bytes(share(published.paths))
    return path

"""The commands and the Python code of README and docs/ work as they stand there."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.base.paths import Paths, find_root
from tests.conftest import NOT_LIVE, Checkout, reproduce, run_python
from tests.hostile_git import by_user, commit_all

ROOT = find_root()
# Without docs/extending.md, which `test_extending.py` follows, and docs/tracking.md, whose model
# tests/tracking/test_model.py serves.
PAGES = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in (
    "data", "reproducing", "running", "sharing", "sweeps"
))]  # fmt: skip
# What git has of a checkout, beside the code.
FILES = (".gitignore", "CITATION.cff", "LICENSE", "Makefile", "README.md", "pyproject.toml",
         "requirements.lock")  # fmt: skip


@pytest.fixture(scope="module")
def documented(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout as the pages assume it: with results, a sweep, a branch, a data set."""
    # `dvc exp run` fails in a folder whose name has umlauts.
    root = tmp_path_factory.mktemp("documented") / "checkout"
    shutil.copytree(prepared_checkout, root)
    checkout = Checkout(Paths(root))
    for name in FILES:
        shutil.copyfile(ROOT / name, root / name)
    shutil.copyfile(root / "conf" / "data" / "digits.yaml", root / "conf" / "data" / "letters.yaml")
    checkout.declare(training={"epochs": 1}, seeds=[0, 1], tracking=NOT_LIVE)
    by_user(root, "init", "--quiet", "--initial-branch=main")
    checkout.run("dvc", "config", "core.no_scm", "false")
    commit_all(root)
    by_user(root, "checkout", "--quiet", "-b", "lr05")
    checkout.declare(training={"learning_rate": 0.05})
    reproduce(checkout)
    commit_all(root)
    by_user(root, "checkout", "--quiet", "main")
    reproduce(checkout)
    commit_all(root)
    checkout.train("preprocess=raw,standardise", "hydra.sweep.dir=sweeps/2026-11-23_16-17-45")
    checkout.run("pipeline", "share")
    return checkout


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def follow(words: list[str], checkout: Checkout) -> None:
    """Run a command; trainings and `make` only say what they would do, experiments are queued."""
    program, *rest = words
    if program == "make":
        done = subprocess.run(
            ["make", "--dry-run", *rest],
            cwd=checkout.paths.root,
            capture_output=True,
            text=True,
            check=True,
        )
        if rest[0] == "sweep":
            follow(shlex.split(done.stdout.splitlines()[-1])[2:], checkout)
    elif rest[:1] == ["train"]:
        # tests/sweep runs a search, which cannot say in advance what it would train.
        if "hydra/sweeper=search" not in rest:
            checkout.run(program, *rest, "dry_run=true")
    elif words[:3] == ["dvc", "exp", "run"]:
        checkout.run(*words, "--queue")
        checkout.run("dvc", "queue", "remove", "--all")
    else:
        checkout.run(*words)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_every_command_of_a_page_works(page: Path, documented: Checkout) -> None:
    for block in blocks(page, "bash"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            # Exercises have tests of their own.
            if words and "exercises" not in line:
                follow(words, documented)


@pytest.mark.slow
def test_a_table_of_experiments_fits_the_columns_that_the_page_says(documented: Checkout) -> None:
    (words,) = re.findall(r"^dvc (exp show .*--drop .*) # the same in 100 columns$",
                          (ROOT / "docs" / "running.md").read_text(), re.MULTILINE)  # fmt: skip
    table = documented.run("dvc", *shlex.split(words), env={"COLUMNS": "200"}).stdout
    assert max(map(len, table.splitlines())) <= 100


# Arrays that the pages do not make.
GIVEN = """
import numpy as np
images = x_train = x_test = np.zeros((3, 64), np.uint8)
y_train = y_test = np.zeros(3, np.uint8)
"""


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_the_python_code_of_a_page_works(page: Path, documented: Checkout) -> None:
    for block in blocks(page, "python"):
        run_python("-c", GIVEN + block, cwd=documented.paths.root)

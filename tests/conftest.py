"""What all tests share: one BLAS thread, as in every stage, and checkouts to run stages in."""

import pipeline  # isort: skip  # noqa: F401  # before NumPy: chooses its threads and kernels

import compileall
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from pipeline.base.config import compose
from pipeline.base.errors import UserError
from pipeline.base.files import sha256
from pipeline.base.paths import Paths, find_root
from pipeline.data.catalogue import DATASETS
from pipeline.data.sources import obtain, user_cache
from pipeline.demo import prepare
from pipeline.stages.download import download
from pipeline.stages.encode import encode
from pipeline.stages.evaluate import evaluate
from pipeline.stages.preprocess import preprocess
from pipeline.stages.report import report
from pipeline.stages.split import split
from tests.declared import declared
from tests.pythons import OF_MAKE

# Stages say `python`, which has to be this one, also where nobody activated anything.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# Of `make test`, for a `make` that a test runs.
for name in OF_MAKE:
    os.environ.pop(name, None)

# A shell starts what runs in its background with Ctrl-C ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Of the section `tracking` of params.yaml. The mirror beside a sweep has tests of its own;
# importing MLflow takes as long as the sweeps here.
NOT_LIVE = {"live": False}

# A folder's name may hold what shells and URLs trip over.
AWKWARD = "ein Ordner für Übungen"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run fast tests first, to report failures early.

    On several cores those that run stages come first instead, since they take minutes a file:
    the many that take no time fill whatever core is free at the end.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
    in_checkouts = [item for item in items if "prepared_checkout" in _fixtures(item)]
    for item in in_checkouts:
        item.add_marker("checkout")
    if "PYTEST_XDIST_WORKER" in os.environ:
        heavy = {item.path for item in in_checkouts}
        items.sort(key=lambda item: item.path not in heavy)


def _fixtures(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


def run_python(
    *words: str,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
    prefix: Sequence[str] = (),
    check: bool = True,
    timeout: float = 240,
) -> subprocess.CompletedProcess[str]:
    """Run this Python with `words`.

    Args:
        cwd: the folder to run it in; this checkout by default.
        env: how its environment variables differ from this process's; None removes one.
        prefix: a program that starts it, with its words.
        check: whether it must exit with 0.
    """
    variables: dict[str, str | None] = {**os.environ, **(env or {})}
    done = subprocess.run(
        [*prefix, sys.executable, *words],
        cwd=cwd or find_root(),
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    if check and done.returncode:
        raise AssertionError(f"{words} exited {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def hashes(root: Path, *below: str, but: Collection[str] = ()) -> dict[str, str]:
    """Return the SHA-256 of every file in `root`, by its path from there.

    Args:
        root: a folder.
        below: the folders in it to look at; all of it by default.
        but: names of files and folders to leave out.
    """
    found = (path for name in below or (".",) for path in sorted((root / name).rglob("*")))
    return {
        str(path.relative_to(root)): sha256(path.read_bytes())
        for path in found
        if path.is_file() and not {*path.relative_to(root).parts} & {*but}
    }


@dataclass(frozen=True)
class Checkout:
    """A copy of the pipeline with the demo's small experiment, in a folder of its own."""

    paths: Paths

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `python -m` with `words` in the checkout; `options` are those of `run_python`."""
        return run_python("-m", *words, cwd=self.paths.root, **options)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `python -m` with `words` in the checkout, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=self.paths.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def declare(self, **values: Any) -> None:
        """Set values of `params.yaml`; of a section, those that are given."""
        params = yaml.safe_load(self.paths.params.read_text())
        for name, value in values.items():
            params[name] = {**params[name], **value} if isinstance(value, dict) else value
        self.paths.params.write_text(yaml.safe_dump(params, sort_keys=False))

    def train(self, *overrides: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a sweep without its live mirror, which has tests of its own."""
        return self.run("pipeline.stages.train", "tracking.live=false", *overrides, check=check)


class Recorded(NamedTuple):
    """The true classes of the test images, (N,), and every seed's answers, (seeds, N)."""

    actual: NDArray[np.int64]
    predicted: NDArray[np.int64]


def recorded_answers(paths: Paths) -> Recorded:
    """Return what the evaluate stage wrote of single images."""
    table = np.loadtxt(paths.predictions, delimiter=",", skiprows=1, usecols=(0, 2, 3), dtype=int)
    by_seed = table.reshape(len(np.unique(table[:, 0])), -1, 3)
    return Recorded(by_seed[0, :, 1], by_seed[..., 2])


def copy_of(root: Path, folder: Path) -> Checkout:
    """Return a copy of the checkout in `root`, below `folder`."""
    copied = folder / AWKWARD
    shutil.copytree(root, copied)
    return Checkout(Paths(copied))


@pytest.fixture
def free_port() -> int:
    """Return a free port on loopback."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@pytest.fixture
def away(tmp_path: Path) -> dict[str, str | None]:
    """Return how the environment differs where nobody can be reached and no data set is cached."""
    nobody = "http://127.0.0.1:9"
    return {
        "http_proxy": nobody,
        "https_proxy": nobody,
        "no_proxy": None,
        "NO_PROXY": None,
        "MNIST_MIRROR": None,
        "XDG_CACHE_HOME": str(tmp_path / "empty"),
    }


@pytest.fixture(scope="session")
def mnist_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of the four MNIST files, unpacked; skip where they would be downloaded."""
    here, scratch = Paths(find_root()), Paths(tmp_path_factory.mktemp("mnist") / "checkout")
    local = replace(DATASETS["mnist"], mirrors=[])
    mirror, cache = os.environ.get("MNIST_MIRROR"), user_cache("mnist")
    for folder in (here.raw("mnist"), here.given("mnist"), here.beside("mnist")):
        with contextlib.suppress(UserError):
            obtain(local, scratch, folder=str(folder), mirror=mirror, cache=cache)
            return scratch.raw("mnist")
    pytest.skip("the MNIST files are not here; `make repro` gets them")


@pytest.fixture(scope="session")
def prepared_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare one checkout with the embedded digits, for copies to start from.

    With what every copy would otherwise do again for seconds: the stages before training, whose
    split needs scikit-learn in each process that has to draw it, and compiling the code.
    """
    root = tmp_path_factory.mktemp("prepared") / AWKWARD
    prepare(declared().root, root)
    paths = Paths(root)
    config = compose(paths)
    for stage in (download, split, preprocess, encode):
        stage(config, paths)
    compileall.compile_dir(root / "pipeline", quiet=1)
    return root


def reproduce(checkout: Checkout) -> None:
    """Leave what `dvc repro report` leaves, without a process for each stage and each worker.

    For experiments that differ from the prepared checkout's in training and seeds alone.
    """
    checkout.train("hydra/launcher=basic", "output=runs")
    evaluate_and_report(checkout)
    checkout.run("dvc", "commit", "--quiet", "--force", "--with-deps", "report")


def evaluate_and_report(checkout: Checkout) -> None:
    """Run both stages in this process, which has imported what they need."""
    config = compose(checkout.paths)
    for stage in (evaluate, report):
        stage(config, checkout.paths)


def forget_prepared_data(checkout: Checkout) -> None:
    """Remove what the stages before training made, so that each job prepares its own data."""
    for path in (checkout.paths.split_indices, checkout.paths.preprocessor, checkout.paths.labels):
        path.unlink()


@pytest.fixture
def make_checkout(prepared_checkout: Path, tmp_path: Path) -> Callable[[str], Checkout]:
    """Return a function that makes fresh checkouts by name."""

    def make(name: str) -> Checkout:
        return copy_of(prepared_checkout, tmp_path / name)

    return make


@pytest.fixture
def checkout(make_checkout: Callable[[str], Checkout]) -> Checkout:
    """Return a fresh checkout."""
    return make_checkout("checkout")

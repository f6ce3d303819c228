"""`make demo`: the whole pipeline on embedded digits, beside everything else."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.base.files import read_json
from pipeline.base.paths import Paths, find_root
from pipeline.base.processes import copy_code
from tests.conftest import AWKWARD, Checkout, hashes, run_python
from tests.declared import declared

# What the demo makes.
MADE = ("demo", "__pycache__")


@pytest.mark.slow
def test_the_demo_runs_without_git_home_or_network_and_touches_nothing_else(
    tmp_path: Path, away: dict[str, str | None]
) -> None:
    root = tmp_path / AWKWARD
    copy_code(declared().root, root, "params.yaml")
    for name in ("results", "reports"):
        shutil.copytree(find_root() / name, root / name)
    before = hashes(root, but=MADE)
    for _ in range(2):  # the second finds everything done
        done = run_python("-m", "pipeline.demo", cwd=root, env={**away, "HOME": None})
        assert "Test accuracy on scikit-learn's 8x8 digits: 9" in done.stdout
    assert hashes(root, but=MADE) == before
    demo = Paths(root / "demo")
    assert read_json(demo.metrics)["test"]["n"] == 5
    assert demo.page.exists()
    assert demo.store.exists()


@pytest.mark.slow
def test_the_demo_stands_in_for_data_that_cannot_be_had_and_for_nothing_else(
    checkout: Checkout, away: dict[str, str | None]
) -> None:
    root = checkout.paths.root
    params = checkout.paths.params.read_text()
    shutil.copyfile(declared().params, checkout.paths.params)
    done = checkout.run("pipeline.demo", "--if-needed", env=away)
    last = done.stdout.splitlines()[-1]
    assert last.startswith("That was the demo on scikit-learn's digits, since MNIST could not be")
    assert str(checkout.paths.given("mnist")) in last
    assert "could not be obtained" in done.stderr
    shutil.rmtree(root / "demo")
    checkout.paths.params.write_text(params)
    (root / "dvc.yaml").write_text("stages: 3\n")
    done = checkout.run("pipeline.demo", "--if-needed", env=away, check=False)
    assert done.returncode == 1
    assert not (root / "demo").exists()
    assert "MNIST" not in done.stdout + done.stderr


@pytest.mark.parametrize(("built_in", "rebuilt"), [("here", False), ("elsewhere", True)])
def test_the_environment_of_a_folder_that_was_moved_is_built_anew(
    built_in: str, rebuilt: bool, tmp_path: Path
) -> None:
    root = tmp_path / AWKWARD
    (root / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copyfile(find_root() / name, root / name)
    stamp = root / ".venv" / ".locked"
    stamp.write_text(f"{root if built_in == 'here' else tmp_path / 'elsewhere'}\n")
    os.utime(stamp, (2**31 - 1, 2**31 - 1))
    done = subprocess.run(
        ["make", "--dry-run", "env"], cwd=root, capture_output=True, text=True, check=True
    )
    assert ("-m venv" in done.stdout) is rebuilt


def test_ctrl_c_ends_the_benchmark_in_one_line() -> None:
    bench = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.training", "--rounds", "1"],
        cwd=find_root(),
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert bench.stdout is not None
    bench.stdout.readline()
    os.killpg(bench.pid, signal.SIGINT)
    _, errors = bench.communicate(timeout=60)
    assert bench.returncode == 130
    assert errors.count("\n") == 1

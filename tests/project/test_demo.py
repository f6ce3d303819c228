"""`make demo`: the whole pipeline on embedded digits, beside everything else."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.base.files import read_json, sha256
from pipeline.base.paths import Paths, find_root
from tests.conftest import AWKWARD, Checkout

PARTS = ("pipeline", "conf", "dvc.yaml", "params.yaml", ".dvcignore", "results", "reports")


def hashes(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): sha256(path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and "demo" not in path.parts
    }


@pytest.mark.slow
def test_the_demo_runs_without_git_home_or_network_and_touches_nothing_else(
    tmp_path: Path,
) -> None:
    root = tmp_path / AWKWARD
    root.mkdir()
    for part in PARTS:
        source = find_root() / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copyfile(source, root / part)
    before = hashes(root)
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    # Whoever tries the network finds nobody at this address.
    environment |= {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    for _ in range(2):  # the second finds everything done
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.demo"], cwd=root, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Test accuracy on scikit-learn's 8x8 digits: 9" in done.stdout
    assert hashes(root) == before
    demo = Paths(root / "demo")
    assert read_json(demo.metrics)["test"]["n"] == 5
    assert demo.page.exists()
    assert demo.store.exists()


def run_demo(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    nobody = "http://127.0.0.1:9"
    return subprocess.run(
        [sys.executable, "-m", "pipeline.demo", *words],
        cwd=root,
        env={**os.environ, "http_proxy": nobody, "https_proxy": nobody, "HOME": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_demo_stands_in_for_data_that_cannot_be_had_and_for_nothing_else(
    checkout: Checkout,
) -> None:
    root = checkout.paths.root
    params = checkout.paths.params.read_text()
    shutil.copyfile(find_root() / "params.yaml", checkout.paths.params)
    done = run_demo(root, "--if-needed")
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("That was the demo on scikit-learn's digits, since MNIST could not be")
    assert str(checkout.paths.given("mnist")) in last
    assert "could not be obtained" in done.stderr
    shutil.rmtree(root / "demo")
    checkout.paths.params.write_text(params)
    (root / "dvc.yaml").write_text("stages: 3\n")
    done = run_demo(root, "--if-needed")
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

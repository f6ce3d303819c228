"""`make demo`: the whole pipeline on embedded digits, beside everything else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.files import read_json, sha256
from pipeline.paths import Paths, find_root
from tests.conftest import AWKWARD

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
        assert "test accuracy on scikit-learn's digits: 9" in done.stdout
    assert hashes(root) == before
    demo = Paths(root / "demo")
    assert read_json(demo.metrics)["test"]["accuracy"]["n"] == 5
    assert demo.page.exists()
    assert demo.store.exists()

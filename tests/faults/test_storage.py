"""Folders that may not be written to."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from pipeline.base.files import UNFINISHED
from tests.conftest import Checkout, run_python
from tests.sweep.runs import records

# Root may write anywhere, unless it gives that up.
OBEYING = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]


def obedient(*words: str, checkout: Checkout) -> subprocess.CompletedProcess[str]:
    """Run `python -m` with `words` as somebody whom a folder's mode binds."""
    prefix = OBEYING if os.geteuid() == 0 else []
    return checkout.run(*words, prefix=prefix, check=False)


def closed(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)


def opened(folder: Path) -> None:
    folder.chmod(0o755)


needs_setpriv = pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None,
    reason="root needs util-linux' setpriv to be bound by a folder's mode",
)


@needs_setpriv
@pytest.mark.parametrize("stage", ["split", "preprocess"])
def test_a_stage_names_the_folder_it_cannot_write_to(stage: str, checkout: Checkout) -> None:
    folder = checkout.paths.split if stage == "split" else checkout.paths.results
    shutil.rmtree(folder, ignore_errors=True)
    closed(folder)
    done = obedient(f"pipeline.stages.{stage}", checkout=checkout)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "Permission denied" in line
    assert str(folder) in line
    assert list(folder.iterdir()) == []
    opened(folder)
    checkout.run(f"pipeline.stages.{stage}")
    assert list(folder.iterdir()) != []


@needs_setpriv
def test_a_record_that_may_not_be_read_counts_as_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "record"
    folder.mkdir(mode=0)
    code = (
        "import sys; from pathlib import Path; from pipeline.records.record import read_record; "
        "print(read_record(Path(sys.argv[1])).damage)"
    )
    prefix = OBEYING if os.geteuid() == 0 else []
    done = run_python("-c", code, str(folder), prefix=prefix)
    assert f"Permission denied: '{folder}" in done.stdout


@pytest.mark.slow
@needs_setpriv
def test_training_in_a_closed_store_tells_so_and_keeps_what_is_complete(checkout: Checkout) -> None:
    short = ("training.epochs=1", "hydra/launcher=basic", "tracking.live=false")
    checkout.train(*short, "seed=0")
    (complete,) = records(checkout).values()
    closed(checkout.paths.records)
    done = obedient("pipeline.stages.train", *short, "seed=0,1", checkout=checkout)
    opened(checkout.paths.records)
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(records(checkout).values()) == [complete]
    assert list(checkout.paths.records.rglob(UNFINISHED)) == []
    checkout.train(*short, "seed=0,1")
    assert len(records(checkout)) == 2

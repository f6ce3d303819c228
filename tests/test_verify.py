"""`python -m pipeline.verify`: a result made again, and the truth about how far it came back."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.config import compose
from pipeline.records.agreement import Level
from pipeline.records.record import Record
from pipeline.tracking.store import connect
from pipeline.tracking.sync import sync
from tests.conftest import Checkout, copy_of

SHORT = ("training.epochs=2", "seed=3")


def git(checkout: Checkout, *words: str) -> str:
    identity = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
    return subprocess.run(
        ["git", *identity, *words],
        cwd=checkout.paths.root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.fixture(scope="module")
def in_git(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout under git, with one trained record."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("verify"))
    ignored = "/records/\n/sweeps/\n/data/\n/runs/\n/mlflow.db*\n/mlartifacts/\n__pycache__/\n"
    (checkout.paths.root / ".gitignore").write_text(ignored)
    git(checkout, "init", "--quiet", "--initial-branch=main")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message=all")
    checkout.train(*SHORT)
    return checkout


def only_record(checkout: Checkout) -> Record:
    (path,) = checkout.paths.records.glob("*/manifest.json")
    return Record(path.parent)


@pytest.fixture
def copied(in_git: Checkout, tmp_path: Path) -> Checkout:
    return copy_of(in_git.paths.root, tmp_path)


def test_a_record_comes_back_byte_for_byte_from_its_commit(in_git: Checkout) -> None:
    name = only_record(in_git).folder.name
    for what in (name[:8], f"records/{name}"):
        done = in_git.run("pipeline.verify", what)
        assert done.stdout.splitlines()[-1] == "same bytes"
        assert f"in a fresh checkout of commit {git(in_git, 'rev-parse', 'HEAD')}" in done.stdout


def test_what_was_uncommitted_is_made_again_too(copied: Checkout) -> None:
    """A change of the numerical code that was never committed, and is gone from the checkout."""
    path = copied.paths.root / "pipeline" / "network" / "initialisers.py"
    path.write_text(path.read_text() + "\n# another day\n")
    shutil.rmtree(copied.paths.records)
    copied.train(*SHORT)
    git(copied, "checkout", "--quiet", "--", "pipeline")
    done = copied.run("pipeline.verify", only_record(copied).folder.name)
    assert "with the uncommitted changes that were recorded" in done.stdout
    assert done.stdout.splitlines()[-1] == "same bytes"


def test_another_code_is_named_as_the_cause(copied: Checkout) -> None:
    """Without git, only the code that lies there can be run; here it draws other numbers."""
    shutil.rmtree(copied.paths.root / ".git")
    path = copied.paths.root / "pipeline" / "network" / "randomness.py"
    text = path.read_text()
    assert text.count("SeedSequence(seed,") == 1
    path.write_text(text.replace("SeedSequence(seed,", "SeedSequence(seed + 1,"))
    done = copied.run("pipeline.verify", only_record(copied).folder.name, check=False)
    assert Level(done.returncode) in (Level.STATISTICALLY_THE_SAME, Level.DIFFERENT)
    assert "in a copy of the code that lies here: git has no commit" in done.stdout
    assert "cause     numerical code" in done.stdout


def test_a_tampered_record_is_refused(copied: Checkout) -> None:
    record = only_record(copied)
    history = record.folder / "history.jsonl"
    history.write_text(history.read_text().replace('"accuracy": 0.9', '"accuracy": 0.99', 1))
    done = copied.run("pipeline.verify", record.folder.name, check=False)
    assert done.returncode == 2
    assert "is not what was written: SHA-256 expected" in done.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_mlflow_run_comes_back_where_its_record_is_gone(copied: Checkout) -> None:
    sync(compose(copied.paths), copied.paths)
    shutil.rmtree(copied.paths.records)
    client = connect(None, copied.paths)
    experiments = [e.experiment_id for e in client.search_experiments()]
    (run,) = client.search_runs(experiments, "tags.seed = '3'")
    done = copied.run("pipeline.verify", run.info.run_id)
    assert done.stdout.splitlines()[-1] == "same bytes"
    done = copied.run("pipeline.verify", "0" * 32, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_what_is_no_record_is_told(in_git: Checkout) -> None:
    done = in_git.run("pipeline.verify", "nonsense", check=False)
    assert done.returncode == 2
    assert "nonsense: there is no such record" in done.stderr


@pytest.mark.slow
def test_committed_results_come_back_and_forged_ones_do_not(copied: Checkout) -> None:
    copied.run("dvc", "config", "core.no_scm", "false")
    copied.run("dvc", "repro")
    git(copied, "add", "--all")
    git(copied, "commit", "--quiet", "--message=results")
    done = copied.run("pipeline.verify")
    assert done.stdout.splitlines()[-1] == "same bytes"

    lock = copied.paths.root / "dvc.lock"
    committed = lock.read_text()
    for path in ("runs", "reports/lecture"):
        after = committed.partition(f"path: {path}\n")[2]
        digest = after.partition("md5: ")[2].partition("\n")[0].partition(".")[0]
        lock.write_text(committed.replace(digest, "0" * 32))
        git(copied, "commit", "--quiet", "--all", f"--message=forged {path}")
        done = copied.run("pipeline.verify", check=False)
        assert done.returncode == Level.STATISTICALLY_THE_SAME.value
        assert f"now {digest}" in done.stdout

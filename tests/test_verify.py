"""`python -m pipeline.verify` reproduces a result and reports how far it agrees."""

import json
import py_compile
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.base.config import compose
from pipeline.base.files import canonical_json, npz_bytes, read_json, sha256, write_bytes
from pipeline.base.paths import find_root
from pipeline.records.agreement import Level
from pipeline.records.record import Finished, add_origin, add_test, read_finished
from pipeline.records.seal import read_sealed
from pipeline.tracking.store import connect
from pipeline.tracking.sync import sync
from tests.conftest import Checkout, copy_of
from tests.hostile_git import by_user, commit_all, under_git
from tests.records.forge import edit_history, reseal, reverse_biases

SHORT = ("training.epochs=2", "seed=3")


def git(checkout: Checkout, *words: str) -> str:
    return by_user(checkout.paths.root, *words)


@pytest.fixture(scope="module")
def in_git(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout under git, with one trained record that knows its test results."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("verify"))
    shutil.copytree(find_root() / "studies", checkout.paths.root / "studies")
    under_git(checkout.paths.root)
    checkout.train(*SHORT, "test=true")
    return checkout


def only_record(checkout: Checkout) -> Finished:
    (path,) = checkout.paths.records.glob("*/manifest.json")
    return read_finished(path.parent)


@pytest.fixture
def copied(in_git: Checkout, tmp_path: Path) -> Checkout:
    return copy_of(in_git.paths.root, tmp_path)


@pytest.fixture
def mailed(in_git: Checkout, tmp_path: Path) -> Finished:
    """Return a copy of the record, as somebody else may send it."""
    shutil.copytree(only_record(in_git).folder, tmp_path / "mailed")
    return read_finished(tmp_path / "mailed")


def verify(
    checkout: Checkout, *words: object, expected: Level | int = Level.SAME_BYTES
) -> subprocess.CompletedProcess[str]:
    done = checkout.run("pipeline.verify", *map(str, words), check=False)
    code = expected.value if isinstance(expected, Level) else expected
    assert done.returncode == code, f"{done.stdout}{done.stderr}"
    if isinstance(expected, Level):
        assert done.stdout.splitlines()[-1] == str(expected)
    else:
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
    return done


def forge(folder: Path, change: Callable[[Path], None] | None = None, **origin: Any) -> Finished:
    """Change a record under seals that fit; of its origin, only the values that are given."""
    before = read_finished(folder)
    if change is not None:
        change(folder)
    reseal(folder)
    record = read_finished(folder)
    add_origin(record, {**before.origin, **origin})
    if before.test is not None:
        add_test(record, before.test)
    return read_finished(folder)


# --- what comes back ---------------------------------------------------------------------------


def test_a_record_comes_back_byte_for_byte_from_its_commit(in_git: Checkout) -> None:
    done = verify(in_git, only_record(in_git).identity[:8])
    commit = git(in_git, "rev-parse", "HEAD")
    assert f"trained in a fresh checkout of commit {commit}\n" in done.stdout
    assert "model.npz: the same bytes" in done.stdout
    for part in ("train", "validation", "test"):
        says = rf"{part} accuracy: ([\d.]+ %) in the record, \1 by its model"
        assert re.search(says, done.stdout)


@pytest.mark.slow
def test_what_was_uncommitted_is_shown_and_made_again_when_asked_for(copied: Checkout) -> None:
    """Changes that were never committed, and are gone: a factor, and a module that is new."""
    root = copied.paths.root
    path = root / "pipeline" / "network" / "initialisers.py"
    text = path.read_text()
    assert text.count("a = 1 / ") >= 1
    path.write_text(text.replace("a = 1 / ", "a = 0.5 / "))
    (root / "pipeline" / "network" / "factor.py").write_text("FACTOR = 2\n\n\n")
    shutil.rmtree(copied.paths.records)
    changed = (*SHORT, "network.biases=fan_in_uniform")
    copied.train(*changed)
    git(copied, "checkout", "--quiet", "--", "pipeline")
    git(copied, "clean", "--quiet", "--force", "pipeline")
    name = only_record(copied).identity
    done = verify(copied, name, expected=2)
    assert "+    a = 0.5 / " in done.stdout
    assert "pipeline/network/factor.py, pipeline/network/initialisers.py" in done.stderr
    assert "--apply-changes" in done.stderr
    done = verify(copied, name, "--apply-changes")
    assert "with the uncommitted changes that were recorded" in done.stdout
    # With the code in this folder, the biases are others.
    done = verify(copied, name, "--code-here", expected=Level.STATISTICALLY_THE_SAME)
    assert "weights differ from epoch 1 on" in done.stdout
    assert "cause: code: " in done.stdout


@pytest.mark.slow
def test_another_code_is_named_as_the_cause(copied: Checkout) -> None:
    """Without git, only the code in this folder can be run; here it draws other numbers."""
    shutil.rmtree(copied.paths.root / ".git")
    path = copied.paths.root / "pipeline" / "network" / "randomness.py"
    text = path.read_text()
    assert text.count("SeedSequence(seed,") == 1
    path.write_text(text.replace("SeedSequence(seed,", "SeedSequence(seed + 1,"))
    name = only_record(copied).identity
    assert "is not a git checkout; --code-here trains" in verify(copied, name, expected=2).stderr
    done = verify(copied, name, "--code-here", expected=Level.STATISTICALLY_THE_SAME)
    assert "in a copy of the code in this folder" in done.stdout
    assert "cause: code: " in done.stdout


@pytest.mark.slow
def test_code_that_computes_the_same_gives_the_same_bytes_and_is_named(copied: Checkout) -> None:
    path = copied.paths.root / "pipeline" / "network" / "costs.py"
    path.write_text(f"{path.read_text()}\nUNUSED = 1\n")
    done = verify(copied, only_record(copied).identity, "--code-here")
    assert "description.json: different bytes" in done.stdout
    assert "different, but without effect: code: " in done.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_mlflow_run_comes_back_where_its_record_is_gone(copied: Checkout) -> None:
    sync(compose(copied.paths), copied.paths)
    shutil.rmtree(copied.paths.records)
    client = connect(None, copied.paths).client
    experiments = [e.experiment_id for e in client.search_experiments()]
    (run,) = client.search_runs(experiments, "tags.seed = '3'")
    done = verify(copied, run.info.run_id)
    assert "test accuracy: " in done.stdout
    verify(copied, "0" * 32, expected=2)
    # What the store hands out is a stranger's, too.
    (artifact,) = copied.paths.artifacts.rglob("origin.json")
    artifact.write_text(artifact.read_text().replace('"dirty": false', '"dirty": true'))
    assert (
        "origin.json was changed after it was written"
        in verify(copied, run.info.run_id, expected=2).stderr
    )


@pytest.mark.slow
def test_a_record_of_ones_own_data_comes_back_where_params_yaml_names_other_data(
    copied: Checkout,
) -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.uint8) % 2
    pixels = (labels[:, None] * 100 + draw.integers(50, size=(60, 4))).astype(np.uint8)
    for name in ("mine", "theirs"):
        path = copied.paths.given(name) / f"{name}.npz"
        parts = {"train": slice(0, 40), "test": slice(40, 60)}
        arrays = {f"x_{part}": pixels[of] for part, of in parts.items()}
        arrays |= {f"y_{part}": labels[of] for part, of in parts.items()}
        write_bytes(path, npz_bytes(arrays))
        data = {
            "name": name,
            "files": {path.name: sha256(path.read_bytes())},
            "classes": ["dark", "bright"],
            "shape": [4],
        }
        split = {"train": 30, "validation": 10, "test": 20}
        copied.declare(data=data, split=split, training={"batch_size": 5})
        if name == "mine":
            shutil.rmtree(copied.paths.records)
            copied.run("pipeline.stages.download")
            copied.train(*SHORT)
    git(copied, "commit", "--quiet", "--all", "--message=theirs")
    commit = git(copied, "rev-parse", "HEAD")
    record = only_record(copied)
    assert record.origin["commit"] != commit
    add_origin(record, {**record.origin, "commit": commit, "dirty": False})
    assert f"checkout of commit {commit}" in verify(copied, record.identity).stdout


# --- what a stranger sends ---------------------------------------------------------------------


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Path]:
    """Return a file that code from a record would write; nothing may."""
    path = tmp_path / "trap"
    yield path
    assert not path.exists()


def first_line(checkout: Checkout, line: str) -> str:
    """Return a diff that puts a line before all others of the package."""
    name = "pipeline/__init__.py"
    after = (checkout.paths.root / name).read_text().splitlines()[:3]
    lines = [f"diff --git a/{name} b/{name}", f"--- a/{name}", f"+++ b/{name}"]
    return "\n".join([*lines, "@@ -1,3 +1,4 @@", f"+{line}", *(f" {each}" for each in after), ""])


def test_a_patch_in_a_mailed_record_is_shown_and_run_only_if_asked_for(
    in_git: Checkout, mailed: Finished, trap: Path
) -> None:
    hostile = f"open({str(trap)!r}, 'w')"
    diff = first_line(in_git, f"{hostile}  # \x1b[2J")
    forge(mailed.folder, diff=diff, dirty=True, changed=["pipeline/\x1b[2J.py"])
    done = verify(in_git, mailed.folder, expected=2)
    assert f"+{hostile}" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert not trap.exists()
    verify(in_git, mailed.folder, "--apply-changes")
    trap.unlink()  # the patch fits, and does run where its user says so
    # Also where the record says that nothing was changed.
    forge(mailed.folder, dirty=False, changed=[])
    assert f"+{hostile}" in verify(in_git, mailed.folder, expected=2).stdout


@pytest.mark.parametrize("diff", ["no diff", "\ud800", "\ud800" * 10**6])
def test_a_patch_that_is_none_is_one_line(in_git: Checkout, mailed: Finished, diff: Any) -> None:
    forge(mailed.folder, diff=diff, dirty=True)
    verify(in_git, mailed.folder, "--apply-changes", expected=2)


@pytest.mark.slow
def test_a_commit_that_no_branch_holds_is_not_run(
    copied: Checkout, mailed: Finished, trap: Path
) -> None:
    init = copied.paths.root / "pipeline" / "__init__.py"
    init.write_text(f"open({str(trap)!r}, 'w')\n{init.read_text()}")
    git(copied, "commit", "--quiet", "--all", "--message=trap")
    dangling = git(copied, "rev-parse", "HEAD")
    git(copied, "reset", "--quiet", "--hard", "HEAD~1")
    for commit in (dangling, "main\x1b[2J" + "x" * 10**5):  # others: tests/base/test_git.py
        record = forge(mailed.folder, commit=commit)
        done = verify(copied, record.folder, expected=2)
        assert "in the history of no branch or tag here" in done.stderr
        assert "\x1b" not in done.stderr
    verify(copied, mailed.folder, "--code-here")


def better(folder: Path) -> None:
    edit_history(folder, 2, "validation.accuracy", 1.0)


def other_first_weights(folder: Path) -> None:
    edit_history(folder, 1, "weights", "0" * 64)


@pytest.mark.slow
def test_a_forged_model_or_history_is_found(in_git: Checkout, mailed: Finished) -> None:
    folder = mailed.folder
    shutil.copytree(folder, folder.with_name("intact"))
    for change, words in (
        (reverse_biases, "model.npz: different bytes"),
        (better, "100.0000 % in the record"),
    ):
        shutil.rmtree(folder)
        shutil.copytree(folder.with_name("intact"), folder)
        forge(folder, change)
        assert words in verify(in_git, folder, expected=Level.DIFFERENT).stdout
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("intact"), folder)
    forge(folder, other_first_weights)
    done = verify(in_git, folder, expected=Level.WITHIN_TOLERANCE)
    assert "weights differ from epoch 1 on" in done.stdout
    assert "cause: no known difference" in done.stdout


@pytest.mark.slow
def test_of_a_commit_only_the_source_is_used(
    copied: Checkout, mailed: Finished, trap: Path
) -> None:
    """Not a forged record in it, bytecode, or a module with a library's name."""
    forged = forge(mailed.folder, other_first_weights)
    root, hostile = copied.paths.root, f"open({str(trap)!r}, 'w')\n"
    shutil.rmtree(copied.paths.records)
    shutil.copytree(forged.folder, copied.paths.records / forged.identity)
    (root / "numpy.py").write_text(hostile)
    source = root / "pipeline" / "sweep" / "job.py"
    text = source.read_text()
    source.write_text(f"{hostile}{text}")
    bytecode = cache_from_source(str(source))
    py_compile.compile(
        str(source), bytecode, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    source.write_text(text)
    git(copied, "checkout", "--quiet", "-b", "theirs")
    git(copied, "add", "--force", "records", "numpy.py", bytecode)
    git(copied, "commit", "--quiet", "--message=theirs")
    record = forge(forged.folder, commit=git(copied, "rev-parse", "HEAD"))
    git(copied, "checkout", "--quiet", "main")
    done = verify(copied, record.folder, expected=Level.WITHIN_TOLERANCE)
    assert "weights differ from epoch 1 on" in done.stdout


@pytest.mark.slow
def test_a_forged_test_result_is_found(in_git: Checkout, mailed: Finished) -> None:
    assert mailed.test is not None
    accuracy = mailed.test["accuracy"]
    add_test(mailed, {**mailed.test, "accuracy": accuracy + 0.012})
    done = verify(in_git, mailed.folder, expected=Level.DIFFERENT)
    assert (
        f"{100 * (accuracy + 0.012):.4f} % in the record, {100 * accuracy:.4f} % by its model"
        in done.stdout
    )


def test_a_record_that_was_changed_is_refused(copied: Checkout) -> None:
    record = only_record(copied)
    history = record.folder / "history.jsonl"
    history.write_text(history.read_text().replace('"accuracy": 0.9', '"accuracy": 0.99', 1))
    done = verify(copied, record.identity, expected=2)
    assert "history.jsonl was changed after it was written: SHA-256 expected" in done.stderr


def test_a_description_under_another_records_name_is_refused(copied: Checkout) -> None:
    record = only_record(copied)
    other = {**record.description, "code": "0" * 64}
    content = canonical_json(other)
    (record.folder / "description.json").write_bytes(content)
    hashes = {**record.hashes, "description.json": sha256(content)}
    (record.folder / "manifest.json").write_text(json.dumps({"sha256": hashes}))
    assert "describes record" in verify(copied, record.identity, expected=2).stderr
    # A sweep does not take it for its own, either.
    assert copied.train(*SHORT, "dry_run=true").stdout.count("be trained") == 1


@pytest.mark.parametrize("what", ["nonsense", "/nowhere", "", "*", "../records", "a\x1b[2J"])
def test_what_is_no_record_is_one_line(in_git: Checkout, what: str) -> None:
    done = verify(in_git, what, expected=2)
    assert "\x1b" not in done.stderr


@pytest.mark.slow
def test_a_hook_of_gits_moves_nothing(copied: Checkout, tmp_path: Path) -> None:
    """A pre-push hook in a linked worktree: git has told it which repository it is in."""
    linked = Checkout(type(copied.paths)(tmp_path / "linked"))
    git(copied, "worktree", "add", "--quiet", "-b", "side", str(linked.paths.root))
    bare = tmp_path / "bare.git"
    git(copied, "init", "--quiet", "--bare", str(bare))
    hook = copied.paths.root / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    record = only_record(copied).folder
    hook.write_text(
        f"#!/bin/sh\nexec python -m pipeline.verify '{record}' > '{tmp_path}/printed'\n"
    )
    hook.chmod(0o755)
    before = git(linked, "rev-parse", "HEAD")
    git(linked, "push", "--quiet", str(bare), "side")
    assert (tmp_path / "printed").read_text().splitlines()[-1] == "same bytes"
    assert git(linked, "symbolic-ref", "HEAD") == "refs/heads/side"
    assert git(linked, "rev-parse", "HEAD") == before
    assert git(linked, "status", "--porcelain") == ""


# --- the committed results ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def committed(in_git: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = copy_of(in_git.paths.root, tmp_path_factory.mktemp("committed"))
    checkout.declare(seeds=[0, 1], training={"epochs": 2})
    checkout.run("dvc", "config", "core.no_scm", "false")
    checkout.run("dvc", "repro")
    commit_all(checkout.paths.root)
    return checkout


@pytest.mark.slow
def test_committed_results_come_back(committed: Checkout) -> None:
    """Whatever else lies beside them, such as a page that no stage makes."""
    committed.paths.draw_page.write_text("mine")
    done = verify(committed)
    assert "  all as committed\n" in done.stdout
    assert "not made again: the results of studies/dvc.yaml" in done.stdout


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


FORGERIES: dict[str, Callable[[Path], object]] = {
    "results/metrics.json": lambda path: path.write_text(
        json.dumps({**read_json(path), "seeds": [0, 2]})
    ),
    "results/tests.json": lambda path: path.unlink(),
    "results/history.csv": lambda path: replaced(
        path, "0,2,validation,accuracy,", "0,2,validation,accuracy,1"
    ),
    "reports/learning_curves.png": lambda path: path.write_bytes(path.read_bytes() + b"!"),
    "reports/summary.md": lambda path: replaced(path, "±", "+"),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_forged_result_is_named(committed: Checkout, tmp_path: Path) -> None:
    """All at once, as each takes a whole run; and one that lies here and is not committed."""
    checkout = copy_of(committed.paths.root, tmp_path)
    for name, change in FORGERIES.items():
        change(checkout.paths.root / name)
    git(checkout, "commit", "--quiet", "--all", "--message=forged")
    model = checkout.paths.run(1) / "model.npz"
    model.chmod(0o644)
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    done = verify(checkout, expected=Level.DIFFERENT)
    for name in FORGERIES:
        assert f"  {name} differs from the commit\n" in done.stdout, name
    assert "  runs/seed-1/model.npz differs in this folder\n" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("how", ["other hash", "fewer stages"])
def test_a_forged_lock_is_named(how: str, committed: Checkout, tmp_path: Path) -> None:
    """Accuracies of 0.999, and a lock file that says nothing of who wrote them."""
    checkout = copy_of(committed.paths.root, tmp_path)
    lock = checkout.paths.root / "dvc.lock"
    if how == "other hash":
        lock.write_text(lock.read_text().replace(read_lock(lock, "runs"), f"{'0' * 32}.dir"))
    else:
        content = yaml.safe_load(lock.read_text())
        for stage in ("evaluate", "report", "track"):
            del content["stages"][stage]
        lock.write_text(yaml.safe_dump(content))
        tests = [{**entry, "accuracy": 0.999} for entry in read_json(checkout.paths.tests)]
        checkout.paths.tests.write_text(json.dumps(tests, indent=2) + "\n")
    git(checkout, "commit", "--quiet", "--all", "--message=forged")
    done = verify(checkout, expected=Level.DIFFERENT)
    assert "  dvc.lock differs from the commit\n" in done.stdout


def read_lock(path: Path, out: str) -> str:
    after = path.read_text().partition(f"path: {out}")[2]
    return after.partition("md5: ")[2].partition("\n")[0]


def test_origins_are_sealed_with_the_commit_they_name(in_git: Checkout) -> None:
    record = only_record(in_git)
    origin = read_sealed(record.folder / "origin.json", record.manifest)
    assert origin["commit"] == git(in_git, "rev-parse", "HEAD")
    assert origin["dirty"] is False

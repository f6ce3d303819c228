"""Files that a user brings: found in every form, used by every command, and left as they are."""

import dataclasses
import gzip
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.base.errors import UserError
from pipeline.base.files import sha256
from pipeline.base.paths import Paths, find_root
from pipeline.data.catalogue import DATASETS
from pipeline.data.embedded import embedded_files
from pipeline.data.raw import read_examples
from pipeline.data.sources import obtain
from tests.conftest import Checkout
from tests.hostile_git import under_git

DIGITS = embedded_files()

FORMS: dict[str, Callable[[str, bytes], tuple[str, bytes]]] = {
    "plain": lambda name, content: (name, content),
    "packed": lambda name, content: (f"{name}.gz", gzip.compress(content, 1, mtime=0)),
    "packed by another": lambda name, content: (f"{name}.gz", gzip.compress(content, 9, mtime=7)),
    "dotted": lambda name, content: (name.replace("-idx", ".idx"), content),
    "dotted and packed": lambda name, content: (
        name.replace("-idx", ".idx") + ".gz",
        gzip.compress(content),
    ),
}


def give(folder: Path, form: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in DIGITS.items():
        given, packed = FORMS[form](name, content)
        (folder / given).write_bytes(packed)


def look(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return what lies there, and when it was written."""
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())
    }


@pytest.fixture
def checkout(make_checkout: Callable[[str], Checkout]) -> Checkout:
    """Return a checkout under git whose digits are only where they are given."""
    made = make_checkout("given")
    catalogue = made.paths.root / "pipeline" / "data" / "catalogue.yaml"
    text = catalogue.read_text()
    assert text.count("embedded: true") == 1
    catalogue.write_text(text.replace("embedded: true", "embedded: false"))
    shutil.rmtree(made.paths.root / "data")
    made.run("dvc", "config", "core.no_scm", "false")
    made.declare(tracking={"live": False}, seeds=[0], training={"epochs": 1})
    under_git(made.paths.root)
    return made


def locked(checkout: Checkout) -> object:
    """Return what `dvc.lock` says of the raw data."""
    lock = yaml.safe_load((checkout.paths.root / "dvc.lock").read_text())
    return lock["stages"]["download"]["outs"]


@pytest.mark.slow
def test_files_of_every_form_make_the_same_lock_and_stay(checkout: Checkout) -> None:
    locks = []
    for form in FORMS:
        given = checkout.paths.given("digits")
        give(given, form)
        before = look(given)
        for words in (("dvc", "repro", "download"), ("dvc", "repro", "--force", "download")):
            checkout.run(*words)
            assert look(given) == before
        raw = {path.name: path.read_bytes() for path in checkout.paths.raw("digits").iterdir()}
        assert raw == DIGITS
        locks.append(locked(checkout))
        shutil.rmtree(given)
        (checkout.paths.root / "dvc.lock").unlink()
    assert all(lock == locks[0] for lock in locks)


@pytest.mark.slow
def test_an_experiment_leaves_given_files_alone(checkout: Checkout) -> None:
    """As the unlucky user does it: no network, no output yet, a change of one value."""
    given = checkout.paths.given("digits")
    give(given, "packed")
    before = look(given)
    checkout.run("dvc", "exp", "run", "-S", "training.epochs=2", "train")
    assert look(given) == before
    checkout.run("dvc", "repro", "download")
    checkout.run("dvc", "exp", "run", "-S", "split.seed=3", "train")
    assert look(given) == before


@pytest.mark.slow
def test_a_copy_of_the_checkout_reads_the_originals_given_files(
    checkout: Checkout, tmp_path: Path
) -> None:
    """`--temp` runs in a folder below `.dvc/tmp`, without what git does not know."""
    # DVC itself cannot copy a checkout whose path has letters beyond ASCII.
    checkout = Checkout(Paths(checkout.paths.root.rename(tmp_path / "original")))
    given = checkout.paths.given("digits")
    give(given, "dotted and packed")
    before = look(given)
    wrong = given / "t10k-labels-idx1-ubyte"
    wrong.write_bytes(b"something else")
    done = checkout.run("dvc", "exp", "run", "--temp", "-S", "training.epochs=2", "train")
    assert f"warning: {wrong}: SHA-256 expected" in done.stderr + done.stdout
    wrong.unlink()
    assert look(given) == before
    assert not checkout.paths.raw("digits").exists()
    # Records outlive the copy: they are the original's.
    assert len(list(checkout.paths.records.glob("*/manifest.json"))) == 1


def test_nothing_given_and_no_network_is_one_line(checkout: Checkout) -> None:
    away = {"XDG_CACHE_HOME": str(checkout.paths.root / "cache"), "MNIST_MIRROR": None}
    done = checkout.run("pipeline.stages.download", env=away, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    for part in (str(checkout.paths.given("digits")), *DIGITS, "`make demo`", "data=digits"):
        assert part in done.stderr


def test_files_known_packed_are_read_as_others_are(tmp_path: Path) -> None:
    """As kmnist's: what lies in `data/raw` is the packed file, by its own hash."""
    packed = {f"{name}.gz": gzip.compress(content) for name, content in DIGITS.items()}
    files = {name: sha256(content) for name, content in packed.items()}
    packed_digits = dataclasses.replace(
        DATASETS["digits"], name="packed", files=files, embedded=False
    )
    paths = Paths(tmp_path)
    paths.given("packed").mkdir(parents=True)
    for name, content in packed.items():
        (paths.given("packed") / name).write_bytes(content)
    obtain(packed_digits, paths)
    obtain(DATASETS["digits"], paths)
    read = [read_examples(each, paths)["train"] for each in (packed_digits, DATASETS["digits"])]
    for packed_array, array in zip(*read, strict=True):
        np.testing.assert_array_equal(packed_array, array)
    (paths.raw("packed") / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte\.gz: SHA-256 expected"):
        read_examples(packed_digits, paths)["train"]


# --- where the home is ---


@pytest.mark.parametrize("below", [".dvc/tmp/exps/abc", ".dvc/tmp/exps/standalone/tmpx"])
def test_a_copy_has_its_original_as_home(
    below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "original"))
    original, copy = Paths(tmp_path / "original"), Paths(tmp_path / "original" / below)
    assert copy.home == original.root
    for kept in ("records", "store", "artifacts"):
        assert getattr(copy, kept) == getattr(original, kept)
    assert copy.given("mnist") == original.given("mnist")
    assert copy.beside("mnist") == original.beside("mnist") == tmp_path / "shared" / "mnist"
    assert copy.raw("mnist") == copy.root / "data" / "raw" / "mnist"
    assert copy.runs == copy.root / "runs"


@pytest.mark.parametrize("stray", ["", "/nowhere", ".", "{}", "{}/..", "{}/.dvc/tmp"])
def test_a_stray_dvc_root_changes_nothing(
    stray: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path / "checkout")
    monkeypatch.setenv("DVC_ROOT", stray.format(paths.root))
    assert paths.home == paths.root
    monkeypatch.delenv("DVC_ROOT")
    assert paths.home == paths.root


def test_a_home_is_recognised_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "original" / ".dvc" / "tmp" / "exps" / "abc"
    copy.mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "original")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "link"))
    assert Paths(copy).home == tmp_path / "link"


# --- make clean ---


def test_make_clean_removes_outputs_and_nothing_that_was_given(tmp_path: Path) -> None:
    shutil.copyfile(find_root() / "Makefile", tmp_path / "Makefile")
    stages = {
        **yaml.safe_load((find_root() / "dvc.yaml").read_text())["stages"],
        **yaml.safe_load((find_root() / "studies" / "dvc.yaml").read_text())["stages"],
    }
    outputs = {
        out for stage in stages.values() for out in stage.get("outs", []) if type(out) is str
    }
    made = [re.sub(r"\$\{data\.name\}", "mnist", out) for out in sorted(outputs)]
    kept = ["data/given/mnist/x", "data/given/x", "data/own/x", "records/x", "results/x"]
    for path in [*(f"{out}/x" for out in made), "sweeps/x", "demo/x", ".venv/x", *kept]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, env=dict(os.environ))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"Makefile", *kept, "results/predictions.csv/x"}


# --- the real files ---


@pytest.mark.mnist
def test_mnist_of_every_form_is_one_and_the_same(mnist_files: Path, tmp_path: Path) -> None:
    paths, mnist = Paths(tmp_path / "checkout"), DATASETS["mnist"]
    paths.given("mnist").mkdir(parents=True)
    for form, name in zip(list(FORMS)[1:], mnist.files, strict=True):
        given, content = FORMS[form](name, (mnist_files / name).read_bytes())
        (paths.given("mnist") / given).write_bytes(content)
    obtain(mnist, paths)
    assert {path.name for path in paths.raw("mnist").iterdir()} == set(mnist.files)
    assert read_examples(mnist, paths)["train"].raw.shape == (60_000, 784)
    assert read_examples(mnist, paths)["test"].labels.shape == (10_000,)

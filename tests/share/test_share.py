"""Sharing, checking and importing results: every forgery is detected."""

import hashlib
import json
import platform
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pipeline.base.config import compose
from pipeline.base.errors import UserError
from pipeline.base.files import canonical_json, json_bytes, sha256
from pipeline.base.paths import Paths
from pipeline.records.agreement import Level
from pipeline.records.provenance import provenance
from pipeline.records.record import (
    PUBLISHED,
    Finished,
    Record,
    Unfinished,
    read_finished,
    read_own,
    read_record,
    shared_by,
)
from pipeline.share.archive import pack, unpack
from pipeline.share.check import check
from pipeline.share.computed import METADATA
from pipeline.share.contents import CHANGES, LOCK
from pipeline.share.receive import take_in
from pipeline.share.send import share
from pipeline.stages.evaluate import evaluate
from pipeline.stages.report import report
from pipeline.verify import verify_failure
from tests.conftest import AWKWARD, Checkout
from tests.hostile_git import by_user, commit_all
from tests.records.forge import edit_history, reseal, reverse_biases

Files = dict[str, bytes]
AUTHOR = "The mnist-lecture authors"


@pytest.fixture
def files(shared: Path) -> Files:
    return unpack(shared.read_bytes(), "result.zip")


def checked(files: Files, here: Checkout, tmp_path: Path) -> Level:
    """Check a share of these files; sees to it that nothing is written but into its folder."""
    path = tmp_path / "forged.zip"
    path.write_bytes(pack(files))
    before = written(here)
    try:
        return check(path, here.paths, tmp_path / "scratch").level
    finally:
        assert written(here) == before
        assert {each.name for each in tmp_path.iterdir()} <= {"forged.zip", "scratch"}


def written(checkout: Checkout) -> dict[Path, int]:
    """Return when everything in a checkout was written, but for the data that it obtains."""
    data = checkout.paths.root / "data"
    found = (each for each in checkout.paths.root.rglob("*") if not each.is_relative_to(data))
    return {each: each.stat().st_mtime_ns for each in found}


def of_record(seed: int, change: Callable[[Path], None]) -> Callable[[Files], None]:
    """Return a forgery of one seed's record, under seals that fit."""
    names = {name: f"runs/seed-{seed}/{name}" for name in PUBLISHED}

    def forge(files: Files) -> None:
        with tempfile.TemporaryDirectory() as folder:
            paths = {Path(folder, name): full for name, full in names.items()}
            for path, full in paths.items():
                path.write_bytes(files[full])
            change(Path(folder))
            reseal(Path(folder))
            files |= {full: path.read_bytes() for path, full in paths.items()}

    return forge


def list_again(files: Files) -> None:
    """Let lock file and metadata say what the share's results are now."""
    lock = yaml.safe_load(files[LOCK])
    for stage in lock["stages"].values():
        for out in stage["outs"]:
            if out["path"] in files:
                out["size"] = len(files[out["path"]])
                out["md5"] = hashlib.md5(files[out["path"]], usedforsecurity=False).hexdigest()
    files[LOCK] = yaml.safe_dump(lock).encode()
    metadata = json.loads(files[METADATA])
    for entity in metadata["@graph"]:
        if "contentSize" in entity:
            content = files[entity["@id"]]
            entity |= {"sha256": sha256(content), "contentSize": str(len(content))}
    files[METADATA] = json_bytes(metadata)


# --- what is shared ----------------------------------------------------------------------------


def test_a_share_holds_all_that_is_needed_and_names_no_folder_of_its_author(files: Files) -> None:
    for name in ("README.md", "MODEL_CARD.md", METADATA, "CITATION.cff", "LICENSE", "params.yaml",
                 "dvc.lock", "requirements.lock", "reports/index.html", "results/metrics.json",
                 "results/predictions.csv", "reports/figures/learning_curves.png",
                 "runs/seed-1/model.npz", "code/pipeline/share/check.py"):  # fmt: skip
        assert name in files
    folder = AWKWARD.encode()
    for name, content in files.items():
        assert folder not in content, name


def test_another_user_of_another_machine_shares_the_same_bytes(
    published: Checkout, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USER", "LOGNAME"):
        monkeypatch.setenv(name, "/home/another")
    monkeypatch.setattr(platform, "node", lambda: "another")
    provenance.cache_clear()
    assert share(published.paths) == shared.read_bytes()
    provenance.cache_clear()


@pytest.mark.slow
def test_recorded_changes_stand_beside_the_code(published: Checkout, tmp_path: Path) -> None:
    changed = own_copy(published, tmp_path / "changed")
    module = changed.paths.root / "pipeline/share/send.py"
    module.write_text(module.read_text() + "\nCHANGED = 1\n")
    made = unpack(share(changed.paths), "result.zip")
    assert b"+CHANGED = 1" in made[CHANGES]
    assert b"CHANGED = 1" not in made["code/pipeline/share/send.py"]
    assert b"changes.patch" in made["README.md"]
    (tmp_path / "received").mkdir()
    assert checked(made, published, tmp_path / "received") is Level.SAME_BYTES


def fail(published: Checkout, root: Path, reason: str) -> Checkout:
    """Return a copy of a published result in which seed 1 is said to have failed."""
    checkout = own_copy(published, root)
    run = Record(checkout.paths.run(1))
    described = read_record(run.folder).description
    assert described is not None
    shutil.rmtree(run.folder)
    run.begin(described)
    run.fail(reason)
    publish_again(checkout)
    return checkout


def own_copy(published: Checkout, root: Path) -> Checkout:
    shutil.copytree(published.paths.root, root, symlinks=True)
    return Checkout(Paths(root))


def publish_again(checkout: Checkout) -> None:
    """Let results, report and lock file follow from the runs that lie there."""
    shutil.rmtree(checkout.paths.figures)  # as DVC does
    for stage in (evaluate, report):
        stage(compose(checkout.paths), checkout.paths)
    checkout.run("dvc", "commit", "--force", "--quiet", "train", "evaluate", "report")


@pytest.mark.slow
def test_a_seed_that_failed_is_shared_as_one(published: Checkout, tmp_path: Path) -> None:
    failed = fail(published, tmp_path / "failed", "the loss is no number after epoch 1")
    files = unpack(share(failed.paths), "result.zip")
    assert b"1 of 2" in files["README.md"]
    entities = {each["@id"]: each for each in json.loads(files[METADATA])["@graph"]}
    assert entities["#training-1"]["actionStatus"].endswith("/FailedActionStatus")
    assert entities["#training-1"]["error"] == "the loss is no number after epoch 1"
    (tmp_path / "received").mkdir()
    assert checked(files, failed, tmp_path / "received") is Level.SAME_BYTES


@pytest.mark.slow
def test_a_seed_that_is_only_said_to_have_failed_is_found(
    published: Checkout, tmp_path: Path
) -> None:
    failed = fail(published, tmp_path / "failed", "the loss is no number after epoch 1")
    (tmp_path / "forged.zip").write_bytes(share(failed.paths))
    done = failed.run("pipeline.verify", str(tmp_path / "forged.zip"), check=False)
    assert done.returncode == Level.DIFFERENT.value
    assert "seed-1 is said to have failed: the loss is no number after epoch 1" in done.stdout
    assert "trained again, it does not fail, or not in the same way" in done.stdout


@pytest.mark.slow
def test_a_seed_that_fails_again_is_confirmed(
    make_checkout: Callable[[str], Checkout], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = make_checkout("here")
    diverging = ("network.activation=identity", "network.output=identity",
                 "training.cost=squared_error", "training.learning_rate=1e6")  # fmt: skip
    here.train("seed=0", *diverging, check=False)
    (folder,) = (path.parent for path in here.paths.records.glob("*/failure.json"))
    record = read_record(folder)
    assert isinstance(record, Unfinished)
    assert verify_failure(record, here.paths, Paths(tmp_path / "again")) is Level.SAME_BYTES
    assert "trained again, it fails in the same way" in capsys.readouterr().out


def edit_a_result(root: Path) -> None:
    (root / "results/tests.json").write_bytes(b"[]")


def remove_a_picture(root: Path) -> None:
    next((root / "reports/figures").iterdir()).unlink()


def remove_a_run(root: Path) -> None:
    shutil.rmtree(root / "runs/seed-1")


def remove_the_citation(root: Path) -> None:
    (root / "CITATION.cff").unlink()


def cite_nobody(root: Path) -> None:
    (root / "CITATION.cff").write_text("cff-version: 1.2.0\ntitle: a\nversion: 1\nlicense: MIT\n")


def forget_the_lock(root: Path) -> None:
    lock = root / "dvc.lock"
    lock.write_text(lock.read_text().replace("epochs: 2", "epochs: 3", 1))


def link_code(root: Path) -> None:
    (root / "pipeline/link.py").symlink_to("/etc/passwd")
    commit_all(root)


def cite_no_address(root: Path) -> None:
    citation = root / "CITATION.cff"
    citation.write_text(citation.read_text() + "\nrepository-code: {id: ./}\n")


def forget_code(root: Path) -> None:
    by_user(root, "rm", "--quiet", "--cached", "Makefile")
    by_user(root, "commit", "--quiet", "--message=less")


def edit_the_training(root: Path) -> None:
    module = root / "pipeline/network/training.py"
    module.write_text(f"{module.read_text()}\nEDITED = 1\n")


def remove_git(root: Path) -> None:
    shutil.rmtree(root / ".git")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edit_a_result, "tests.json"),
        (remove_a_picture, "does not follow from the records; `dvc repro`"),
        (remove_a_run, "seed-1 is missing"),
        (remove_the_citation, "CITATION.cff cannot be read"),
        (cite_nobody, "allowed is the Citation File Format 1.2.0 with title"),
        (forget_the_lock, "dvc.lock does not fit training of .*; `dvc repro`"),
        (link_code, "^code/pipeline/link.py cannot be shared: allowed are files"),
        (cite_no_address, "CITATION.cff: repository-code = {.*: allowed is an address"),
        (forget_code, "^Makefile is not in commit [0-9a-f]{40}; commit all code"),
        (edit_the_training, "trained by different code"),
        (remove_git, "a share needs the commit of its code: .* is not a git checkout"),
    ],
)
def test_what_is_not_complete_is_not_shared(
    damage: Callable[[Path], None], message: str, published: Checkout, tmp_path: Path
) -> None:
    root = own_copy(published, tmp_path / "damaged").paths.root
    damage(root)
    with pytest.raises(UserError, match=message) as caught:
        share(Paths(root))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "data_folder: /srv/somebody/images",
        "# on https://a:secret@example.org",
        "tracking: {uri: 'https://a:secret@example.org', live: false}",
        "tracking: {uri: '${oc.env:STORE,null}'}",
    ],
)
def test_what_names_a_machine_or_a_user_is_not_shared(
    line: str, published: Checkout, shared: Path, tmp_path: Path
) -> None:
    root = own_copy(published, tmp_path / "named").paths.root
    params = yaml.safe_load((root / "params.yaml").read_text())
    del params["tracking"]
    (root / "params.yaml").write_text(f"{yaml.safe_dump(params)}{line}\n")
    assert share(Paths(root)) == shared.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("output", ["/proc/result.zip", "reports.zip"])
def test_a_place_that_cannot_be_written_to_is_one_line(
    published: Checkout, output: str, tmp_path: Path
) -> None:
    checkout = own_copy(published, tmp_path / "checkout")
    (checkout.paths.root / "reports.zip").mkdir()
    done = checkout.run("pipeline.share.send", output, check=False)
    assert done.returncode == 2
    assert re.fullmatch(rf"error: {output} cannot be written \(.+\)\n", done.stderr)


@pytest.mark.parametrize("output", ["seed=0", "params.yaml", "."])
def test_a_share_is_written_to_a_zip_file_alone(published: Checkout, output: str) -> None:
    before = written(published)
    done = published.run("pipeline.share.send", output, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: output = {output}: allowed is the name of a file that ends in .zip\n"
    )
    assert written(published) == before


# --- what is received --------------------------------------------------------------------------


def test_what_was_shared_is_what_its_records_give(
    files: Files, published: Checkout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(files, published, tmp_path) is Level.SAME_BYTES
    assert "all the same as here" in capsys.readouterr().out


def test_a_share_may_have_any_name(published: Checkout, shared: Path, tmp_path: Path) -> None:
    received = tmp_path / "received"
    received.write_bytes(shared.read_bytes()[:-1])
    done = published.run("pipeline.verify", str(received), check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: received is not a readable zip file")


@pytest.mark.parametrize("option", ["--apply-changes", "--lecture", "--code-here"])
def test_an_option_that_does_nothing_for_a_share_is_refused(
    published: Checkout, shared: Path, option: str
) -> None:
    done = published.run("pipeline.verify", option, str(shared), check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {option}: allowed for ")
    assert done.stderr.endswith(", not for a shared zip\n")


@pytest.mark.slow
def test_a_forged_lock_file_is_named(
    files: Files, published: Checkout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = yaml.safe_load(files[LOCK])
    stages = lock["stages"]
    stages["train"]["cmd"] = "true"
    stages["split"]["params"]["params.yaml"]["split"]["seed"] = 9
    stages["encode"]["deps"][0]["size"] += 1
    stages["report"]["outs"] = [
        each for each in stages["report"]["outs"] if each["path"] != "reports/summary.md"
    ]
    files[LOCK] = yaml.safe_dump(lock).encode()
    list_again(files)
    assert checked(files, published, tmp_path) is Level.DIFFERENT
    said = capsys.readouterr().out
    start = "  dvc.lock: does not fit the share's files: data/raw/digits, split of split, "
    assert f"{start}the command of train and 1 more\n" in said


def test_forged_results_are_named_each_in_a_line(
    files: Files, published: Checkout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = ("results/metrics.json", "results/tests.json", "results/predictions.csv",
              "reports/summary.md", "reports/index.html", "reports/figures/seeds.png",
              "README.md", "MODEL_CARD.md")  # fmt: skip
    for name in edited:
        files[name] = re.sub(
            rb"[0-9]", lambda digit: b"5" if digit[0] != b"5" else b"6", files[name], count=1
        )
    metadata = json.loads(files[METADATA])
    metadata["@graph"][0]["name"] = "another"
    files[METADATA] = json_bytes(metadata)
    del files["results/history.csv"]
    files["results/more.csv"] = b""
    assert checked(files, published, tmp_path) is Level.DIFFERENT
    progress, _, lock, *lines = capsys.readouterr().out.splitlines()
    assert progress == "computing all results again from the runs"
    assert lock.startswith("  dvc.lock: does not fit the share's files: results/")
    assert sorted(lines) == sorted(
        [
            *(f"  {name}: does not follow from the records" for name in (*edited, METADATA)),
            "  results/history.csv: is missing",
            "  results/more.csv: does not follow from the records",
        ]
    )


@pytest.mark.slow
def test_rounding_in_a_result_is_told_from_forgery(
    files: Files, published: Checkout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = files["results/history.csv"].decode().splitlines()
    *cells, value = history[2].split(",")
    history[2] = ",".join([*cells, repr(float(value) * (1 + 1e-14))])
    files["results/history.csv"] = ("\n".join(history) + "\n").encode()
    list_again(files)
    assert checked(files, published, tmp_path) is Level.WITHIN_TOLERANCE
    assert "history.csv: the same numbers up to rounding" in capsys.readouterr().out


def flip(name: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        content = files[name]
        files[name] = content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]

    return change


def cite(**values: object) -> Callable[[Files], None]:
    return lambda files: files.__setitem__(
        "CITATION.cff",
        json.dumps(
            {"title": "T", "version": 1, "license": "MIT", "authors": [], **values}
        ).encode(),
    )


def patch(text: str) -> Callable[[Files], None]:
    return lambda files: files.__setitem__(CHANGES, text.encode())


def new(name: str, mode: str = "100644") -> str:
    """Return a patch that makes a file, or a link."""
    return (
        f"diff --git a/{name} b/{name}\nnew file mode {mode}\n--- /dev/null\n+++ b/{name}\n"
        "@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n"
    )


def remove(name: str) -> Callable[[Files], None]:
    return lambda files: files.__delitem__(name)


def add(name: str) -> Callable[[Files], None]:
    return lambda files: files.__setitem__(name, b"")


def better(folder: Path) -> None:
    edit_history(folder, 2, "validation.accuracy", 1.0)


def describe_otherwise(change: Callable[[dict[str, object]], None]) -> Callable[[Files], None]:
    def edit(folder: Path) -> None:
        path = folder / "description.json"
        described = json.loads(path.read_bytes())
        change(described)
        path.write_bytes(json_bytes(described))

    def forge(files: Files) -> None:
        for seed in (0, 1):
            of_record(seed, edit)(files)

    return forge


def other_training_code(files: Files) -> None:
    files["code/pipeline/network/training.py"] += b"\nEDITED = 1\n"


def other_code_beside_no_changes(files: Files) -> None:
    other_training_code(files)
    files[CHANGES] = b""


def no_python(files: Files) -> None:
    files["code/pipeline/network/training.py"] = b"(" * 100_000


def of_another_experiment(files: Files) -> None:
    files["params.yaml"] = files["params.yaml"].replace(b"batch_size: 20", b"batch_size: 10")


def no_params(files: Files) -> None:
    files["params.yaml"] = b"a: [" * 1000


def ask_the_environment(files: Files) -> None:
    files["params.yaml"] = files["params.yaml"].replace(b"study: ", b"study: ${oc.env:HOME} #")


def no_metadata(files: Files) -> None:
    files[METADATA] = b'{"@graph": [{"@id": "./", "datePublished": "yesterday"}]}'


REFUSED = {
    "a flipped bit of a model": (flip("runs/seed-0/model.npz"), "seed-0/model.npz was changed"),
    "a flipped bit of a history": (flip("runs/seed-0/history.jsonl"), "history.jsonl was changed"),
    "a forged manifest": (flip("runs/seed-0/manifest.json"), "seed-0/manifest.json"),
    "a missing model": (remove("runs/seed-1/model.npz"), "seed-1/model.npz cannot be read"),
    "a missing manifest": (remove("runs/seed-1/manifest.json"), "runs/seed-1"),
    "missing parameters": (remove("params.yaml"), "params.yaml is missing"),
    "a missing workflow": (remove("code/dvc.yaml"), "code/dvc.yaml is missing"),
    "a project that is none": (flip("code/pyproject.toml"), "pyproject.toml or requirements.lock"),
    "a missing licence": (remove("LICENSE"), "LICENSE is missing"),
    "missing metadata": (remove(METADATA), f"{METADATA} is missing"),
    "metadata of no commit": (no_metadata, "names no valid commit"),
    "another file": (add("setup.py"), "setup.py does not belong in a share"),
    "another file of a run": (
        add("runs/seed-0/x.py"),
        "runs/seed-0/x.py does not belong in a share",
    ),
    "no authors": (cite(), "authors = .*: allowed is a list of at least one"),
    "an author who is the share": (
        cite(authors=[{"name": "A", "orcid": "./"}]),
        "orcid or website = ./: allowed is an address",
    ),
    "an address that is none": (
        cite(authors=[{"name": "A", "website": {"a": "b"}}]),
        "orcid or website = {.*: allowed is an address",
    ),
    "a run too many": (add("runs/seed-7/model.npz"), "runs/seed-7/model.npz is of a seed that"),
    "another model, sealed": (
        of_record(1, reverse_biases),
        "scores on the validation data differ from those it records",
    ),
    "a better history, sealed": (of_record(1, better), "scores on the validation data differ"),
    "foreign arithmetic": (
        describe_otherwise(lambda each: each["arithmetic"].update(canary="0" * 64)),  # type: ignore[attr-defined]
        "runs/seed-0 was computed with a different version of the arithmetic than here",
    ),
    "other code": (
        describe_otherwise(lambda each: each.update(code="0" * 64)),
        "trained by different code than code/ and changes.patch",
    ),
    "edited code": (other_training_code, "trained by different code than code/ and changes.patch"),
    "other code beside no changes": (
        other_code_beside_no_changes,
        "trained by different code than code/ and changes.patch",
    ),
    "changes that do not fit": (
        patch("--- a/dvc.yaml\n+++ b/dvc.yaml\n@@ -1 +1 @@\n-a\n+b\n"),
        "changes.patch does not fit code/",
    ),
    "changes elsewhere": (patch(new("../elsewhere.py")), "changes.patch does not fit code/"),
    "changes of the root": (patch(new("/tmp/elsewhere.py")), "changes.patch does not fit code/"),
    "changes of git's folder": (patch(new(".git/config")), "changes.patch does not fit code/"),
    "changes that link": (
        patch(new("pipeline/a.py", "120000")),
        "changes.patch makes code/pipeline/a.py, which cannot be in a share",
    ),
    "changes that hide": (patch(new("pipeline/.a.py")), "changes.patch makes code/pipeline/.a.py"),
    "changes of no text": (patch("GIT binary patch\nliteral 9\n"), "allowed are up to .* of text"),
    "a hidden file": (add("code/pipeline/.git/config"), "does not belong in a share"),
    "a repository": (add("code/pipeline/x/HEAD"), "does not belong in a share"),
    "a file of a run that failed": (
        add("runs/seed-0/failure.json"),
        "is of a run that finished, runs/seed-0/failure.json of one not",
    ),
    "a run of two names": (add("runs/seed-00/model.npz"), "seed-00/model.npz is of a seed that"),
    "other data": (
        describe_otherwise(lambda each: each["data"].update({"train-labels": "0"})),  # type: ignore[attr-defined]
        "runs/seed-0 was trained on other data",
    ),
    "another split": (
        describe_otherwise(lambda each: each["preparation"].update(split="0")),  # type: ignore[attr-defined]
        "runs/seed-0 was trained on another split",
    ),
    "a description of more": (
        describe_otherwise(lambda each: each.update(more=1)),
        "runs/seed-0 has a description with more",
    ),
    "a lock file that is none": (
        lambda files: files.__setitem__(LOCK, b"stages: [1]"),
        "dvc.lock or dvc.yaml is not as DVC writes it",
    ),
    "code that is none": (no_python, "trained by different code than code/ and changes.patch"),
    "another experiment": (of_another_experiment, "runs/seed-0 is of another experiment"),
    "parameters from the environment": (
        ask_the_environment,
        "params.yaml: allowed is the experiment",
    ),
    "parameters that are none": (no_params, "params.yaml"),
}


@pytest.mark.parametrize(("forge", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_share_that_contradicts_itself_is_refused_in_one_line(
    forge: Callable[[Files], None], message: str, files: Files, published: Checkout, tmp_path: Path
) -> None:
    forge(files)
    with pytest.raises(UserError, match=message) as caught:
        checked(files, published, tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert str(caught.value).startswith("forged.zip: ")


@pytest.mark.slow
def test_verify_trains_a_seed_again_and_keeps_nothing(
    shared: Path, make_checkout: Callable[[str], Checkout]
) -> None:
    here = make_checkout("receiver")
    done = here.run("pipeline.verify", str(shared))
    assert done.stdout.splitlines()[-1] == "same bytes"
    assert "seed 0: record" in done.stdout
    assert "seed 1: record" not in done.stdout
    assert not here.paths.records.exists()


@pytest.mark.slow
def test_an_import_takes_in_what_was_never_trained_here(
    shared: Path, make_checkout: Callable[[str], Checkout]
) -> None:
    here = make_checkout("receiver")
    assert "seed 1: imported into" in here.run("pipeline.share.receive", str(shared)).stdout
    records = [read_finished(path.parent) for path in here.paths.records.glob("*/manifest.json")]
    assert {record.seed for record in records} == {0, 1}
    assert {shared_by(record) for record in records} == {AUTHOR}
    assert all(record.test is not None for record in records)
    assert all(isinstance(read_own(record.folder), Unfinished) for record in records)

    # Training makes it one's own, with the same bytes; then nothing is left to import.
    here.train("seed=0", "training.epochs=2", "hydra/launcher=basic")
    own = [record for each in records if shared_by(record := read_finished(each.folder)) is None]
    assert [(each.seed, each.manifest) for each in own] == [
        (each.seed, each.manifest) for each in records if each.seed == 0
    ]
    assert "the same bytes are already in" in here.run("pipeline.share.receive", str(shared)).stdout


@pytest.mark.slow
def test_a_record_of_ones_own_with_other_bytes_is_not_replaced(
    shared: Path, files: Files, make_checkout: Callable[[str], Checkout]
) -> None:
    here = make_checkout("receiver")
    of_record(1, better)(files)
    described = json.loads(files["runs/seed-1/description.json"])
    folder = here.paths.records / sha256(canonical_json(described))[:20]
    folder.mkdir(parents=True)
    for name in PUBLISHED:
        (folder / name).write_bytes(files[f"runs/seed-1/{name}"])
    assert isinstance(read_record(folder), Finished)
    done = here.run("pipeline.share.receive", str(shared), check=False)
    assert done.returncode == 2
    assert "has different bytes; nothing was imported" in done.stderr
    assert [path.parent for path in here.paths.records.glob("*/manifest.json")] == [folder]


@pytest.mark.slow
def test_forged_results_are_not_imported(
    files: Files, make_checkout: Callable[[str], Checkout], tmp_path: Path
) -> None:
    here = make_checkout("receiver")
    files["results/metrics.json"] = files["results/metrics.json"].replace(b"1", b"2")
    path = tmp_path / "forged.zip"
    path.write_bytes(pack(files))
    done = here.run("pipeline.share.receive", str(path), check=False)
    assert done.returncode == 2
    assert "results/metrics.json: does not follow from the records" in done.stdout
    assert done.stderr.count("\n") == 1
    assert not here.paths.records.exists()


@pytest.mark.slow
def test_a_run_of_ones_own_that_is_not_complete_is_left_alone(
    published: Checkout, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked = check(shared, published.paths, tmp_path / "scratch")
    record, here = checked.made.results.records[0], Paths(tmp_path / "here")
    begun = Record(here.records / record.identity)
    begun.begin(record.description)
    take_in(checked, here)
    assert "not imported, since your own run is not complete" in capsys.readouterr().out
    assert {path.name for path in begun.folder.iterdir()} == {".lock", "description.json"}


@pytest.mark.slow
def test_whoever_reproduces_a_result_shares_the_same_bytes(
    published: Checkout, tmp_path: Path
) -> None:
    contents = []
    for person in ("one", "another"):
        clone = Checkout(Paths(tmp_path / person))
        by_user(tmp_path, "clone", "--quiet", str(published.paths.root), str(clone.paths.root))
        clone.run("dvc", "repro", "--quiet", "report")
        contents.append(share(clone.paths))
    assert contents[0] == contents[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "options", "level"),
    [
        (0, [], Level.DIFFERENT),
        (1, [], Level.SAME_BYTES),
        (1, ["--all-seeds"], Level.DIFFERENT),
    ],
    ids=["first", "second", "second of all"],
)
def test_an_edited_epoch_from_which_all_else_follows_is_found_by_training_its_seed(
    seed: int, options: list[str], level: Level, published: Checkout, tmp_path: Path
) -> None:
    """One seed is trained again, or all of them on request."""
    forged = own_copy(published, tmp_path / "forged")
    shutil.rmtree(forged.paths.records)
    edit_history(forged.paths.run(seed), 1, "train.accuracy", 0.99)
    reseal(forged.paths.run(seed))
    publish_again(forged)
    path = tmp_path / "forged.zip"
    path.write_bytes(share(forged.paths))
    done = published.run("pipeline.verify", str(path), *options, check=False)
    assert done.returncode == level.value, done.stdout + done.stderr
    assert ("history.jsonl: different bytes" in done.stdout) == (level is Level.DIFFERENT)

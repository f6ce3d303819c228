"""After any change to the store, one pass restores what a new store would hold."""

import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, RunTag, ViewType

from pipeline.base.config import compose
from pipeline.base.errors import Failed
from pipeline.base.files import npz_bytes
from pipeline.base.paths import Paths
from pipeline.records.record import add_origin, read_finished
from pipeline.tracking.mirror import KEY
from pipeline.tracking.plan import OURS, plan
from pipeline.tracking.store import RECORD_FORMAT, connect
from pipeline.tracking.sync import status, sync
from tests.conftest import Checkout, copy_of, hashes, run_python
from tests.tracking.conftest import bring_up_to_date
from tests.tracking.stores import contents, models_by_run, server

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def runs(client: MlflowClient) -> list[Run]:
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, order_by=["attributes.run_name"]))


def a_seed(client: MlflowClient) -> Run:
    return next(run for run in runs(client) if run.info.run_name == "seed 1")


def the_parent(client: MlflowClient) -> Run:
    return next(run for run in runs(client) if "mlflow.parentRunId" not in run.data.tags)


def change(checkout: Checkout, statement: str) -> None:
    """Change the store behind MLflow's back."""
    with closing(sqlite3.connect(checkout.paths.store)) as store, store:
        assert store.execute(statement).rowcount > 0


def assert_that_a_pass_writes_nothing(checkout: Checkout) -> None:
    before = checkout.paths.store.read_bytes()
    bring_up_to_date(checkout)
    assert checkout.paths.store.read_bytes() == before


# --- by MLflow's own means ---


def delete_a_seed(client: MlflowClient) -> None:
    client.delete_run(a_seed(client).info.run_id)


def delete_the_parent(client: MlflowClient) -> None:
    client.delete_run(the_parent(client).info.run_id)


def delete_every_run(client: MlflowClient) -> None:
    for run in runs(client):
        client.delete_run(run.info.run_id)


def delete_the_experiment(client: MlflowClient) -> None:
    client.delete_experiment(a_seed(client).info.experiment_id)


def rename_the_experiment(client: MlflowClient) -> None:
    client.rename_experiment(a_seed(client).info.experiment_id, "another name")


def rename_a_seed(client: MlflowClient) -> None:
    client.update_run(a_seed(client).info.run_id, name="another name")


def fail_a_seed(client: MlflowClient) -> None:
    client.set_terminated(a_seed(client).info.run_id, "FAILED")


def move_a_seed(client: MlflowClient) -> None:
    client.set_tag(a_seed(client).info.run_id, "mlflow.parentRunId", "0" * 32)


def change_a_tag(client: MlflowClient) -> None:
    client.set_tag(a_seed(client).info.run_id, "commit", "another")


def remove_a_tag(client: MlflowClient) -> None:
    client.delete_tag(a_seed(client).info.run_id, "identity")


def remove_the_digest(client: MlflowClient) -> None:
    client.delete_tag(a_seed(client).info.run_id, "pipeline.mirrored")


def log_another_value(client: MlflowClient) -> None:
    client.log_metric(a_seed(client).info.run_id, "test/accuracy", 100.0, step=9)


def log_a_value_again(client: MlflowClient) -> None:
    run = the_parent(client)
    client.log_metric(run.info.run_id, "test/accuracy", 99.0, step=3)


def double_a_seed(client: MlflowClient) -> None:
    run = a_seed(client)
    copy = client.create_run(
        run.info.experiment_id, start_time=run.info.start_time, tags=run.data.tags
    )
    client.log_batch(
        copy.info.run_id, tags=[RunTag(name, value) for name, value in run.data.tags.items()]
    )


def a_run_of_no_record(client: MlflowClient) -> None:
    tags = {**a_seed(client).data.tags, KEY: "own/record"}
    client.create_run(a_seed(client).info.experiment_id, tags=tags)


BY_API = (
    delete_a_seed,
    delete_the_parent,
    delete_every_run,
    delete_the_experiment,
    rename_the_experiment,
    rename_a_seed,
    fail_a_seed,
    move_a_seed,
    change_a_tag,
    remove_a_tag,
    remove_the_digest,
    log_another_value,
    log_a_value_again,
    double_a_seed,
    a_run_of_no_record,
)


@pytest.mark.parametrize("disturb", BY_API, ids=lambda disturb: str(disturb.__name__))
def test_what_somebody_changes_through_mlflow_is_put_right(
    disturb: Callable[[MlflowClient], None], mirrored: Checkout, expected: dict[str, Any]
) -> None:
    disturb(connect(None, mirrored.paths).client)
    bring_up_to_date(mirrored)
    assert contents(mirrored.paths) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE params SET value = '99' WHERE key = 'training.epochs'",
        "UPDATE latest_metrics SET value = 0.5 WHERE key = 'test/accuracy'",
        "DELETE FROM latest_metrics WHERE key = 'validation/loss'",
        "DELETE FROM params WHERE key = 'seed'",
        "UPDATE runs SET start_time = 1",
        "DELETE FROM inputs WHERE source_type = 'DATASET'",
    ],
)
def test_what_somebody_changes_in_the_database_is_put_right(
    statement: str, mirrored: Checkout, expected: dict[str, Any]
) -> None:
    change(mirrored, statement)
    bring_up_to_date(mirrored)
    assert contents(mirrored.paths) == expected


def test_a_run_that_is_restored_is_not_there_twice(
    mirrored: Checkout, expected: dict[str, Any]
) -> None:
    client = connect(None, mirrored.paths).client
    run_id = a_seed(client).info.run_id
    client.delete_run(run_id)
    bring_up_to_date(mirrored)
    client.restore_run(run_id)
    bring_up_to_date(mirrored)
    assert contents(mirrored.paths) == expected


def test_a_run_that_is_restored_comes_back_with_the_words_of_a_user(mirrored: Checkout) -> None:
    client = connect(None, mirrored.paths).client
    for run in runs(client):
        client.set_tag(run.info.run_id, "reviewed by", "me")
        client.delete_run(run.info.run_id)
    bring_up_to_date(mirrored)
    restored = client.search_runs(["1"], run_view_type=ViewType.DELETED_ONLY)
    for run in restored:
        client.restore_run(run.info.run_id)
    bring_up_to_date(mirrored)
    assert [run.data.tags["reviewed by"] for run in runs(client)] == ["me"] * len(restored)


def test_a_run_that_is_right_keeps_its_id(mirrored: Checkout) -> None:
    client = connect(None, mirrored.paths).client
    before = {run.info.run_name: run.info.run_id for run in runs(client)}
    log_another_value(client)
    bring_up_to_date(mirrored)
    after = {run.info.run_name: run.info.run_id for run in runs(client)}
    assert before.keys() == after.keys()
    assert [name for name, run_id in before.items() if after[name] != run_id] == ["seed 1"]


def test_what_a_user_has_made_stays(mirrored: Checkout) -> None:
    client = connect(None, mirrored.paths).client
    seed = a_seed(client).info
    own = client.create_run(seed.experiment_id, run_name="my own").info.run_id
    note = client.get_run(seed.run_id).data.tags["mlflow.note.content"]
    client.set_tag(seed.run_id, "mlflow.note.content", f"{note}\n\nLook at this one!")
    client.set_tag(seed.run_id, "reviewed by", "me")
    client.log_metric(seed.run_id, "my metric", 7.0)
    bring_up_to_date(mirrored)
    kept = client.get_run(seed.run_id).data
    assert kept.metrics["my metric"] == 7.0
    assert client.get_run(own).info.lifecycle_stage == "active"
    log_another_value(client)  # the run is replaced
    bring_up_to_date(mirrored)
    replaced = a_seed(client)
    assert replaced.info.run_id != seed.run_id
    for run in (kept, replaced.data):
        assert run.tags["reviewed by"] == "me"
        assert run.tags["mlflow.note.content"] == f"{note}\n\nLook at this one!"


def test_notes_that_replaced_a_description_are_kept_below_it(mirrored: Checkout) -> None:
    client = connect(None, mirrored.paths).client
    seed = a_seed(client)
    client.set_tag(seed.info.run_id, "mlflow.note.content", "Look at this one!")
    for _ in range(2):
        bring_up_to_date(mirrored)
        note = client.get_run(seed.info.run_id).data.tags["mlflow.note.content"]
        assert note == f"{seed.data.tags['mlflow.note.content']}\n\nLook at this one!"


def test_the_model_of_a_run_that_somebody_deleted_is_deleted(mirrored: Checkout) -> None:
    client = connect(None, mirrored.paths).client
    client.delete_run(a_seed(client).info.run_id)
    bring_up_to_date(mirrored)
    active = {run.info.run_id for run in runs(client)}
    assert models_by_run(client, a_seed(client).info.experiment_id).keys() <= active


def test_a_rebuild_replaces_every_run_and_loses_no_words_of_a_user(mirrored: Checkout) -> None:
    client = connect(None, mirrored.paths).client
    before = {run.info.run_id for run in runs(client)}
    client.set_tag(a_seed(client).info.run_id, "reviewed by", "me")
    sync(compose(mirrored.paths), mirrored.paths, rebuild=True)
    assert before.isdisjoint(run.info.run_id for run in runs(client))
    assert a_seed(client).data.tags["reviewed by"] == "me"


def test_a_copy_of_a_record_is_no_second_run(
    mirrored: Checkout, expected: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    record = next(mirrored.paths.records.glob("*/description.json")).parent
    shutil.copytree(record, record.with_name("a copy"))
    bring_up_to_date(mirrored)
    assert contents(mirrored.paths) == expected
    status(compose(mirrored.paths), mirrored.paths)
    assert "no (" not in capsys.readouterr().out


def test_an_imported_record_stands_beside_ones_own_under_its_authors_name(
    unmirrored: Checkout,
) -> None:
    folder = min(unmirrored.paths.records.glob("*/manifest.json")).parent
    record = read_finished(folder)
    add_origin(record, {"studies": ["digits-demo"], "shared": {"by": "A. Author"}})
    runs, wrong = plan(unmirrored.paths, "digits-demo", {})
    assert wrong == []
    own, imported = sorted((run for run in runs if run.parent is None), key=lambda run: run.name)
    assert imported.name == f"{own.name} · shared by A. Author"
    children = {run.parent: run for run in runs if run.parent is not None}
    assert children[imported.key].key == record.identity
    assert children[imported.key].tags["shared by"] == "A. Author"
    assert "shared by" not in children[own.key].tags


@pytest.mark.parametrize("origin", ["nobody's", "another's"])
def test_a_tag_that_the_record_no_longer_gives_is_removed(origin: str, mirrored: Checkout) -> None:
    """As when a seed is imported, and then trained here: authors and environment are others."""
    folder = min(mirrored.paths.records.glob("*/manifest.json")).parent
    record = read_finished(folder)
    add_origin(record, {**record.origin, "shared": {"by": "A. Author", "title": "Digits"}})
    bring_up_to_date(mirrored)
    client = connect(None, mirrored.paths).client
    (run,) = (run for run in runs(client) if run.data.tags.get("shared by") == "A. Author")
    client.set_tag(run.info.run_id, "reviewed by", "me")
    own = {"environment": {}} if origin == "nobody's" else {"started": 1.0, "environment": {}}
    add_origin(record, {**record.origin, **own})
    bring_up_to_date(mirrored)
    (run,) = (run for run in runs(client) if run.data.tags.get("identity") == record.identity)
    assert run.data.tags["reviewed by"] == "me"
    assert not run.data.tags.keys() & {"shared by", "shared title", "NumPy", "BLAS"}
    assert_that_a_pass_writes_nothing(mirrored)


@pytest.mark.parametrize(
    "progress", [b"nonsense", npz_bytes({"history": np.frombuffer(b'{"epoch": 1}', np.uint8)})]
)
def test_a_record_with_nonsense_for_epochs_is_shown_without_them(
    progress: bytes, mirrored: Checkout
) -> None:
    """As a sweep would train it from the start."""
    shutil.rmtree(mirrored.paths.runs)  # from which the record would be mended
    record = next(mirrored.paths.records.glob("*/description.json")).parent
    (record / "manifest.json").unlink()
    (record / "progress.npz").write_bytes(progress)
    bring_up_to_date(mirrored)
    states = [run.info.status for run in runs(connect(None, mirrored.paths).client)]
    assert sorted(states) == ["FINISHED", "FINISHED", "FINISHED", "KILLED"]


def test_an_experiment_of_somebody_elses_is_left_alone(mirrored: Checkout) -> None:
    client = connect(None, mirrored.paths).client
    theirs = client.get_experiment_by_name("Default")
    assert theirs is not None
    client.rename_experiment(a_seed(client).info.experiment_id, "another")
    client.rename_experiment(theirs.experiment_id, compose(mirrored.paths).study)
    for _ in range(2):
        with pytest.raises(Failed, match="not made here"):
            bring_up_to_date(mirrored)
    assert not list(mirrored.paths.root.glob("mlflow.db.aside*"))


def test_long_notes_of_a_user_replace_no_run(mirrored: Checkout) -> None:
    client = connect(None, mirrored.paths).client
    seed = a_seed(client)
    client.set_tag(seed.info.run_id, "mlflow.note.content", "w" * 7900)
    bring_up_to_date(mirrored)
    assert a_seed(client).info.run_id == seed.info.run_id
    assert a_seed(client).data.tags["mlflow.note.content"].endswith("w" * 7900)
    assert_that_a_pass_writes_nothing(mirrored)


def test_a_metric_of_a_user_replaces_no_run(mirrored: Checkout) -> None:
    client = connect(None, mirrored.paths).client
    seed = a_seed(client)
    client.log_metric(seed.info.run_id, "test/f1", 0.5)
    bring_up_to_date(mirrored)
    assert a_seed(client).info.run_id == seed.info.run_id


def test_every_planned_metric_is_in_the_list_of_own_metrics(finished: Checkout) -> None:
    runs, _ = plan(finished.paths, "some", {})
    assert {point.key for run in runs for point in run.points} <= OURS


# --- the file ---


def make_another_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("CREATE TABLE runs (name TEXT)")


FILES: dict[str, Callable[[Path], object]] = {
    "removed": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:100_000]),
    "nonsense": lambda path: path.write_bytes(b"nonsense" * 1000),
    "overwritten in the middle": lambda path: path.write_bytes(
        path.read_bytes()[:8192] + b"\xff" * 65536 + path.read_bytes()[73728:]
    ),
    "another program's": make_another_database,
}


@pytest.mark.parametrize(
    "how",
    [how if how == "nonsense" else pytest.param(how, marks=pytest.mark.slow) for how in FILES],
)
def test_an_invalid_store_is_moved_aside_and_created_again(
    how: str,
    unmirrored: Checkout,
    expected: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    FILES[how](unmirrored.paths.store)
    bring_up_to_date(unmirrored)
    assert contents(unmirrored.paths) == expected
    aside = unmirrored.paths.store.with_name("mlflow.db.aside-1")
    assert aside.exists() == (how not in ("removed", "emptied"))
    if aside.exists():
        assert f"moved to {aside.name} and created again" in capsys.readouterr().err


def test_a_moved_checkout_keeps_its_artifacts_with_it(
    mirrored: Checkout, expected: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    home = mirrored.paths.root
    moved = Checkout(Paths(home.with_name("moved")))
    home.rename(moved.paths.root)
    bring_up_to_date(moved)
    assert not home.exists()
    assert "keeps its artifacts elsewhere" in capsys.readouterr().err
    assert contents(moved.paths) == expected
    for run in runs(connect(None, moved.paths).client):
        assert run.info.artifact_uri.startswith(moved.paths.artifacts.as_uri())


@pytest.mark.slow
def test_a_copy_writes_nothing_into_the_original(
    mirrored: Checkout, expected: dict[str, Any], tmp_path: Path
) -> None:
    before = hashes(mirrored.paths.root)
    copy = copy_of(mirrored.paths.root, tmp_path / "copy")
    copy.run("pipeline.stages.track")
    copy.run("pipeline.stages.track", "--rebuild")
    assert hashes(mirrored.paths.root) == before
    assert contents(copy.paths) == expected


# --- several ---


@pytest.mark.slow
def test_two_passes_at_once_make_nothing_twice(
    unmirrored: Checkout, expected: dict[str, Any]
) -> None:
    passes = [unmirrored.start("pipeline.stages.track") for _ in range(2)]
    for process in passes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert contents(unmirrored.paths) == expected


@pytest.mark.slow
def test_checkouts_that_share_a_store_leave_each_other_alone(
    unmirrored: Checkout, finished: Checkout, expected: dict[str, Any], tmp_path: Path
) -> None:
    """Their records are copies, so only who they are tells their runs apart."""
    other = copy_of(unmirrored.paths.root, tmp_path / "other")
    shared = f"tracking.uri=sqlite:///{tmp_path / 'shared.db'}"
    unmirrored.run("pipeline.stages.track", shared)
    client = connect(shared.partition("=")[2], unmirrored.paths).client
    before = {run.info.run_id: run.to_dictionary() for run in runs(client)}
    other.run("pipeline.stages.track", shared)
    other.run("pipeline.stages.track", "--rebuild", shared)
    after = {run.info.run_id: run.to_dictionary() for run in runs(client)}
    assert {run_id: after[run_id] for run_id in before} == before
    assert len(after) == 2 * len(before) == 2 * len(expected)
    (root,) = {run.info.artifact_uri.rpartition("/mlartifacts/")[0] for run in runs(client)}
    assert root == tmp_path.as_uri()


@pytest.mark.slow
def test_runs_in_a_shared_store_are_still_ones_own_when_the_records_are_deleted(
    unmirrored: Checkout, expected: dict[str, Any], tmp_path: Path
) -> None:
    shared = f"sqlite:///{tmp_path / 'shared.db'}"
    config = compose(unmirrored.paths, [f"tracking.uri={shared}"])
    sync(config, unmirrored.paths)
    assert len(runs(connect(shared, unmirrored.paths).client)) == len(expected)
    shutil.rmtree(unmirrored.paths.records)
    sync(config, unmirrored.paths)
    assert runs(connect(shared, unmirrored.paths).client) == []


@pytest.mark.slow
def test_runs_that_another_checkout_writes_into_the_own_store_are_kept(
    unmirrored: Checkout, expected: dict[str, Any], tmp_path: Path
) -> None:
    one = Checkout(Paths(tmp_path / "plain"))  # an address has no spaces
    unmirrored.paths.root.rename(one.paths.root)
    one.run("pipeline.stages.track")
    other = copy_of(one.paths.root, tmp_path / "other")
    other.run("pipeline.stages.track", f"tracking.uri=sqlite:///{one.paths.store}")
    one.run("pipeline.stages.track")
    assert len(runs(connect(None, one.paths).client)) == 2 * len(expected)


@pytest.mark.slow
def test_a_server_that_was_wiped_is_filled_again(
    unmirrored: Checkout, expected: dict[str, Any], free_port: int
) -> None:
    uri = f"http://127.0.0.1:{free_port}"
    for _ in range(2):
        with server(unmirrored.paths, free_port):
            unmirrored.run("pipeline.stages.track", f"tracking.uri={uri}")
            assert contents(unmirrored.paths, uri) == expected
        shutil.rmtree(unmirrored.paths.root / "server")


@pytest.mark.slow
def test_a_relative_address_is_of_the_checkout_from_wherever_it_is_read(
    unmirrored: Checkout, tmp_path: Path
) -> None:
    words = ("-m", "pipeline.stages.track", "tracking.uri=sqlite:///my.db")
    run_python(*words, cwd=tmp_path, env={"PYTHONPATH": str(unmirrored.paths.root)})
    assert (unmirrored.paths.root / "my.db").exists()
    assert (unmirrored.paths.root / "mlartifacts").is_dir()
    assert not list(tmp_path.glob("m*"))


# --- what the records say ---


@pytest.mark.slow
def test_training_one_seed_again_leaves_its_configuration_whole(
    mirrored: Checkout, expected: dict[str, Any]
) -> None:
    mirrored.run("pipeline.stages.train", "tracking.live=true", "seed=0")
    assert contents(mirrored.paths) == expected


def test_a_record_that_is_gone_is_gone_from_the_store(mirrored: Checkout) -> None:
    (record,) = (
        path.parent
        for path in mirrored.paths.records.glob("*/description.json")
        if '"seed": 2' in path.read_text()
    )
    shutil.rmtree(record)
    bring_up_to_date(mirrored)
    names = [run["name"] for run in contents(mirrored.paths).values() if run["parent"]]
    assert sorted(names) == ["seed 0", "seed 1"]


def test_status_looks_at_every_value_and_every_artifact_and_changes_nothing(
    mirrored: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    config, before = compose(mirrored.paths), hashes(mirrored.paths.root)
    status(config, mirrored.paths)
    assert told(capsys) == ["yes"] * 4
    assert hashes(mirrored.paths.root) == before
    history = "FROM metrics WHERE key = 'validation/loss' AND step = 1"
    change(mirrored, f"DELETE {history} AND rowid = (SELECT min(rowid) {history})")
    (removed, *_) = mirrored.paths.artifacts.rglob("history.jsonl")
    removed.unlink()
    status(config, mirrored.paths)
    lines = told(capsys)
    assert any("(validation/loss" in line for line in lines)
    assert any("history.jsonl" in line for line in lines)
    connect(None, mirrored.paths).client.create_run(
        a_seed(connect(None, mirrored.paths).client).info.experiment_id,
        tags={KEY: "own/record", RECORD_FORMAT: "2"},
    )
    status(config, mirrored.paths)
    assert told(capsys)[-1] == "no"


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the last column of the table that was printed."""
    _, *lines = capsys.readouterr().out.splitlines()
    return [line[line.index("finished") + 8 :].strip() if "finished" in line else
            line.partition("nothing")[2].strip() for line in lines]  # fmt: skip


STUDIES = ("it's", "[/red]", r"$\frac{$", 'a "study"', "Übung; DROP", "%s/..")


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_any_name_of_a_study_is_safe(study: str, mirrored: Checkout) -> None:
    quoted = "'" + study.replace("'", "\\'") + "'"
    mirrored.run("pipeline.stages.train", f"study={quoted}", "seed=0", "tracking.live=false")
    sync(compose(mirrored.paths), mirrored.paths)
    studies = {run["study"] for run in contents(mirrored.paths).values()}
    assert studies == {"digits-demo", study}
    status(compose(mirrored.paths), mirrored.paths)


@pytest.mark.parametrize("study", ["' '", "x\\\ny", "a" * 101])
def test_a_study_of_no_possible_name_is_refused(study: str, checkout: Checkout) -> None:
    done = checkout.run("pipeline.stages.train", f"study={study}", "seed=0", check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


# --- a store that cannot be had ---


@pytest.mark.parametrize(
    ("uri", "code", "words"),
    [
        ("sqlite:////proc/x.db", 1, "nothing is written to sqlite:////proc/x.db"),
        ("sqlite:////nowhere/x.db", 1, "/nowhere is not a folder that can be written to"),
        ("sqlite:////tmp", 1, "/tmp is not a file"),
        ("sqlite:///params.yaml", 1, "is not a store of MLflow's"),
        ("sqlite://", 2, "allowed is sqlite:///FILE"),
        ("mlruns", 2, "allowed is sqlite:///FILE"),
        ("file:///tmp/mlruns", 2, "allowed is sqlite:///FILE"),
    ],
)
def test_an_impossible_store_address_is_reported_in_one_line(
    uri: str, code: int, words: str, unmirrored: Checkout
) -> None:
    before = unmirrored.paths.params.read_bytes()
    done = unmirrored.run("pipeline.stages.track", f"tracking.uri={uri}", check=False, timeout=60)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert words in line
    assert unmirrored.paths.params.read_bytes() == before


@pytest.mark.slow
def test_a_store_that_is_locked_and_a_server_that_never_answers_are_told(
    unmirrored: Checkout, free_port: int
) -> None:
    holder = sqlite3.connect(unmirrored.paths.store, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    done = unmirrored.run("pipeline.stages.track", check=False)
    holder.close()
    assert done.returncode == 1
    assert "database is locked" in done.stderr
    with socket.create_server(("127.0.0.1", free_port)):
        uri = f"tracking.uri=http://127.0.0.1:{free_port}"
        done = unmirrored.run("pipeline.stages.track", uri, check=False)
    assert done.returncode == 1
    assert "does not answer yet" in done.stderr
    assert "run `pipeline track` later" in done.stderr

"""The store mirrors the records: complete, reproducible, without duplicates."""

import re
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from pipeline.base.config import compose
from pipeline.base.errors import UserError
from pipeline.base.files import sha256
from pipeline.records.gather import gather
from pipeline.records.record import Record, read_finished
from pipeline.tracking.fetch import fetch
from tests.conftest import Checkout
from tests.hostile_names import NAME, READER, assert_text_in
from tests.tracking.conftest import EPOCHS, SEEDS, bring_up_to_date
from tests.tracking.stores import contents, server

# Of each seed: loss and accuracy of two parts, step size, seconds.
POINTS_AN_EPOCH = 2 * 2 + 2
TEST_POINTS = 2

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def split_up(found: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    parents = [run for run in found.values() if run["parent"] is None]
    return parents, sorted(
        (run for run in found.values() if run["parent"]), key=lambda run: str(run["name"])
    )


def test_one_parent_and_a_child_a_seed_with_all_that_is_known(
    finished: Checkout, expected: dict[str, Any]
) -> None:
    parents, children = split_up(expected)
    (parent,) = parents
    assert parent["name"] == "standardise · 64-64-32-10 · sgd 0.1"
    assert [child["name"] for child in children] == ["seed 0", "seed 1", "seed 2"]
    for seed, child in zip(SEEDS, children, strict=True):
        record = read_finished(finished.paths.run(seed))
        assert child["status"] == "FINISHED"
        assert child["tags"]["seed"] == child["params"]["seed"] == str(seed)
        assert child["params"]["training.epochs"] == str(EPOCHS)
        assert len(child["points"]) == EPOCHS * POINTS_AN_EPOCH + TEST_POINTS
        stored = {(key, step): value for key, step, value, _ in child["points"]}
        for entry in record.history:
            step = entry["epoch"]
            for part in ("train", "validation"):
                accuracy = entry[part]["accuracy"]
                assert stored[f"{part}/loss", step] == entry[part]["loss"]
                assert stored[f"{part}/accuracy", step] == round(100 * accuracy, 4)
            assert stored["progress/learning_rate", step] == entry["learning_rate"]
            assert stored["progress/seconds", step] > 0
        for name in ("identity", "commit", "dirty", "lock", "code", "NumPy", "BLAS", "cpu", "host"):
            assert child["tags"][name], name
        names = [name for name, _, _ in child["inputs"]]
        assert names == ["digits test", "digits training", "digits validation"]
        assert "history.jsonl" in child["artifacts"]
        (model,) = child["models"]
        assert model["files"]["data/model.npz"] == record.hashes["model.npz"]
        assert "test " in child["tags"]["mlflow.note.content"]
    assert "New images and new seeds: " in parent["tags"]["mlflow.note.content"]
    assert "| 2 |" in parent["tags"]["mlflow.note.content"]


def test_the_parent_holds_the_means_and_their_statistics(expected: dict[str, Any]) -> None:
    """Held to NumPy and to Student's table, from the children in the store."""
    (parent,), children = split_up(expected)
    stored = {(key, step): value for key, step, value, _ in parent["points"]}
    for step in range(1, EPOCHS + 1):
        for name in ("train/loss", "validation/accuracy", "validation/loss"):
            values = [v for c in children for k, s, v, _ in c["points"] if (k, s) == (name, step)]
            assert len(values) == len(SEEDS)
            assert stored[name, step] == pytest.approx(np.mean(values), abs=1e-4)
    values = [v for c in children for k, s, v, _ in c["points"] if k == "test/accuracy"]
    sd = np.std(values, ddof=1)
    assert stored["test/accuracy", EPOCHS] == pytest.approx(np.mean(values), abs=1e-4)
    assert stored["test/sd", EPOCHS] == pytest.approx(sd, abs=1e-4)
    half = 4.302653 * sd / np.sqrt(3)  # t at 97.5 % with 2 degrees of freedom
    limits = min(np.mean(values) + half, 100), np.mean(values) - half
    assert stored["test/ci95_high", EPOCHS] == pytest.approx(limits[0], abs=2e-4)
    assert stored["test/ci95_low", EPOCHS] == pytest.approx(limits[1], abs=2e-4)
    assert (stored["validation/n", EPOCHS], stored["test/n", EPOCHS]) == (3, 3)


def test_a_second_sync_changes_nothing(mirrored: Checkout, expected: dict[str, Any]) -> None:
    before = sha256(mirrored.paths.store.read_bytes())
    mirrored.run("pipeline.stages.track")
    assert sha256(mirrored.paths.store.read_bytes()) == before
    assert contents(mirrored.paths) == expected


def test_a_model_that_is_there_is_not_written_again(mirrored: Checkout) -> None:
    """MLflow notes the time in MLmodel, so a second writing would show."""
    models = {path: path.read_bytes() for path in mirrored.paths.artifacts.rglob("MLmodel")}
    assert len(models) == len(SEEDS)
    with closing(sqlite3.connect(mirrored.paths.store)) as store, store:
        store.execute("DELETE FROM tags WHERE key = 'pipeline.mirrored'")
    bring_up_to_date(mirrored)
    found = {path: path.read_bytes() for path in mirrored.paths.artifacts.rglob("MLmodel")}
    assert found == models


def test_a_card_has_the_test_accuracy_that_came_later(mirrored: Checkout) -> None:
    """As with the mirror beside a sweep, which writes models before they are evaluated."""
    for path in mirrored.paths.records.glob("*/test.json"):
        path.unlink()
    bring_up_to_date(mirrored)
    for card in cards(mirrored):
        assert "Not evaluated on the test images." in card
        assert "of the test file were not used." in card
        assert "Test accuracy" not in card
    gather(compose(mirrored.paths), mirrored.paths)
    bring_up_to_date(mirrored)
    tested = [read_finished(path.parent) for path in mirrored.paths.records.glob("*/test.json")]
    expected = [
        f"Test accuracy: {100 * each.test['accuracy']:.2f} %" for each in tested if each.test
    ]
    assert len(expected) == len(SEEDS)
    assert sorted(re.findall(r"Test accuracy: .* %", "\n".join(cards(mirrored)))) == sorted(
        expected
    )
    before = mirrored.paths.store.read_bytes()
    bring_up_to_date(mirrored)
    assert mirrored.paths.store.read_bytes() == before


def cards(checkout: Checkout) -> list[str]:
    """Return the card of every model in the store."""
    runs = contents(checkout.paths).values()
    return [model["tags"]["mlflow.note.content"] for run in runs for model in run["models"]]


@pytest.mark.slow
def test_a_deleted_store_is_made_again(unmirrored: Checkout, expected: dict[str, Any]) -> None:
    """With its original times, not with today's."""
    mirrored = unmirrored
    mirrored.run("pipeline.stages.track")
    mirrored.paths.store.unlink()
    shutil.rmtree(mirrored.paths.artifacts)
    mirrored.run("pipeline.stages.track")
    assert contents(mirrored.paths) == expected
    started = [run["start"] for run in expected.values()]
    origins = [read_finished(p.parent).origin for p in mirrored.paths.records.glob("*/origin.json")]
    assert min(started) == min(int(1000 * origin["started"]) for origin in origins)


@pytest.mark.slow
def test_rebuild_makes_the_same_runs_and_status_says_so(
    mirrored: Checkout, expected: dict[str, Any]
) -> None:
    with closing(sqlite3.connect(mirrored.paths.store)) as store, store:
        store.execute("DELETE FROM metrics WHERE key = 'validation/loss'")
        store.execute("DELETE FROM tags WHERE key = 'pipeline.mirrored'")
    told = mirrored.run("pipeline.stages.track", "--status").stdout
    assert told.count(" no (") == len(told.splitlines()[1:]) == 4
    mirrored.run("pipeline.stages.track", "--rebuild")
    told = mirrored.run("pipeline.stages.track", "--status").stdout
    assert [line.split()[-1] for line in told.splitlines()[1:]] == ["yes"] * 4
    assert contents(mirrored.paths) == expected


@pytest.mark.slow
def test_another_machine_with_the_published_runs_alone_makes_the_same_curves(
    unmirrored: Checkout, expected: dict[str, Any]
) -> None:
    """As after `dvc pull`: hosts and times are unknown, and are left out."""
    other = unmirrored
    shutil.rmtree(other.paths.records)
    other.run("pipeline.stages.track")
    found = contents(other.paths)
    assert found.keys() == expected.keys()
    for key, run in found.items():
        for field in ("name", "parent", "params", "status"):
            assert run[field] == expected[key][field]
        points = [point[:3] for point in run["points"]]
        assert points == [p[:3] for p in expected[key]["points"] if p[0] != "progress/seconds"]
        assert run["tags"].get("host", "unknown") == "unknown"


@pytest.mark.slow
def test_a_real_server_holds_the_same_runs(
    unmirrored: Checkout, expected: dict[str, Any], free_port: int
) -> None:
    checkout = unmirrored
    uri = f"http://127.0.0.1:{free_port}"
    with server(checkout.paths, free_port):
        for _ in range(2):
            checkout.run("pipeline.stages.track", f"tracking.uri={uri}")
        assert contents(checkout.paths, uri) == expected


def test_a_server_that_is_away_is_told_in_one_line(mirrored: Checkout, free_port: int) -> None:
    uri = f"http://127.0.0.1:{free_port}"
    done = mirrored.run("pipeline.stages.track", f"tracking.uri={uri}", check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"nothing is written to {uri}" in done.stderr
    assert "run `pipeline track` later" in done.stderr


def test_a_run_whose_store_cannot_be_had_is_reported_and_no_store_is_made(
    unmirrored: Checkout, free_port: int, tmp_path: Path
) -> None:
    unmirrored.paths.store.unlink()
    for uri, reason in (
        (None, f"there is no store sqlite:///{unmirrored.paths.store}"),
        (f"http://127.0.0.1:{free_port}", f"API request to http://127.0.0.1:{free_port}"),
    ):
        with pytest.raises(UserError, match=f"^MLflow's run {'0' * 32}: .*{reason}") as error:
            fetch("0" * 32, uri, unmirrored.paths, tmp_path / str(uri is None))
        assert "\n" not in str(error.value)
    assert not unmirrored.paths.store.exists()


@pytest.mark.slow
def test_a_store_that_somebody_else_holds_is_waited_for(
    mirrored: Checkout, expected: dict[str, Any]
) -> None:
    mirrored.run("pipeline.stages.train", "tracking.live=false", "study=more", "seed=9")
    other = sqlite3.connect(mirrored.paths.store, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    waiting = mirrored.start("pipeline.stages.track")
    opened = psutil.Process(waiting.pid).open_files
    while str(mirrored.paths.store.resolve()) not in {file.path for file in opened()}:
        assert waiting.poll() is None
        time.sleep(0.05)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(2)
    other.execute("ROLLBACK")
    other.close()
    _, errors = waiting.communicate(timeout=60)
    assert (waiting.returncode, errors) == (0, "")
    studies = {run["study"] for run in contents(mirrored.paths).values()}
    assert studies == {"digits-demo", "more"}


def test_failed_seeds_are_failed_with_their_reason(checkout: Checkout, finished: Checkout) -> None:
    wild = ("training.learning_rate=1e6", "training.momentum=0.9999", "training.epochs=2")
    checkout.train("hydra/launcher=basic", *wild, "seed=0,1", check=False)
    shutil.copyfile(finished.paths.store, checkout.paths.store)
    bring_up_to_date(checkout)
    (parent,), children = split_up(contents(checkout.paths))
    failed = [child for child in children if child["status"] == "FAILED"]
    assert failed
    for child in failed:
        for run in (child, parent):
            assert "the loss is nan after epoch" in run["tags"]["mlflow.note.content"]
    stored = {key: value for key, _, value, _ in parent["points"]}
    assert stored["validation/n"] == 2 - len(failed)


def test_seeds_that_finish_after_a_pass_that_saw_none_finished(
    unmirrored: Checkout, expected: dict[str, Any]
) -> None:
    """As when a sweep is interrupted, and repeated."""
    manifests = {
        path: path.read_bytes() for path in unmirrored.paths.records.glob("*/manifest.json")
    }
    for path in manifests:
        path.unlink()
    bring_up_to_date(unmirrored)
    (parent,), _ = split_up(contents(unmirrored.paths))
    assert parent["status"] == "FAILED"
    for path, content in manifests.items():
        path.write_bytes(content)
    bring_up_to_date(unmirrored)
    assert contents(unmirrored.paths) == expected


def test_a_reason_is_text_in_a_description(mirrored: Checkout) -> None:
    """A record from elsewhere may state any."""
    shutil.rmtree(mirrored.paths.runs)  # from which the record would be mended
    record = next(mirrored.paths.records.glob("*/manifest.json")).parent
    (record / "manifest.json").unlink()
    Record(record).fail(NAME)
    bring_up_to_date(mirrored)
    notes = [run["tags"]["mlflow.note.content"] for run in contents(mirrored.paths).values()]
    stated = [note for note in notes if "x.example" in note]
    assert len(stated) == 2, "the seed's and its configuration's"
    for note in stated:
        assert_text_in(READER.render(note))


def test_a_seed_that_is_added_joins_its_parent(
    mirrored: Checkout, expected: dict[str, Any]
) -> None:
    mirrored.train("hydra/launcher=basic", "seed=3")
    bring_up_to_date(mirrored)
    found = contents(mirrored.paths)
    (parent,), children = split_up(found)
    assert [child["name"] for child in children] == ["seed 0", "seed 1", "seed 2", "seed 3"]
    stored = {key: value for key, _, value, _ in parent["points"]}
    assert stored["validation/n"] == 4
    places = [point[:2] for point in parent["points"]]
    assert len(places) == len(set(places)), "no mean of three seeds stands beside one of four"
    for key, run in expected.items():
        if run["parent"]:
            assert found[key] == run


@pytest.mark.slow
def test_a_sweep_that_read_the_test_images_shows_them_and_nobody_elses_results(
    mirrored: Checkout,
) -> None:
    mirrored.train("preprocess=raw", "seed=0", "test=true")
    bring_up_to_date(mirrored)
    found = contents(mirrored.paths).values()
    (raw,) = (
        run for run in found if run["params"].get("preprocess.method") == "raw" and run["parent"]
    )
    assert [key for key, *_ in raw["points"] if key == "test/accuracy"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", ["kill", "fail"])
def test_disturbed_at_any_store_call_and_run_again_it_ends_in_the_same_state(
    how: str, unmirrored: Checkout
) -> None:
    """At each of the first 30 calls, and at every fifth from there on until it gets through."""
    done = unmirrored.run(
        *("tests.tracking.fault_at_each_call", how),
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=800,
    )
    told = done.stdout.splitlines()
    assert len([line for line in told if line.startswith("disturbed at call")]) >= 30
    assert told[-1].startswith("through with fewer than")

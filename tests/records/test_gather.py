"""What `runs/` and the results hold is taken into the records, and damage is put back."""

import dataclasses
import json
import shutil
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from pipeline.base.config import Config
from pipeline.base.errors import UserError
from pipeline.base.files import write_json
from pipeline.base.paths import Paths
from pipeline.records.gather import declared, gather
from pipeline.records.record import (
    PUBLISHED,
    Finished,
    Record,
    copy_record,
    read_finished,
    read_record,
)
from tests.conftest import hashes
from tests.records.conftest import ORIGIN, composed, described, finish


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


@pytest.fixture
def config() -> Config:
    return dataclasses.replace(composed("seeds=[1,2]", "study=mine"), seed=None)


@pytest.fixture
def published(paths: Paths) -> dict[int, Finished]:
    """Return two runs that lie in runs/ and nowhere else, as after `dvc pull`."""
    records = {seed: finish(paths.records, described(f"seed={seed}")) for seed in (1, 2)}
    for seed, record in records.items():
        copy_record(record, paths.run(seed))
    shutil.rmtree(paths.records)
    return records


def test_a_published_run_becomes_a_record(
    config: Config, paths: Paths, published: dict[int, Finished]
) -> None:
    gathered = gather(config, paths)
    assert {name: record.manifest for name, record in gathered.items()} == {
        f"seed-{seed}": record.manifest for seed, record in published.items()
    }
    for record in published.values():
        taken = read_finished(paths.records / record.identity)
        assert taken.origin == {"studies": ["mine"]}
        (paths.records / record.identity / ".lock").unlink()
    before = hashes(paths.root)
    assert gather(config, paths) == gathered
    assert hashes(paths.root) == before, "complete records may lie in a read-only folder"


def test_test_results_go_to_the_record_whose_manifest_they_name(
    config: Config, paths: Paths, published: dict[int, Finished]
) -> None:
    scores = {"accuracy": 0.5, "loss": 1.5}
    results = [
        {"seed": 1, "manifest": published[1].manifest, **scores},
        {"seed": 2, "manifest": "0" * 64, "accuracy": 0.9, "loss": 0.1},
    ]
    write_json(paths.tests, results)
    gathered = gather(config, paths)
    assert gathered["seed-1"].test == scores
    assert gathered["seed-2"].test is None
    assert read_finished(paths.records / published[1].identity).test == scores
    # Another configuration's results take nothing away.
    write_json(paths.tests, [])
    shutil.rmtree(paths.runs)
    assert gather(config, paths) == {}
    assert read_finished(paths.records / published[1].identity).test == scores


@pytest.mark.parametrize(
    "content", ["[1]", "{}}", '[{"manifest": "1"}]', '[{"manifest": "1", "accuracy": "x"}]', "7"]
)
def test_invalid_results_are_reported_in_one_line(
    content: str, config: Config, paths: Paths, published: dict[int, Finished]
) -> None:
    paths.tests.parent.mkdir()
    paths.tests.write_text(content)
    with pytest.raises(UserError, match=r"tests\.json"):
        gather(config, paths)


def test_a_damaged_published_run_is_put_back_from_its_record(
    config: Config, paths: Paths, published: dict[int, Finished]
) -> None:
    gather(config, paths)
    model = paths.run(1) / "model.npz"
    intact = model.read_bytes()
    model.write_bytes(intact[:-1] + b"!")
    assert gather(config, paths)["seed-1"].manifest == published[1].manifest
    assert model.read_bytes() == intact


def test_a_damaged_published_run_without_a_record_is_refused(
    config: Config, paths: Paths, published: dict[int, Finished]
) -> None:
    model = paths.run(1) / "model.npz"
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match=r"seed-1/model\.npz was changed after it was written"):
        gather(config, paths)
    # Who trains makes it anew; the other one is kept.
    assert list(gather(config, paths, training=True)) == ["seed-2"]


def test_a_published_run_finishes_what_was_interrupted_here(
    config: Config, paths: Paths, published: dict[int, Finished]
) -> None:
    record = Record(paths.records / published[1].identity)
    record.begin(published[1].description)
    record.save_origin({"studies": ["other"]})
    (record.folder / "progress.npz").write_bytes(b"half")
    (record.folder / ".model.npz.0.tmp").write_bytes(b"half")
    gather(config, paths)
    assert isinstance(read_record(record.folder), Finished)
    names = {path.name for path in record.folder.iterdir()}
    assert names - {".lock"} == {*PUBLISHED, "origin.json"}


def test_a_run_that_another_process_finishes_meanwhile_keeps_its_origin(
    config: Config, paths: Paths, published: dict[int, Finished]
) -> None:
    folder = paths.records / published[1].identity
    folder.mkdir(parents=True)
    gathering = threading.Thread(target=gather, args=(config, paths))
    with FileLock(folder / ".lock"):
        gathering.start()
        time.sleep(0.5)  # it waits for the lock
        finish(paths.records, described("seed=1"))
    gathering.join()
    assert read_finished(folder).origin == ORIGIN


def test_declared_seeds_are_there_or_failed_or_refused(
    config: Config, paths: Paths, published: dict[int, Finished]
) -> None:
    assert {seed: r and r.manifest for seed, r in declared(config, paths).items()} == {
        seed: record.manifest for seed, record in published.items()
    }
    shutil.rmtree(paths.run(2))
    with pytest.raises(UserError, match="seed-2 is missing"):
        declared(config, paths)
    failed = Record(paths.run(2))
    failed.begin(described("seed=2"))
    failed.fail("the loss is nan")
    assert declared(config, paths)[2] is None
    copy_record(published_as_other(paths), paths.run(2))
    with pytest.raises(UserError, match="seed-2 is of another experiment"):
        declared(config, paths)


def published_as_other(paths: Paths) -> Finished:
    return finish(paths.records, described("seed=2", "training.learning_rate=0.2"))


def test_runs_of_an_earlier_format_are_left_alone(
    config: Config, paths: Paths, published: dict[int, Finished]
) -> None:
    path = paths.run(1) / "description.json"
    value = json.loads(path.read_bytes())
    del value["format"]
    path.write_text(json.dumps(value))
    assert list(gather(config, paths)) == ["seed-2"]

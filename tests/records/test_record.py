"""Records: complete or not, never in between, and every damage is seen."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.preprocessing import AffineMap
from pipeline.errors import UserError
from pipeline.network.dense import initialise
from pipeline.network.evaluation import Score
from pipeline.network.training import Epoch
from pipeline.records.model import Model, model_bytes, parse_model
from pipeline.records.record import PUBLISHED, Record, entry

DESCRIPTION = {"experiment": {"training": {"epochs": 2}}, "seed": 3}


def network(seed: int = 0) -> object:
    return initialise(
        [4, 3, 2], np.random.default_rng(seed), activation="relu", output="sigmoid",
        weights="he_normal", weight_limit=0.1, biases="normal", dtype=np.float32,
    )  # fmt: skip


def model() -> Model:
    return Model(AffineMap(np.asarray(1.0), np.asarray(0.5)), network())  # type: ignore[arg-type]


def epoch(number: int) -> Epoch:
    trained = network(number)
    return Epoch(number, 0.1, Score(0.5, 0.75), Score(0.6, 0.5), trained, trained.layers)  # type: ignore[arg-type, attr-defined]


def finished(folder: Path) -> Record:
    record = Record(folder)
    record.begin(DESCRIPTION)
    history = [entry(epoch(1)), entry(epoch(2))]
    record.save_epoch(epoch(2), history, momentum=False)
    record.finish(model(), history)
    return record


def test_a_finished_record_comes_back(tmp_path: Path) -> None:
    record = finished(tmp_path / "r")
    assert record.damage() is None
    assert record.seed == 3
    assert [e["epoch"] for e in record.history()] == [1, 2]
    pixels = np.arange(8, dtype=np.uint8).reshape(2, 4)
    np.testing.assert_array_equal(record.model().outputs(pixels), model().outputs(pixels))
    assert sorted(path.name for path in record.folder.iterdir()) == sorted(PUBLISHED)


def test_the_same_run_leaves_the_same_bytes(tmp_path: Path) -> None:
    first, second = finished(tmp_path / "1"), finished(tmp_path / "2")
    for name in PUBLISHED:
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("how", ["flip", "cut", "delete"])
def test_every_damage_is_seen(name: str, how: str, tmp_path: Path) -> None:
    record = finished(tmp_path / "r")
    path = record.folder / name
    content = bytearray(path.read_bytes())
    if how == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.unlink()
    with pytest.raises(UserError, match="train again"):
        record.require()


@pytest.mark.parametrize("momentum", [False, True])
def test_a_run_resumes_at_its_last_epoch(momentum: bool, tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.begin(DESCRIPTION)
    for number in (1, 2):
        history = [entry(epoch(n)) for n in range(1, number + 1)]
        record.save_epoch(epoch(number), history, momentum)
    resumed = record.resume()
    assert resumed is not None
    start, history = resumed
    assert (start.epoch, len(history)) == (2, 2)
    np.testing.assert_array_equal(start.network.layers[0].W, epoch(2).network.layers[0].W)
    assert (start.velocity is not None) == momentum
    assert len(list(tmp_path.glob("checkpoint-*"))) == 1


def test_a_damaged_or_missing_checkpoint_means_training_from_the_start(tmp_path: Path) -> None:
    record = Record(tmp_path)
    assert record.resume() is None
    record.begin(DESCRIPTION)
    record.save_epoch(epoch(1), [entry(epoch(1))], momentum=False)
    checkpoint = tmp_path / "checkpoint-1.npz"
    intact = checkpoint.read_bytes()
    checkpoint.write_bytes(intact[:-1])
    assert record.resume() is None
    checkpoint.write_bytes(intact)
    assert record.resume() is not None
    (tmp_path / "progress.json").write_text('{"checkpoint": 3}')
    assert record.resume() is None


def test_publishing_copies_what_is_the_same_for_everybody(tmp_path: Path) -> None:
    record = finished(tmp_path / "r")
    record.save_origin({"host": "mine"})
    (tmp_path / "runs" / "stale").mkdir(parents=True)
    record.publish(tmp_path / "runs")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(PUBLISHED)
    assert Record(tmp_path / "runs").damage() is None


def test_a_failed_run_is_published_as_failed(tmp_path: Path) -> None:
    record = Record(tmp_path / "r")
    record.begin(DESCRIPTION)
    record.fail("the loss is nan after epoch 1")
    record.publish(tmp_path / "runs")
    assert Record(tmp_path / "runs").failure() == "the loss is nan after epoch 1"
    record.begin(DESCRIPTION)
    assert record.failure() is None


def test_a_model_file_holds_plain_arrays_only(tmp_path: Path) -> None:
    evil = tmp_path / "model.npz"
    np.savez(evil, shift=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="no readable npz archive"):
        parse_model(evil.read_bytes(), name="model.npz")


def test_a_model_with_layers_that_do_not_fit_is_refused() -> None:
    whole = model()
    swapped = whole._replace(network=whole.network._replace(layers=whole.network.layers[::-1]))
    with pytest.raises(UserError, match="model.npz: W2 has shape"):
        parse_model(model_bytes(swapped), name="model.npz")


def test_history_is_json_that_python_reads_back_exactly(tmp_path: Path) -> None:
    record = finished(tmp_path)
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == record.history()

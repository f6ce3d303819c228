"""Records are complete or unfinished; all damage is detected and the file named."""

import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.base.errors import UserError
from pipeline.base.files import canonical_json
from pipeline.records.identity import check_description, identity
from pipeline.records.model import model_bytes, parse_model
from pipeline.records.record import (
    PUBLISHED,
    SEALED,
    Finished,
    Record,
    Unfinished,
    add_origin,
    add_test,
    copy_record,
    epoch_entry,
    is_older,
    read_finished,
    read_own,
    read_record,
    shared_by,
)
from pipeline.records.seal import read_sealed, write_sealed
from tests.records.conftest import ORIGIN, described, epoch, finish, model, network
from tests.records.forge import reseal

ALL = (*PUBLISHED, "origin.json", "test.json")


def damage_of(folder: Path) -> str:
    state = read_record(folder)
    assert isinstance(state, Unfinished)
    assert state.damage is not None
    assert "\n" not in state.damage
    return state.damage


def forge(folder: Path, name: str, content: bytes) -> None:
    """Replace a file, and make the manifest say so."""
    (folder / name).write_bytes(content)
    reseal(folder)


def test_a_finished_record_comes_back(finished: Finished) -> None:
    assert finished.seed == 3
    assert [line["epoch"] for line in finished.history] == [1, 2]
    assert finished.validation_accuracy == 0.75
    assert finished.origin == ORIGIN
    assert finished.test is None
    assert finished.folder.name == finished.identity == identity(finished.description)
    pixels = np.arange(128, dtype=np.uint8).reshape(2, 64)
    found, expected = (each.pre_activations(pixels) for each in (finished.model(), model()))
    np.testing.assert_array_equal(found, expected)
    names = sorted(path.name for path in finished.folder.iterdir())
    assert names == sorted([*PUBLISHED, "origin.json"])


def test_training_does_not_use_an_imported_record(finished: Finished) -> None:
    own = read_own(finished.folder)
    assert isinstance(own, Finished)
    assert shared_by(own) is None
    add_origin(finished, {"studies": ["test"], "shared": {"by": "A. Author"}})
    imported = read_finished(finished.folder)
    assert shared_by(imported) == "A. Author"
    assert isinstance(read_own(finished.folder), Unfinished)


@pytest.mark.parametrize("source", [None, [], {}, {"by": 3}, {"title": "no author"}])
def test_an_imported_record_must_name_its_author(finished: Finished, source: Any) -> None:
    add_origin(finished, {"shared": source})
    assert "shared is of the wrong type" in damage_of(finished.folder)


def test_the_same_run_leaves_the_same_bytes(tmp_path: Path) -> None:
    first, second = (finish(tmp_path / name, described()) for name in "12")
    assert first.manifest == second.manifest
    for name in PUBLISHED:
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("how", ["flip", "cut", "empty"])
def test_every_damage_is_seen_and_names_the_file(name: str, how: str, finished: Finished) -> None:
    add_test(finished, {"accuracy": 0.5, "loss": 1.5})
    path = finished.folder / name
    content = path.read_bytes()
    half = len(content) // 2
    flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    path.write_bytes({"flip": flipped, "cut": content[:half], "empty": b""}[how])
    damage = damage_of(finished.folder)
    assert name in damage or (name == "manifest.json" and "SHA-256 expected" in damage)
    with pytest.raises(UserError, match=finished.identity):
        read_finished(finished.folder)


@pytest.mark.parametrize("name", SEALED)
def test_a_file_that_is_missing_is_seen(name: str, finished: Finished) -> None:
    (finished.folder / name).unlink()
    assert name in damage_of(finished.folder)


@pytest.mark.parametrize("name", ["origin.json", "test.json"])
def test_one_digit_changed_in_what_has_a_seal_of_its_own_is_seen(
    name: str, finished: Finished
) -> None:
    add_test(finished, {"accuracy": 0.125, "loss": 1.125})
    add_origin(finished, {"started": 125.5})
    path = finished.folder / name
    path.write_text(path.read_text().replace("125", "126", 1))
    assert f"{name} was changed after it was written" in damage_of(finished.folder)


@pytest.mark.parametrize("name", ["origin.json", "test.json"])
def test_a_seal_of_another_record_is_seen(name: str, tmp_path: Path) -> None:
    mine, other = (finish(tmp_path, described(f"seed={seed}")) for seed in (1, 2))
    for record in (mine, other):
        add_test(record, {"accuracy": 0.5, "loss": 1.5})
    assert mine.manifest != other.manifest
    shutil.copyfile(other.folder / name, mine.folder / name)
    assert f"belongs to {other.manifest}, not to {mine.manifest}" in damage_of(mine.folder)


def test_a_description_under_another_records_name_is_seen(finished: Finished) -> None:
    other = described("training.learning_rate=0.2")
    forge(finished.folder, "description.json", canonical_json(other))
    assert f"describes record {identity(other)}" in damage_of(finished.folder)


def edited(change: Any) -> Any:
    """Return the description with one value replaced, `None` for one that is taken out."""
    value: dict[str, Any] = json.loads(canonical_json(described()))
    *path, last = change[0].split(".")
    inner = value
    for key in path:
        inner = inner[key]
    if change[1] is None:
        del inner[last]
    else:
        inner[last] = change[1]
    return value


@pytest.mark.parametrize(
    "content",
    [
        *([], {}, 1, "text", {"format": 2}, {"format": "2"}),
        *map(
            edited,
            [
                ("format", 1),
                ("preparation", None),
                ("preparation.split", 7),
                ("experiment.seeds", [1]),
                ("experiment.tracking", {"uri": "http://stranger"}),
                ("arithmetic", "1"),
                ("data", {"train": 1}),
                ("code", 7),
                ("seed", -1),
                ("seed", True),
                ("seed", "3"),
                ("experiment", None),
                ("experiment.network", None),
                ("experiment.network.hidden", []),
                ("experiment.network.hidden", [[1]]),
                ("experiment.network.activation", "tanhh"),
                ("experiment.training.epochs", 2.5),
                ("experiment.training.extra", 1),
                ("experiment.training.learning_rate", 10**400),
                ("experiment.data.name", "../../etc"),
                ("experiment.split", [1, 2]),
            ],
        ),
    ],
)
def test_an_impossible_description_is_reported_in_one_line(
    content: Any, finished: Finished
) -> None:
    forge(finished.folder, "description.json", json.dumps(content).encode())
    assert "description.json" in damage_of(finished.folder)
    with pytest.raises(UserError, match="described"):
        check_description(content, "described")


def line(**changes: Any) -> bytes:
    first, second = epoch_entry(epoch(1), []), epoch_entry(epoch(2), [epoch_entry(epoch(1), [])])
    return f"{json.dumps(first)}\n{json.dumps({**second, **changes})}\n".encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"[]\n[]\n",
        b"{}\n{}\n",
        b"{" * 100_000,
        b"\xff\xfe\n\n",
        line() + line(),
        line(epoch=3),
        line(learning_rate=float("nan")),
        line(train={"loss": float("nan"), "accuracy": 1.0}),
        line(train={"loss": float("inf"), "accuracy": 1.0}),
        line(train={"loss": "0.1", "accuracy": 1.0}),
        line(train=None),
        line(weights=None),
        line(note="more"),
    ],
)
def test_an_invalid_history_is_reported_in_one_line(content: bytes, finished: Finished) -> None:
    forge(finished.folder, "history.jsonl", content)
    assert "history.jsonl" in damage_of(finished.folder)


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(header: str, rest: bytes = b"") -> bytes:
    """Return an npz with one array, its header as given."""
    text = header.encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    member = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + rest
    return zipped(member)


def zipped(member: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("W1.npy", member)
    return buffer.getvalue()


def encrypted() -> bytes:
    content = bytearray(npz(W1=np.ones(3)))
    # The flag of encryption, in the local header and in the central directory.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def parts(**changes: Any) -> bytes:
    """Return the file of a model with some arrays replaced."""
    with np.load(io.BytesIO(model_bytes(model()))) as archive:
        return npz(**{**dict(archive), **changes})


SHAPED = "{{'descr': '<f8', 'fortran_order': False, 'shape': ({},), }}".format
EXPERIMENT = described()["experiment"]
NO_MODELS = {
    "empty": b"",
    "no archive": b"\x93NUMPY",
    "a bare array": npz(W1=np.ones(3))[30:],
    "compressed": zipped(bytes(2**20), zipfile.ZIP_DEFLATED),
    "compressed by bzip2": zipped(bytes(2**20), zipfile.ZIP_BZIP2),
    "endless names of no letters": npy(
        "{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,), }"
    ),
    "more names than layers": parts(activations=np.array(["relu"] * 1000)),
    "names as bytes": parts(activations=np.array([b"relu", b"sigmoid"])),
    "a shape of 10^12": npy(SHAPED(10**12)),
    "a shape of 10^30": npy(SHAPED(10**30)),
    "a negative shape": npy(SHAPED(-1), b"12345678"),
    "a header that is no dictionary": npy("[1, 2"),
    "a header with brackets": npy("(" * 3000),
    "a header with a NUL": npy("\0"),
    "a header that calls": npy("{'descr': exit(), 'shape': (1,), 'fortran_order': False}"),
    "encrypted": encrypted(),
    "objects": npz(W1=np.array([{"a": 1}], dtype=object)),
    "two of one name": zipped(b"")[:-22],
    "no layers": parts(activations=np.array([], "<U4")),
    "an unknown activation": parts(activations=np.array(["tanh\x1b[2J", "sigmoid"])),
    "activations that are numbers": parts(activations=np.ones(2)),
    "a missing layer": npz(activations=np.array(["relu"])),
    "weights that are no matrix": parts(W1=np.ones(3, np.float32)),
    "biases that are a matrix": parts(b1=np.ones((3, 3), np.float32)),
    "layers that do not fit": parts(W2=np.ones((10, 4), np.float32)),
    "text as weights": parts(W1=np.full((3, 64), "a")),
    "two types": parts(W2=np.ones((10, 3))),
    "whole numbers": parts(W1=np.ones((3, 64), np.int64)),
    "NaN": parts(W1=np.full((3, 64), np.nan, np.float32)),
    "an infinite shift": parts(shift=np.asarray(np.inf)),
    "a shift of another length": parts(shift=np.zeros(3)),
    "a scale in float32": parts(scale=np.ones((), np.float32)),
    "a matrix that does not fit": parts(matrix=np.ones((64, 5))),
}


@pytest.mark.parametrize("content", NO_MODELS.values(), ids=NO_MODELS.keys())
def test_an_invalid_model_is_reported_in_one_line(content: bytes) -> None:
    with pytest.raises(UserError, match=r"^model\.npz") as raised:
        parse_model(content, EXPERIMENT, name="model.npz")
    assert "\n" not in str(raised.value)


def test_arbitrary_damage_to_a_model_is_one_line_or_a_model() -> None:
    """A byte replaced, at every place of the headers and at many others; seeds are fixed."""
    content, draw = model_bytes(model()), np.random.default_rng(0)
    places = [*range(300), *draw.integers(0, len(content), 500)]
    for place in places:
        fuzzed = bytearray(content)
        fuzzed[place] = draw.integers(256)
        try:
            parse_model(bytes(fuzzed), EXPERIMENT, name="model.npz")
        except UserError as error:
            assert str(error).startswith("model.npz")


def test_a_model_of_another_network_is_refused(finished: Finished) -> None:
    other = network(2)._replace(layers=network(2).layers[1:], activations=("sigmoid",))
    forge(finished.folder, "model.npz", model_bytes(model(other)))
    with pytest.raises(UserError, match=r"model\.npz: its arrays are"):
        read_finished(finished.folder).model()


def test_a_model_that_changes_after_the_record_was_read_is_refused(finished: Finished) -> None:
    path = finished.folder / "model.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match="was changed after it was written"):
        finished.model()


def test_records_of_an_earlier_format_are_known_as_such(finished: Finished) -> None:
    assert not is_older(finished.folder)
    value = edited(("format", None))
    forge(finished.folder, "description.json", json.dumps(value).encode())
    assert is_older(finished.folder)
    assert "not a description in format" in damage_of(finished.folder)
    assert not is_older(finished.folder.parent)


# --- on the way --------------------------------------------------------------------------------


def unfinished(folder: Path, epochs: int, *, momentum: bool = False) -> Record:
    record = Record(folder / identity(described()))
    record.begin(described())
    history: list[dict[str, Any]] = []
    for number in range(1, epochs + 1):
        history.append(epoch_entry(epoch(number), history))
        done = epoch(number)
        record.save_epoch(done if momentum else done._replace(velocity=()), history)
    return record


@pytest.mark.parametrize("momentum", [False, True])
def test_a_run_resumes_at_its_last_epoch(momentum: bool, tmp_path: Path) -> None:
    record = unfinished(tmp_path, 2, momentum=momentum)
    start, history = record.resume()
    assert start is not None
    assert (start.epoch, len(history)) == (2, 2)
    np.testing.assert_array_equal(start.network.layers[0].W, epoch(2).network.layers[0].W)
    assert (start.velocity is not None) == momentum
    assert sorted(p.name for p in record.folder.iterdir()) == ["description.json", "progress.npz"]


def test_damaged_or_missing_progress_means_training_from_the_start(tmp_path: Path) -> None:
    record = unfinished(tmp_path, 0)
    assert record.resume() == (None, [])
    record = unfinished(tmp_path, 1)
    path = record.folder / "progress.npz"
    intact = path.read_bytes()
    with np.load(io.BytesIO(intact)) as archive:
        one_name = npz(**{**archive, "activations": np.array("relu")})
    changed = intact.replace(b"0.75", b"0.76")
    for damaged in (b"", intact[:-1], changed, npz(W1=np.ones(3)), one_name):
        path.write_bytes(damaged)
        assert record.resume() == (None, [])
    path.write_bytes(intact)
    assert len(record.resume()[1]) == 1


def test_an_unfinished_record_says_how_far_it_is(tmp_path: Path) -> None:
    record = unfinished(tmp_path, 1)
    record.save_origin({"process": "1:2"})
    state = read_record(record.folder)
    assert isinstance(state, Unfinished)
    assert state.description == described()
    assert (len(state.history), state.origin) == (1, {"process": "1:2"})
    assert (state.failure, state.damage) == (None, None)


def test_a_folder_without_a_record_is_unfinished(tmp_path: Path) -> None:
    assert read_record(tmp_path / "nowhere") == Unfinished(
        tmp_path / "nowhere", None, [], {}, None, None
    )
    with pytest.raises(UserError, match="nowhere: it is not complete"):
        read_finished(tmp_path / "nowhere")


# --- handing on --------------------------------------------------------------------------------


def test_publishing_copies_only_reproducible_files(finished: Finished, tmp_path: Path) -> None:
    copy_record(finished, tmp_path / "seed-3")
    assert sorted(path.name for path in (tmp_path / "seed-3").iterdir()) == sorted(PUBLISHED)
    published = read_finished(tmp_path / "seed-3")
    assert (published.manifest, published.origin) == (finished.manifest, {})


def test_a_failed_run_is_published_as_failed(tmp_path: Path) -> None:
    record = unfinished(tmp_path, 1)
    record.fail("the loss is nan after epoch 1")
    copy_record(read_record(record.folder), tmp_path / "seed-3")
    state = read_record(tmp_path / "seed-3")
    assert isinstance(state, Unfinished)
    assert state.failure == "the loss is nan after epoch 1"
    record.begin(described())
    assert read_record(record.folder).failure is None  # type: ignore[union-attr]


# --- what is no file, and origins of the wrong type --------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "huge", "loop"])
def test_what_is_no_file_of_a_record_is_not_read(name: str, kind: str, finished: Finished) -> None:
    add_test(finished, {"accuracy": 0.5, "loss": 1.5})
    path = finished.folder / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    else:
        with path.open("wb") as file:
            file.truncate(2**40)
    state = read_record(finished.folder)
    if kind == "loop" and name in ("manifest.json", "origin.json", "test.json"):
        path.unlink()
        assert state == read_record(finished.folder), "a link to nothing is no file"
    else:
        assert isinstance(state, Unfinished)
        assert f"{name} cannot be read" in str(state.damage)


WRONG_IN_ORIGINS: dict[str, list[Any]] = {
    "studies": [5, [5, None], "a"],
    "started": ["x", None, 1],
    "process": [7, None],
    "changed": [5, True, "pipeline", [1]],
    "commit": [7, ["a"]],
    "diff": [7, ["a"], {}],
    "environment": [[1], {"NumPy": 2}, "x"],
    "epochs": [1, [1], [{}], [{"epoch": "1"}], [{"epoch": True, "seconds": 1.0, "ended": 1.0}]],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG_IN_ORIGINS.items() for value in values],
)
def test_an_origin_of_the_wrong_type_names_the_file(
    name: str, value: Any, finished: Finished
) -> None:
    add_origin(finished, {name: value})
    assert f"origin.json: {name} is of the wrong type" in damage_of(finished.folder)


# --- hashes of weights, and seals --------------------------------------------------------------


def test_histories_have_the_same_hashes_up_to_the_first_other_weights(tmp_path: Path) -> None:
    first = finish(tmp_path / "1", described())
    same = finish(tmp_path / "2", described())
    other = finish(tmp_path / "3", described(), trained=network(7))
    hashes = [[entry["weights"] for entry in r.history] for r in (first, same, other)]
    assert hashes[0] == hashes[1]
    assert hashes[0][0] == hashes[2][0]
    assert hashes[0][1] != hashes[2][1]
    # Chained: the same weights after another epoch have another hash.
    alone = epoch_entry(epoch(2), [])
    assert alone["weights"] != hashes[0][1]


def test_a_seal_holds_its_content_and_what_it_belongs_to(tmp_path: Path) -> None:
    path = tmp_path / "sealed.json"
    write_sealed(path, {"a": [1, 2.5, None, "σ"]}, "record")
    assert read_sealed(path, "record") == read_sealed(path) == {"a": [1, 2.5, None, "σ"]}
    with pytest.raises(UserError, match="belongs to record, not to other"):
        read_sealed(path, "other")
    for content in (b"", b"[]", b"{}", b'{"content": 1}', path.read_bytes().replace(b"2.5", b"2")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"sealed\.json"):
            read_sealed(path)

"""A training run's folder: written epoch by epoch, sealed when it is finished.

While a run trains:   description.json  checkpoint-<epoch>.npz  progress.json  origin.json
When it has finished: description.json  history.jsonl  model.npz  manifest.json  origin.json,
and, once its model has been asked the test images, test.json
When it has failed:   description.json  failure.json  progress.json  origin.json

Convention: `manifest.json` holds the hashes of description, history and model, which are functions
of the description alone, byte for byte. `origin.json` (when, where and by whom) and `test.json`
come later or differ from machine to machine; each has a seal of its own that names the manifest.
A folder is read once, by `read_record`, into a value; whoever wants to know something asks that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pipeline.base.errors import UserError
from pipeline.base.files import (
    UNFINISHED,
    arrays_digest,
    json_bytes,
    npz_bytes,
    parse_json,
    parse_npz,
    read_bytes,
    sha256,
    write_bytes,
    write_json,
)
from pipeline.data.catalogue import Data, dataset_of
from pipeline.network.dense import Layer, Network, parameters
from pipeline.network.training import Epoch, Start
from pipeline.records.identity import FORMAT, Description, check_description, identity
from pipeline.records.model import (
    Model,
    model_bytes,
    network_arrays,
    network_from_arrays,
    parse_model,
)
from pipeline.records.seal import read_sealed, write_sealed

# What the manifest holds the hashes of.
SEALED = ("description.json", "history.jsonl", "model.npz")
# What the train stage hands on: everything that is the same for everybody.
PUBLISHED = (*SEALED, "manifest.json")
T = TypeVar("T")
IDENTITY = re.compile(r"[0-9a-f]{20}")

History = list[dict[str, Any]]
Test = Mapping[str, float]
"""Loss and accuracy on the test images."""


# --- reading -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finished:
    """A complete record, every file of it checked.

    Attributes:
        folder: where it lies.
        identity: the hash of its description.
        description: what determines the result; see `pipeline.records.identity`.
        history: an entry per epoch.
        manifest: the SHA-256 of its manifest, which names every byte of the result.
        hashes: the SHA-256 of each file that the manifest names.
        origin: when, where and by whom; empty where that is unknown.
        test: loss and accuracy on the test images; None if nobody has asked for them.
    """

    folder: Path
    identity: str
    description: Description
    history: History
    manifest: str
    hashes: Mapping[str, str]
    origin: Mapping[str, Any]
    test: Test | None

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.description["seed"])

    @property
    def validation_accuracy(self) -> float:
        """The validation accuracy after the last epoch."""
        return float(self.history[-1]["validation"]["accuracy"])

    def model(self) -> Model:
        """Return the trained model.

        Raises:
            UserError: the file was changed since the record was read, or is of another network.
        """
        path = self.folder / "model.npz"
        model = parse_model(_read_checked(path, self.hashes["model.npz"]), name=str(path))
        experiment = self.description["experiment"]
        classes = dataset_of(Data(**experiment["data"])).classes
        sizes = [len(layer.b) for layer in model.network.layers]
        if sizes != [*experiment["network"]["hidden"], classes]:
            raise UserError(f"{path}: its layers have {sizes} neurons, its description others")
        return model


@dataclass(frozen=True)
class Unfinished:
    """A record that is not complete: in training, interrupted, failed or damaged.

    Attributes:
        folder: where it lies, if it does.
        description: None if that cannot be read.
        history: an entry per epoch done so far.
        origin: when, where and by whom; empty where that is unknown.
        failure: why the run failed; None if it did not.
        damage: which file is not what was written; None if no file is.
    """

    folder: Path
    description: Description | None
    history: History
    origin: Mapping[str, Any]
    failure: str | None
    damage: str | None


def read_record(folder: Path) -> Finished | Unfinished:
    """Return the record in `folder`, in whatever state it is; raises nothing."""
    damage = description = None
    try:
        if (folder / "manifest.json").exists():
            return _finished(folder)
    except UserError as error:
        damage = str(error)
    if (folder / "description.json").exists():
        try:
            description = read_description(folder)
        except UserError as error:
            damage = damage or str(error)
    return Unfinished(
        folder,
        description,
        [] if damage else Record(folder).progress(),
        _or_none(read_sealed, folder / "origin.json") or {},
        _failure(folder),
        damage,
    )


def read_own(folder: Path) -> Finished | Unfinished:
    """Return the record in `folder` as a training sees it: one that was imported does not count."""
    record = read_record(folder)
    if shared_by(record) is None:
        return record
    return Unfinished(folder, record.description, [], {}, failure=None, damage=None)


def shared_by(record: Finished | Unfinished) -> str | None:
    """Return whose an imported record is; None of one's own."""
    source = record.origin.get("shared")
    return str(source.get("by")) if isinstance(source, dict) else None


def read_finished(folder: Path) -> Finished:
    """Return the record in `folder`.

    Raises:
        UserError: it is not complete, or a file is not what was written; names the file.
    """
    record = read_record(folder)
    if isinstance(record, Unfinished):
        reason = record.damage or record.failure or "it is not complete"
        raise UserError(reason if str(folder) in reason else f"{folder}: {reason}")
    return record


def completed(published: Finished, folder: Path) -> Finished | None:
    """Return a published run with origin and test from its record in `folder`.

    The other files of both are the same and are not read twice. None if there is no such record,
    or its origin or test is damaged.
    """
    manifest = folder / "manifest.json"
    try:
        if sha256(read_bytes(manifest)) != published.manifest:
            return None
        return replace(published, **_sealed_beside(folder, published.manifest))
    except (OSError, UserError):
        return None


def read_description(folder: Path) -> Description:
    """Return what a record says that determines its result.

    Raises:
        UserError: the file is missing or says nothing that can be; or the folder has the name of
            another record.
    """
    path = folder / "description.json"
    described = check_description(parse_json(_read(path), name=str(path)), str(path))
    if IDENTITY.fullmatch(folder.name) and folder.name != identity(described):
        raise UserError(f"{path} describes record {identity(described)}, not {folder.name}")
    return described


def is_older(folder: Path) -> bool:
    """Tell whether a record is of an earlier format, which nothing here reads."""
    try:
        described = parse_json(read_bytes(folder / "description.json"), name="")
    except (OSError, UserError):
        return False
    return isinstance(described, dict) and described.get("format", 1) != FORMAT


def _finished(folder: Path) -> Finished:
    content = _read(folder / "manifest.json")
    manifest = parse_json(content, name=str(folder / "manifest.json"))
    hashes = manifest.get("sha256") if isinstance(manifest, dict) else None
    if not isinstance(hashes, dict) or set(hashes) != set(SEALED):
        raise UserError(f"{folder / 'manifest.json'} must hold the hashes of {', '.join(SEALED)}")
    for name in SEALED:
        _read_checked(folder / name, hashes[name])
    described, digest = read_description(folder), sha256(content)
    epochs = described["experiment"]["training"]["epochs"]
    return Finished(
        folder=folder,
        identity=identity(described),
        description=described,
        history=_history(folder / "history.jsonl", epochs),
        manifest=digest,
        hashes=hashes,
        **_sealed_beside(folder, digest),
    )


def _sealed_beside(folder: Path, manifest: str) -> dict[str, Any]:
    """Return origin and test, which have a seal of their own."""
    origin, test = folder / "origin.json", folder / "test.json"
    return {
        "origin": _origin(origin, manifest) if origin.exists() else {},
        "test": _test(test, manifest) if test.exists() else None,
    }


def _history(path: Path, epochs: int) -> History:
    lines = _read(path).splitlines()
    history = [parse_json(line, name=f"{path}, line {n}") for n, line in enumerate(lines, start=1)]
    if len(history) != epochs:
        raise UserError(f"{path} has {len(history)} lines, of {epochs} epochs")
    for number, line in enumerate(history, start=1):
        if not _is_epoch(line, number):
            raise UserError(f"{path}, line {number} is no entry of epoch {number}")
    return history


def _is_epoch(line: Any, number: int) -> bool:
    return (
        isinstance(line, dict)
        and line.keys() == {"epoch", "learning_rate", "train", "validation", "weights"}
        and line["epoch"] == number
        and isinstance(line["learning_rate"], float)
        and isinstance(line["weights"], str)
        and all(are_scores(line[part]) for part in ("train", "validation"))
    )


def are_scores(value: Any) -> bool:
    """Tell whether `value` is a loss, an accuracy, and whatever other metrics there are."""
    return (
        isinstance(value, dict)
        and value.keys() >= {"loss", "accuracy"}
        and all(isinstance(score, float) for score in value.values())
    )


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: type(value) is list and all(type(entry) is kind for entry in value)


def _maps_texts(value: Any) -> bool:
    return type(value) is dict and _is_list_of(str)([*value.keys(), *value.values()])


TIMING: dict[str, type] = {"epoch": int, "seconds": float, "ended": float}
# What is asked of an origin later; it may hold more.
ORIGIN: dict[str, Callable[[Any], bool]] = {
    "studies": _is_list_of(str),
    "started": lambda value: type(value) is float,
    "ended": lambda value: type(value) is float,
    "commit": lambda value: value is None or type(value) is str,
    "changed": lambda value: value is None or _is_list_of(str)(value),
    "diff": lambda value: value is None or type(value) is str,
    "environment": _maps_texts,
    "shared": lambda value: _maps_texts(value) and "by" in value,
    "epochs": lambda value: (
        _is_list_of(dict)(value)
        and all({name: type(timing.get(name)) for name in TIMING} == TIMING for timing in value)
    ),
}


def _origin(path: Path, manifest: str) -> dict[str, Any]:
    origin = read_sealed(path, manifest)
    for name, is_right in ORIGIN.items():
        if name in origin and not is_right(origin[name]):
            raise UserError(f"{path}: {name} is of the wrong type")
    return origin


def _test(path: Path, manifest: str) -> Test:
    test = read_sealed(path, manifest)
    if not are_scores(test):
        raise UserError(f"{path} must hold a loss and an accuracy")
    return test


def _failure(folder: Path) -> str | None:
    content = _or_none(read_sealed, folder / "failure.json")
    return None if content is None else str(content.get("reason"))


def _or_none(read: Callable[[Path], T], path: Path) -> T | None:
    try:
        return read(path)
    except UserError:
        return None


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None


def _read_checked(path: Path, expected: object) -> bytes:
    content = _read(path)
    digest = sha256(content)
    if digest != expected:
        raise UserError(
            f"{path} is not what was written: SHA-256 expected {expected}, got {digest}"
        )
    return content


# --- writing -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """The record in `folder`, to be written."""

    folder: Path

    def tidy(self) -> None:
        """Remove files that an interruption has left half-written."""
        for path in self.folder.glob(UNFINISHED):
            path.unlink(missing_ok=True)

    def begin(self, description: Description) -> None:
        """Write what is about to be trained, and forget an earlier failure or damage."""
        for name in ("manifest.json", "failure.json", "history.jsonl", "model.npz", "test.json"):
            (self.folder / name).unlink(missing_ok=True)
        write_json(self.folder / "description.json", description)

    def progress(self) -> History:
        """Return the epochs done so far, of a record in any state; raises nothing."""
        try:
            if (self.folder / "manifest.json").exists():
                lines = (self.folder / "history.jsonl").read_bytes().splitlines()
                return [json.loads(line) for line in lines]
            history: History = json.loads((self.folder / "progress.json").read_bytes())["history"]
            right = all(_is_epoch(entry, number) for number, entry in enumerate(history, start=1))
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return history if right else []

    def save_origin(self, origin: Mapping[str, Any]) -> None:
        """Write when, where and by whom, for as long as the run trains or if it fails."""
        write_sealed(self.folder / "origin.json", origin, self.folder.name)

    def save_epoch(self, epoch: Epoch, history: History, momentum: bool) -> None:
        """Write a checkpoint to resume from, then `progress.json`, which makes it count.

        `progress.json` names the checkpoint and its hash, so the two are never mixed up, wherever
        the process is killed between them.
        """
        arrays = network_arrays(epoch.network)
        if momentum:
            velocity = parameters(Network(epoch.velocity, epoch.network.activations))
            arrays |= {f"velocity_{name}": array for name, array in velocity.items()}
        content = npz_bytes(arrays)
        name = f"checkpoint-{epoch.number}.npz"
        write_bytes(self.folder / name, content)
        progress = {"checkpoint": name, "sha256": sha256(content), "history": history}
        write_json(self.folder / "progress.json", progress)
        self._remove_checkpoints(keep=name)

    def resume(self) -> tuple[Start, History] | None:
        """Return the last complete epoch and its history, or None to start anew."""
        try:
            progress = json.loads((self.folder / "progress.json").read_bytes())
            content = (self.folder / progress["checkpoint"]).read_bytes()
            if sha256(content) != progress["sha256"]:
                return None
            arrays = parse_npz(content, name=progress["checkpoint"])
            network = network_from_arrays(arrays, progress["checkpoint"])
            history: History = progress["history"]
            velocity = None
            if "velocity_W1" in arrays:
                velocity = tuple(
                    Layer(arrays[f"velocity_W{number}"], arrays[f"velocity_b{number}"])
                    for number in range(1, len(network.layers) + 1)
                )
            return Start(int(history[-1]["epoch"]), network, velocity), history
        except (OSError, ValueError, KeyError, TypeError, IndexError, UserError):
            return None  # whatever it is, it is no checkpoint: training from the start is right

    def finish(self, model: Model, history: History, origin: Mapping[str, Any]) -> None:
        """Write the results, then the manifest, which makes the record complete."""
        lines = "".join(json.dumps(entry, allow_nan=False) + "\n" for entry in history)
        write_bytes(self.folder / "history.jsonl", lines.encode())
        write_bytes(self.folder / "model.npz", model_bytes(model))
        hashes = {name: sha256((self.folder / name).read_bytes()) for name in SEALED}
        manifest = json_bytes({"sha256": hashes})
        write_sealed(self.folder / "origin.json", origin, sha256(manifest))
        write_bytes(self.folder / "manifest.json", manifest)
        self.forget_progress()

    def forget_progress(self) -> None:
        """Remove what led to the results."""
        for name in ("progress.json", "failure.json"):
            (self.folder / name).unlink(missing_ok=True)
        self._remove_checkpoints()

    def fail(self, reason: str) -> None:
        """Write why the run failed."""
        write_sealed(self.folder / "failure.json", {"reason": reason}, self.folder.name)

    def _remove_checkpoints(self, keep: str = "") -> None:
        for path in self.folder.glob("checkpoint-*.npz"):
            if path.name != keep:
                path.unlink(missing_ok=True)


def add_origin(record: Finished, origin: Mapping[str, Any]) -> None:
    """Replace what a finished record says of when, where and by whom."""
    write_sealed(record.folder / "origin.json", origin, record.manifest)


def add_test(record: Finished, test: Test) -> None:
    """Give a finished record its loss and accuracy on the test images."""
    write_sealed(record.folder / "test.json", test, record.manifest)


def copy_record(record: Finished | Unfinished, folder: Path) -> None:
    """Copy what is the same for everybody: the results, or the failure; the manifest last."""
    (folder / "manifest.json").unlink(missing_ok=True)
    names = PUBLISHED if isinstance(record, Finished) else ("description.json", "failure.json")
    for name in names:
        if (record.folder / name).exists():
            write_bytes(folder / name, (record.folder / name).read_bytes())


def epoch_entry(epoch: Epoch, history: History) -> dict[str, Any]:
    """Return what a history says of an epoch that follows those in `history`.

    `weights` is the hash of the epoch's weights together with the line before's: two histories
    have the same up to the first epoch whose weights differ, and in none after it.
    """
    before = history[-1]["weights"] if history else ""
    return {
        "epoch": epoch.number,
        "learning_rate": float(epoch.learning_rate),
        "train": {"loss": epoch.train.loss, "accuracy": epoch.train.accuracy},
        "validation": {"loss": epoch.validation.loss, "accuracy": epoch.validation.accuracy},
        "weights": sha256(f"{before}{arrays_digest(parameters(epoch.network))}".encode()),
    }

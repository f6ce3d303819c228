"""A training run's folder: written epoch by epoch, sealed when it is finished.

While a run trains:   description.json  progress.npz  origin.json
When it has finished: description.json  history.jsonl  model.npz  manifest.json  origin.json,
and test.json, once its model was evaluated on the test images
When it has failed:   description.json  failure.json  progress.npz  origin.json

Convention: `manifest.json` holds the hashes of description, history and model, which are functions
of the description alone, byte for byte. `origin.json` (when, where and by whom) and `test.json`
come later or differ from machine to machine; each has a seal of its own that names the manifest.
`read_record` reads a folder once and returns its content as one object, which all other code uses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.errors import UserError
from pipeline.base.files import (
    UNFINISHED,
    arrays_digest,
    content_of,
    fits,
    json_bytes,
    npz_bytes,
    parse_json,
    parse_npz,
    sha256,
    write_bytes,
    write_json,
)
from pipeline.network.dense import Network, parameters
from pipeline.network.training import Epoch, Start
from pipeline.records.identity import FORMAT, Description, check_description, identity
from pipeline.records.model import (
    Model,
    layers_of,
    model_bytes,
    network_arrays,
    network_of,
    parse_model,
)
from pipeline.records.seal import read_sealed, write_sealed

# The files whose hashes the manifest holds.
SEALED = ("description.json", "history.jsonl", "model.npz")
# The files that the train stage publishes: those that are the same on every machine.
PUBLISHED = (*SEALED, "manifest.json")
IDENTITY = re.compile(r"[0-9a-f]{20}")

# There may be other metrics, too.
SCORES: Any = {"loss": float, "accuracy": float, str: float}
EPOCH = {
    "epoch": int,
    "learning_rate": float,
    "train": SCORES,
    "validation": SCORES,
    "weights": str,
}
# The entries of an origin that are used; it may hold more.
ORIGIN: dict[str, Any] = {
    "studies": [str],
    "started": float,
    "ended": float,
    "process": str,
    "commit": (str, type(None)),
    "changed": ([str], type(None)),
    "diff": (str, type(None)),
    "environment": {str: str},
    "shared": {"by": str, str: str},
    "epochs": [{"epoch": int, "seconds": float, "ended": float}],
}

History = list[dict[str, Any]]
Test = Mapping[str, float]
"""Loss and accuracy on the test images."""


# --- reading -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finished:
    """A complete record; all its files were checked.

    Attributes:
        folder: where it lies.
        identity: the hash of its description.
        description: what determines the result; see `pipeline.records.identity`.
        history: an entry per epoch.
        manifest: the SHA-256 of its manifest, and so of the whole result.
        hashes: the SHA-256 of each file that the manifest names.
        origin: when, where and by whom; empty where that is unknown.
        test: loss and accuracy on the test images; None if it was not evaluated.
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
        content = _read_checked(path, self.hashes["model.npz"])
        return parse_model(content, self.description["experiment"], name=str(path))


@dataclass(frozen=True)
class Unfinished:
    """A record that is not complete: in training, interrupted, failed or damaged.

    Attributes:
        folder: where it lies; it may not exist.
        description: None if that cannot be read.
        history: an entry per epoch done so far.
        origin: when, where and by whom; empty where that is unknown.
        failure: why the run failed; None if it did not.
        damage: which file was changed since it was written; None if none was.
    """

    folder: Path
    description: Description | None
    history: History
    origin: Mapping[str, Any]
    failure: str | None
    damage: str | None


def read_record(folder: Path) -> Finished | Unfinished:
    """Return the record in `folder`, in whatever state it is; raises nothing."""
    damage = description = failure = None
    origin: dict[str, Any] = {}
    described = folder / "description.json"
    try:
        if (folder / "manifest.json").exists():
            return _finished(folder)
    except (UserError, OSError) as error:
        damage = str(error)
    try:
        if described.exists():
            description = _description(content_of(described), described)
    except (UserError, OSError) as error:
        damage = damage or str(error)
    with suppress(UserError):
        failure = str(read_sealed(folder / "failure.json").get("reason"))
    with suppress(UserError):
        origin = _origin(folder / "origin.json")
    _, history = Record(folder).resume()
    return Unfinished(folder, description, history, origin, failure, damage)


def read_own(folder: Path) -> Finished | Unfinished:
    """Return the record in `folder` for training: an imported one counts as not begun."""
    record = read_record(folder)
    if shared_by(record) is None:
        return record
    return Unfinished(folder, record.description, [], {}, failure=None, damage=None)


def shared_by(record: Finished | Unfinished) -> str | None:
    """Return the authors of an imported record; None for one's own."""
    source = record.origin.get("shared")
    return str(source.get("by")) if isinstance(source, dict) else None


def read_finished(folder: Path) -> Finished:
    """Return the record in `folder`.

    Raises:
        UserError: it is not complete, or a file was changed; the message names it.
    """
    record = read_record(folder)
    if isinstance(record, Unfinished):
        reason = record.damage or record.failure or "it is not complete"
        raise UserError(reason if str(folder) in reason else f"{folder}: {reason}")
    return record


def is_older(folder: Path) -> bool:
    """Tell whether a record is of an earlier format, which is no longer read."""
    try:
        described = parse_json(content_of(folder / "description.json"), name="")
    except UserError:
        return False
    return isinstance(described, dict) and described.get("format", 1) != FORMAT


def _finished(folder: Path) -> Finished:
    path, origin, test = (folder / f"{name}.json" for name in ("manifest", "origin", "test"))
    content = content_of(path)
    manifest = parse_json(content, name=str(path))
    if not fits(manifest, {"sha256": dict.fromkeys(SEALED, str)}):
        raise UserError(f"{path} must hold the hashes of {', '.join(SEALED)}")
    hashes, seal = manifest["sha256"], sha256(content)
    contents = {name: _read_checked(folder / name, hashes[name]) for name in SEALED}
    described = _description(contents["description.json"], folder / "description.json")
    history = _history(contents["history.jsonl"].splitlines(), folder / "history.jsonl")
    epochs = described["experiment"]["training"]["epochs"]
    if len(history) != epochs:
        raise UserError(f"{folder / 'history.jsonl'} has {len(history)} lines, of {epochs} epochs")
    return Finished(
        folder=folder,
        identity=identity(described),
        description=described,
        history=history,
        manifest=seal,
        hashes=hashes,
        origin=_origin(origin, seal) if origin.exists() else {},
        test=_test(test, seal) if test.exists() else None,
    )


def _description(content: bytes, path: Path) -> Description:
    described = check_description(parse_json(content, name=str(path)), str(path))
    folder = path.parent.name
    if IDENTITY.fullmatch(folder) and folder != identity(described):
        raise UserError(f"{path} describes record {identity(described)}, not {folder}")
    return described


def _history(lines: Sequence[bytes], path: Path) -> History:
    history = [parse_json(line, name=f"{path}, line {n}") for n, line in enumerate(lines, start=1)]
    for number, line in enumerate(history, start=1):
        if not fits(line, EPOCH) or line["epoch"] != number:
            raise UserError(f"{path}, line {number} is not an entry for epoch {number}")
    return history


def _origin(path: Path, manifest: str | None = None) -> dict[str, Any]:
    origin = read_sealed(path, manifest)
    for name, shape in ORIGIN.items():
        if name in origin and not fits(origin[name], shape):
            raise UserError(f"{path}: {name} is of the wrong type")
    return origin


def _test(path: Path, manifest: str) -> Test:
    test = read_sealed(path, manifest)
    if not fits(test, SCORES):
        raise UserError(f"{path} must hold a loss and an accuracy")
    return test


def _read_checked(path: Path, expected: str) -> bytes:
    content = content_of(path)
    if sha256(content) != expected:
        raise UserError(
            f"{path} was changed after it was written: SHA-256 expected {expected}, "
            f"got {sha256(content)}"
        )
    return content


# --- writing -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """Writes the record in `folder`."""

    folder: Path

    def begin(self, description: Description) -> None:
        """Write the description, and remove what a failed or damaged run has left."""
        self._remove("manifest.json", "failure.json", "history.jsonl", "model.npz", "test.json")
        write_json(self.folder / "description.json", description)

    def save_origin(self, origin: Mapping[str, Any]) -> None:
        """Write when, where and by whom, for a run that is in training or has failed."""
        write_sealed(self.folder / "origin.json", origin, self.folder.name)

    def save_epoch(self, epoch: Epoch, history: History) -> None:
        """Write what training resumes from: the epoch's network, and the history up to it."""
        velocity = parameters(Network(epoch.velocity, epoch.network.activations))
        arrays = {
            **network_arrays(epoch.network),
            **{f"velocity_{name}": array for name, array in velocity.items()},
            "history": np.frombuffer(_lines(history), np.uint8),
        }
        # One file, so that network and history belong together wherever the process is killed;
        # its checksums show damage.
        write_bytes(self.folder / "progress.npz", npz_bytes(arrays))

    def resume(self) -> tuple[Start | None, History]:
        """Return the last complete epoch and the history up to it; None and [] to start anew."""
        path = self.folder / "progress.npz"
        try:
            arrays = parse_npz(content_of(path), name=str(path))
            history = _history(arrays["history"].tobytes().splitlines(), path)
            velocity = layers_of(arrays, "velocity_") or None
            return Start(history[-1]["epoch"], network_of(arrays), velocity), history
        except (UserError, LookupError, TypeError):
            return None, []  # missing or not readable: train from the start

    def finish(self, model: Model, history: History, origin: Mapping[str, Any]) -> None:
        """Write the results, then the manifest, which makes the record complete."""
        write_bytes(self.folder / "history.jsonl", _lines(history))
        write_bytes(self.folder / "model.npz", model_bytes(model))
        hashes = {name: sha256((self.folder / name).read_bytes()) for name in SEALED}
        manifest = json_bytes({"sha256": hashes})
        write_sealed(self.folder / "origin.json", origin, sha256(manifest))
        write_bytes(self.folder / "manifest.json", manifest)
        self.forget_progress()

    def forget_progress(self) -> None:
        """Remove the files that a finished run no longer needs."""
        self._remove("progress.npz", "failure.json")

    def fail(self, reason: str) -> None:
        """Write why the run failed."""
        write_sealed(self.folder / "failure.json", {"reason": reason}, self.folder.name)

    def _remove(self, *names: str) -> None:
        # Also files that an interruption has left half-written.
        for path in (*self.folder.glob(UNFINISHED), *(self.folder / name for name in names)):
            path.unlink(missing_ok=True)


def add_origin(record: Finished, origin: Mapping[str, Any]) -> Finished:
    """Replace a finished record's origin; return the new record."""
    write_sealed(record.folder / "origin.json", origin, record.manifest)
    return replace(record, origin=origin)


def add_test(record: Finished, test: Test) -> Finished:
    """Add the scores on the test images to a finished record; return the new record."""
    write_sealed(record.folder / "test.json", test, record.manifest)
    return replace(record, test=test)


def copy_record(record: Finished | Unfinished, folder: Path) -> None:
    """Copy a record's results or failure, without origin and test; the manifest comes last."""
    (folder / "manifest.json").unlink(missing_ok=True)
    names = PUBLISHED if isinstance(record, Finished) else ("description.json", "failure.json")
    for name in names:
        if (record.folder / name).exists():
            write_bytes(folder / name, (record.folder / name).read_bytes())


def adopt(record: Finished, folder: Path, origin: Mapping[str, Any]) -> Finished:
    """Copy a finished record to where an unfinished one may lie; return the new record.

    Args:
        record: with or without test results.
        folder: of the new record; no other process may train it meanwhile.
        origin: of the new record.
    """
    # The origin first, so that an interrupted copy is known as one; the manifest, which completes
    # the record, last.
    adopted = add_origin(replace(record, folder=folder), origin)
    Record(folder).begin(record.description)
    if record.test is not None:
        add_test(adopted, record.test)
    copy_record(record, folder)
    Record(folder).forget_progress()
    return adopted


def epoch_entry(epoch: Epoch, history: History) -> dict[str, Any]:
    """Return the history's entry for the epoch that follows those in `history`.

    `weights` is the hash of the epoch's weights and the previous entry's `weights`. So two
    histories agree in it until the first epoch whose weights differ, and never after.
    """
    before = history[-1]["weights"] if history else ""
    return {
        "epoch": epoch.number,
        "learning_rate": float(epoch.learning_rate),
        "train": epoch.train._asdict(),
        "validation": epoch.validation._asdict(),
        "weights": sha256(f"{before}{arrays_digest(parameters(epoch.network))}".encode()),
    }


def _lines(history: History) -> bytes:
    return "".join(json.dumps(entry, allow_nan=False) + "\n" for entry in history).encode()

"""A training run's folder: written epoch by epoch, complete once its manifest is there.

While a run trains:   description.json  checkpoint-<epoch>.npz  progress.json  origin.json
When it has finished: description.json  history.jsonl  model.npz  manifest.json  origin.json,
and, where a sweep was asked to read the test images, test.json
When it has failed:   description.json  failure.json  progress.json  origin.json

Convention: all but `origin.json`, which says when, where and by whom, is a function of the
description alone, byte for byte. `progress.json` names the checkpoint it belongs to and that
file's hash, so the two are never mixed up, wherever the process is killed between them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files import (
    UNFINISHED,
    npz_bytes,
    parse_npz,
    read_json,
    sha256,
    write_bytes,
    write_json,
)
from pipeline.network.dense import Layer, Network, parameters
from pipeline.network.training import Epoch, Start
from pipeline.records.model import (
    Model,
    model_bytes,
    network_arrays,
    network_from_arrays,
    parse_model,
)

# What the train stage hands on: everything that is the same for everybody.
PUBLISHED = ("description.json", "history.jsonl", "model.npz", "manifest.json")

History = list[dict[str, Any]]


@dataclass(frozen=True)
class Record:
    """The record in `folder`."""

    folder: Path

    @property
    def description(self) -> dict[str, Any]:
        """What determines the result; see `pipeline.records.identity`."""
        found: dict[str, Any] = read_json(self.folder / "description.json")
        return found

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.description["seed"])

    # --- reading ---

    def damage(self) -> str | None:
        """Return why the record is not complete and true, or None if it is.

        Every file is compared with the hash that the manifest has of it.
        """
        manifest = self.folder / "manifest.json"
        if not manifest.exists():
            return f"{self.folder} is not complete"
        try:
            expected = json.loads(manifest.read_bytes())["sha256"]
            for name in PUBLISHED[:-1]:
                content = (self.folder / name).read_bytes()
                if sha256(content) != expected[name]:
                    return (
                        f"{self.folder / name} is not what was written: SHA-256 expected "
                        f"{expected[name]}, got {sha256(content)}"
                    )
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"{self.folder} is damaged: {type(error).__name__}: {error}"
        return None

    def require(self) -> None:
        """Check that the record is complete and what was written.

        Raises:
            UserError: it is not; names file, expected hash and hash.
        """
        damage = self.damage()
        if damage:
            raise UserError(f"{damage}; delete {self.folder} and train again")

    def history(self) -> History:
        """Return an entry an epoch of a complete record."""
        lines = (self.folder / "history.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def validation_accuracy(self) -> float | None:
        """Return the last epoch's validation accuracy, or None if the record is not complete."""
        if self.damage() is not None:
            return None
        return float(self.history()[-1]["validation"]["accuracy"])

    def model(self) -> Model:
        """Return the trained model of a complete record.

        Raises:
            UserError: the file is damaged.
        """
        path = self.folder / "model.npz"
        return parse_model(path.read_bytes(), name=str(path))

    def manifest_digest(self) -> str:
        """Return the SHA-256 of the manifest, and so of the record."""
        return sha256((self.folder / "manifest.json").read_bytes())

    def progress(self) -> History:
        """Return the epochs done so far, of a record in any state; never raises."""
        try:
            if (self.folder / "manifest.json").exists():
                return self.history()
            found: History = json.loads((self.folder / "progress.json").read_bytes())["history"]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return found

    def failure(self) -> str | None:
        """Return why the run failed, or None if it did not."""
        path = self.folder / "failure.json"
        return str(read_json(path)["reason"]) if path.exists() else None

    def origin(self) -> dict[str, Any]:
        """Return when, where and by whom the record was made; empty where that is unknown."""
        path = self.folder / "origin.json"
        found: dict[str, Any] = read_json(path) if path.exists() else {}
        return found

    def test(self) -> dict[str, float] | None:
        """Return loss and accuracy on the test images, or None if nobody has asked for them."""
        path = self.folder / "test.json"
        if not path.exists():
            return None
        found: dict[str, float] = read_json(path)
        return found

    # --- writing ---

    def tidy(self, *, complete: bool) -> None:
        """Remove what an interruption has left: half-written files, and what led to results."""
        for path in self.folder.glob(UNFINISHED):
            path.unlink(missing_ok=True)
        if complete:
            for name in ("progress.json", "failure.json"):
                (self.folder / name).unlink(missing_ok=True)
            self._remove_checkpoints()

    def begin(self, description: dict[str, Any]) -> None:
        """Write what is about to be trained, and forget an earlier failure or damage."""
        for name in ("manifest.json", "failure.json", "history.jsonl", "model.npz", "test.json"):
            (self.folder / name).unlink(missing_ok=True)
        write_json(self.folder / "description.json", description)

    def save_test(self, result: Mapping[str, float]) -> None:
        """Write loss and accuracy on the test images."""
        write_json(self.folder / "test.json", dict(result))

    def save_origin(self, origin: dict[str, Any]) -> None:
        """Write when, where and by whom."""
        write_json(self.folder / "origin.json", origin)

    def save_epoch(self, epoch: Epoch, history: History, momentum: bool) -> None:
        """Write a checkpoint to resume from, then `progress.json`, which makes it count."""
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

    def finish(self, model: Model, history: History) -> None:
        """Write the results, then the manifest, which makes the record complete."""
        lines = "".join(json.dumps(entry, allow_nan=False) + "\n" for entry in history)
        write_bytes(self.folder / "history.jsonl", lines.encode())
        write_bytes(self.folder / "model.npz", model_bytes(model))
        hashes = {name: sha256((self.folder / name).read_bytes()) for name in PUBLISHED[:-1]}
        write_json(self.folder / "manifest.json", {"sha256": hashes})
        self.tidy(complete=True)

    def fail(self, reason: str) -> None:
        """Write why the run failed."""
        write_json(self.folder / "failure.json", {"reason": reason})

    def publish(self, folder: Path) -> None:
        """Copy what is the same for everybody into `folder`: the results, or the failure."""
        shutil.rmtree(folder, ignore_errors=True)
        names = PUBLISHED if self.damage() is None else ("description.json", "failure.json")
        for name in names:
            if (self.folder / name).exists():
                write_bytes(folder / name, (self.folder / name).read_bytes())

    def _remove_checkpoints(self, keep: str = "") -> None:
        for path in self.folder.glob("checkpoint-*.npz"):
            if path.name != keep:
                path.unlink(missing_ok=True)


def entry(epoch: Epoch) -> dict[str, Any]:
    """Return what a history says of an epoch."""
    return {
        "epoch": epoch.number,
        "learning_rate": float(epoch.learning_rate),
        "train": {"loss": epoch.train.loss, "accuracy": epoch.train.accuracy},
        "validation": {"loss": epoch.validation.loss, "accuracy": epoch.validation.accuracy},
    }

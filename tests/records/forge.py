"""Forgeries of a record, under seals that fit: who forges can seal again, too."""

import json
from pathlib import Path

from pipeline.base.files import json_bytes, sha256
from pipeline.records.model import model_bytes, parse_model
from pipeline.records.record import SEALED


def reseal(folder: Path) -> None:
    """Let the manifest say what the files are now; what belonged to the old manifest goes."""
    hashes = {name: sha256((folder / name).read_bytes()) for name in SEALED}
    (folder / "manifest.json").write_bytes(json_bytes({"sha256": hashes}))
    for name in ("origin.json", "test.json"):
        (folder / name).unlink(missing_ok=True)


def edit_history(folder: Path, epoch: int, key: str, value: object) -> None:
    """Replace one value of an epoch, such as `validation.accuracy`."""
    path = folder / "history.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    *parts, last = key.split(".")
    inner = lines[epoch - 1]
    for part in parts:
        inner = inner[part]
    assert last in inner
    inner[last] = value
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def reverse_biases(folder: Path) -> None:
    """Let the model's outputs have each other's biases."""
    path = folder / "model.npz"
    described = json.loads((folder / "description.json").read_bytes())
    model = parse_model(path.read_bytes(), described["experiment"], name=str(path))
    *layers, last = model.network.layers
    network = model.network._replace(layers=(*layers, last._replace(b=last.b[::-1].copy())))
    path.write_bytes(model_bytes(model._replace(network=network)))

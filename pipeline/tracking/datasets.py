"""What a run has read, as MLflow's data sets: name, schema, source and digest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from pipeline.base.files import canonical_json, sha256
from pipeline.data.catalogue import Data, dataset_of
from pipeline.records.identity import Description

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

# Of metrics and of MLflow's data sets: what each part is for.
CONTEXTS = {"train": "training", "validation": "validation", "test": "test"}


class DataPart(NamedTuple):
    """Images that a run has read.

    Attributes:
        context: a value of `CONTEXTS`.
        name: for people; short, since MLflow's tables cut it off.
        digest: of the files and the split, which decide which images these are.
        shape: how many images, and pixels of each.
        source: where the file of images is from: an address, or a path in the checkout.
    """

    context: str
    name: str
    digest: str
    shape: tuple[int, int]
    source: str


def data_parts(described: Description, *, tested: bool) -> dict[str, DataPart]:
    """Return what a run has read, by part; the test images if its model has been asked them."""
    experiment = described["experiment"]
    dataset = dataset_of(Data(**experiment["data"]))
    parts = {}
    for part in CONTEXTS if tested else ("train", "validation"):
        names = dataset.files_of("test" if part == "test" else "train")
        files = {name: digest for name, digest in described["data"].items() if name in names}
        count = experiment["split"][part]
        # Testing takes the file's first images.
        chosen = count if part == "test" else described["preparation"]["split"]
        images, mirrors = names[0].removesuffix(".gz"), dataset.mirrors
        parts[part] = DataPart(
            CONTEXTS[part],
            f"{dataset.name} {CONTEXTS[part]}",
            sha256(canonical_json([part, files, chosen]))[:16],
            (count, dataset.features),
            f"{mirrors[0]}/{images}.gz" if mirrors else f"data/raw/{dataset.name}/{images}",
        )
    return parts


def dataset_input(part: DataPart) -> DatasetInput:
    """Return MLflow's entity."""
    import numpy as np
    from mlflow.data.schema import TensorDatasetSchema
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.types import Schema, TensorSpec

    pixels = Schema([TensorSpec(np.dtype(np.uint8), part.shape)])
    labels = Schema([TensorSpec(np.dtype(np.uint8), part.shape[:1])])
    schema = json.dumps(TensorDatasetSchema(pixels, labels).to_dict())
    kind, key = ("http", "url") if "://" in part.source else ("local", "uri")
    source = json.dumps({key: part.source})
    dataset = Dataset(part.name, part.digest, kind, source, schema)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", part.context)])

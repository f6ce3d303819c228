"""The data of a run as MLflow data sets: name, schema, source and digest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from pipeline.base.files import canonical_json, sha256
from pipeline.data.catalogue import Data, dataset_of
from pipeline.records.identity import Description

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

# MLflow's name for the purpose of each part of the data.
CONTEXTS = {"train": "training", "validation": "validation", "test": "test"}


class DataPart(NamedTuple):
    """One part of the data that a run used.

    Attributes:
        context: a value of `CONTEXTS`.
        name: short, since MLflow's tables cut long ones off.
        digest: of the files and the split, which determine the images.
        shape: how many examples, and pixels or features of each.
        dtype: of the pixels or features.
        source: address of the file of examples, or its path in the checkout.
    """

    context: str
    name: str
    digest: str
    shape: tuple[int, int]
    dtype: str
    source: str


def data_parts(described: Description, *, tested: bool) -> dict[str, DataPart]:
    """Return the data that a run used, by part; with the test images if it was tested."""
    experiment = described["experiment"]
    dataset = dataset_of(Data(**experiment["data"]))
    parts = {}
    for part in CONTEXTS if tested else ("train", "validation"):
        names = dataset.files_of("test" if part == "test" else "train")
        files = {name: digest for name, digest in described["data"].items() if name in names}
        count = experiment["split"][part]
        # The test part is the first images of its file.
        chosen = count if part == "test" else described["preparation"]["split"]
        images, mirrors = names[0].removesuffix(".gz"), dataset.mirrors
        parts[part] = DataPart(
            CONTEXTS[part],
            f"{dataset.name} {CONTEXTS[part]}",
            sha256(canonical_json([part, files, chosen]))[:16],
            (count, dataset.features),
            "uint8" if dataset.image_shape else "float64",
            f"{mirrors[0]}/{images}.gz" if mirrors else f"data/raw/{dataset.name}/{images}",
        )
    return parts


def dataset_input(part: DataPart) -> DatasetInput:
    """Return the part as MLflow's entity."""
    import numpy as np
    from mlflow.data.schema import TensorDatasetSchema
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.types import Schema, TensorSpec

    inputs = Schema([TensorSpec(np.dtype(part.dtype), part.shape)])
    labels = Schema([TensorSpec(np.dtype(np.uint8), part.shape[:1])])
    schema = json.dumps(TensorDatasetSchema(inputs, labels).to_dict())
    kind, key = ("http", "url") if "://" in part.source else ("local", "uri")
    source = json.dumps({key: part.source})
    dataset = Dataset(part.name, part.digest, kind, source, schema)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", part.context)])

"""What a run has read, as MLflow's data sets: name, schema, source and digest.

Convention: the images that train, validate and test are three data sets, each known by a digest
of the files and the split that decide which images it holds.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from pipeline.base.files import canonical_json, sha256
from pipeline.data.catalogue import DATASETS, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from pipeline.data.sources import MIRRORS
from pipeline.records.identity import Description

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

# Of metrics and of MLflow's data sets: what each part is for.
CONTEXTS = {"train": "training", "validation": "validation", "test": "test"}


class DataPart(NamedTuple):
    """Images that a run has read.

    Attributes:
        part: a key of `CONTEXTS`.
        name: for people; short, since MLflow's tables cut it off.
        digest: of what decides which images these are.
        images: how many.
        features: pixels of an image.
        source_type: "http" or "local", MLflow's words.
        source: where the file of images is from: an address, or a path in the checkout.
    """

    part: str
    name: str
    digest: str
    images: int
    features: int
    source_type: str
    source: str


def data_parts(described: Description, *, tested: bool) -> list[DataPart]:
    """Return what a run has read.

    Args:
        described: the run.
        tested: whether its model has been asked the test images.
    """
    experiment = described["experiment"]
    dataset = DATASETS[experiment["data"]["name"]]
    parts = []
    for part in CONTEXTS if tested else ("train", "validation"):
        test = part == "test"
        names = (TEST_IMAGES, TEST_LABELS) if test else (TRAIN_IMAGES, TRAIN_LABELS)
        files = {
            name: digest
            for name, digest in described["data"].items()
            if name.removesuffix(".gz") in names
        }
        images = experiment["split"][part]
        # Testing takes the file's first images.
        chosen = images if test else described["preparation"]["split"]
        mirrors = MIRRORS.get(dataset.name, ())
        parts.append(
            DataPart(
                part,
                f"{dataset.name} {CONTEXTS[part]}",
                sha256(canonical_json([part, files, chosen]))[:16],
                images,
                dataset.features,
                "http" if mirrors else "local",
                f"{mirrors[0]}/{names[0]}.gz" if mirrors else f"data/raw/{dataset.name}/{names[0]}",
            )
        )
    return parts


def dataset_input(part: DataPart) -> DatasetInput:
    """Return MLflow's entity."""
    import numpy as np
    from mlflow.data.schema import TensorDatasetSchema
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.types import Schema, TensorSpec

    # -1: any number of images.
    pixels = Schema([TensorSpec(np.dtype(np.uint8), (-1, part.features))])
    labels = Schema([TensorSpec(np.dtype(np.uint8), (-1,))])
    key = "url" if part.source_type == "http" else "uri"
    dataset = Dataset(
        part.name,
        part.digest,
        part.source_type,
        json.dumps({key: part.source}),
        json.dumps(TensorDatasetSchema(pixels, labels).to_dict()),
        # The keys of MLflow's own data sets of arrays.
        json.dumps(
            {"features_shape": [part.images, part.features], "targets_shape": [part.images]}
        ),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", CONTEXTS[part.part])])

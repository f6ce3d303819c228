"""The data sets that come with the pipeline, and the settings of a user's own data set.

Convention: a data set has labelled training and test examples. They lie in four IDX files, whose
names tell train from test and labels from images, or in one `.npz` file with the arrays `x_train`,
`y_train`, `x_test` and `y_test`. A file is declared by the SHA-256 of its unpacked content, which
does not depend on the compression; if the declared name ends in `.gz`, by that of the packed file.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pipeline.base.errors import refuse
from pipeline.base.files import read_yaml
from pipeline.network.settings import allow

MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class Dataset:
    """A data set.

    Attributes:
        name: the value of `data.name`, and the name of its folder.
        title: its name in reports.
        source: where it was published.
        files: SHA-256 by file name.
        class_names: names of the classes, in the order of their labels.
        shape: of an example: height and width of an image, or the number of features.
        license: its SPDX identifier, if it is known.
        mirrors: addresses of folders that hold the gzipped files, best first.
        embedded: whether it comes with scikit-learn.
    """

    name: str
    title: str
    source: str
    files: dict[str, str]
    class_names: list[str]
    shape: list[int]
    license: str | None = None
    mirrors: list[str] = field(default_factory=list)
    embedded: bool = False

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def features(self) -> int:
        """The number of features of an example."""
        return math.prod(self.shape)

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """Height and width of an image in pixels; None if examples are not images."""
        return (self.shape[0], self.shape[1]) if len(self.shape) == 2 else None

    @property
    def noun(self) -> str:
        """The word for its examples, in the plural."""
        return "images" if self.image_shape else "examples"

    def files_of(self, part: str) -> list[str]:
        """Return the files of a part, "train" or "test": inputs, then labels."""
        roles = (f"x_{part}", f"y_{part}")
        return sorted((n for n in self.files if is_npz(n) or role(n) in roles), key=role)


def is_npz(name: str) -> bool:
    """Tell whether a file of this name holds all arrays of a data set."""
    return name.removesuffix(".gz").endswith(".npz")


def role(name: str) -> str:
    """Return what an IDX file of this name holds, as arrays of `.npz` files are called."""
    return f"{'y' if 'labels' in name else 'x'}_{'train' if 'train' in name else 'test'}"


def _dataset(name: str, *, classes: list[str], **entry: Any) -> Dataset:
    return Dataset(name, class_names=classes, **entry)


DATASETS = {
    name: _dataset(name, **entry)
    for name, entry in read_yaml(Path(__file__).with_name("catalogue.yaml")).items()
}

# --- own data ----------------------------------------------------------------------------------

# A label is stored in one byte.
MOST_CLASSES = 256
LARGEST_SIZE = 10**6


def _are_files(value: Any) -> bool:
    """Tell whether a value gives the SHA-256 of one `.npz` file or of four IDX files, by name."""
    if not isinstance(value, dict) or not all(
        re.fullmatch(r"[^\W][\w.+ -]*", str(name)) and re.fullmatch(r"[0-9a-f]{64}", str(digest))
        for name, digest in value.items()
    ):
        return False
    if any(map(is_npz, value)):
        return len(value) == 1
    return sorted(map(role, value)) == ["x_test", "x_train", "y_test", "y_train"]


def _are_classes(value: Any) -> bool:
    return (
        type(value) is list
        and 2 <= len(set(map(str, value))) == len(value) <= MOST_CLASSES
        and all(type(name) is str and name.strip() and name.isprintable() for name in value)
    )


def _is_name(value: Any) -> bool:
    return type(value) is str and bool(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", value))


def _is_shape(value: Any) -> bool:
    return (
        type(value) is list
        and len(value) in (1, 2)
        and all(type(size) is int and 1 <= size <= LARGEST_SIZE for size in value)
    )


@dataclass(kw_only=True)
class Data:
    """The choice of a data set: a name in the catalogue, or own files with classes and shape."""

    name: str = field(
        metadata=allow(
            f"one of {', '.join(DATASETS)}, or a name of letters, digits, _, - and . for your own "
            "data, with data.files, data.classes and data.shape (docs/data.md)",
            _is_name,
        )
    )
    files: dict[str, str] | None = field(
        default=None,
        metadata=allow(
            "a SHA-256 in hexadecimal for each file name, without folders: one .npz file, or four "
            "IDX files whose names tell train from test, and labels from images",
            _are_files,
        ),
    )
    classes: list[str] | None = field(
        default=None,
        metadata=allow(f"a list of 2 to {MOST_CLASSES} different names", _are_classes),
    )
    shape: list[int] | None = field(
        default=None,
        metadata=allow(
            "[height, width] for images, such as [28, 28], or [n] for vectors of n features, each "
            f"number from 1 to {LARGEST_SIZE}",
            _is_shape,
        ),
    )


OWN = ("files", "classes", "shape")


def dataset_of(data: Data) -> Dataset:
    """Return the data set that a configuration asks for.

    Raises:
        UserError: the name is not in the catalogue and own data are incomplete, or it is and own
            data are given.
    """
    given = {key: value for key in OWN if (value := getattr(data, key)) is not None}
    if data.name in DATASETS:
        for key, value in given.items():
            refuse(f"data.{key}", value, f"null, since {data.name} comes with the pipeline")
        return DATASETS[data.name]
    allowed = {entry.name: entry.metadata["range"].allowed for entry in fields(data)}
    for key in OWN if given else ["name"]:
        if key not in given:
            refuse(f"data.{key}", getattr(data, key), allowed[key])
    return _dataset(data.name, title=data.name, source="own files", **given)

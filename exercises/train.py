"""Train the network of exercise 10, and compare it with ours.

    python -m exercises.train                   params.yaml's network, on MNIST
    python -m exercises.train experiment=demo   on scikit-learn's digits, in seconds
    python -m exercises.train training.epochs=3 seed=1

The loop over epochs is the pipeline's; every gradient and every step is yours. Ours is the compiled
network, with the same initial weights and batches. Both are recorded in the study `exercises`; the
identity of yours includes your files.
"""

import pipeline  # isort: skip  # noqa: F401  # before NumPy: chooses its threads and kernels

import argparse
import ast
import dataclasses
import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from exercises.grader import FOLDER, complaint_about, in_words
from pipeline.base.config import Config, compose
from pipeline.base.errors import Failed, UserError, one_line_errors, refuse
from pipeline.base.files import canonical_json, sha256
from pipeline.base.numerics import one_blas_thread
from pipeline.base.paths import Paths, find_root
from pipeline.base.processes import own_name, python
from pipeline.data.prepared import Part, load
from pipeline.engine.examples import Ready
from pipeline.network.dense import Layer, Network
from pipeline.network.evaluation import Examples, score
from pipeline.network.settings import Training
from pipeline.network.training import Descent
from pipeline.records.code import code_digest, syntax
from pipeline.records.identity import Description, identity
from pipeline.records.provenance import numeric_environment, provenance
from pipeline.records.record import Finished, Record, Unfinished
from pipeline.stages.download import download
from pipeline.sweep.job import description_of, fill, train_seed

STUDY = "exercises"
# The settings that exercises 5 and 10 implement.
ALLOWED = {
    ("network", "activation"): "relu",
    ("network", "output"): "sigmoid",
    ("training", "cost"): "cross_entropy",
    ("training", "momentum"): 0.0,
    ("training", "weight_decay"): 0.0,
}


def main() -> None:
    """Train both networks, and print their records."""
    parser = argparse.ArgumentParser(
        prog="python -m exercises.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", help="as in params.yaml: training.epochs=3")
    overrides = parser.parse_args().overrides
    with one_line_errors(), one_blas_thread():
        paths = Paths(find_root())
        _refuse_what_is_not_right()
        config = configuration(paths, overrides)
        origin = {"process": own_name(), **provenance(paths.root)}
        yours = _finished(train_yours(config, paths, origin))
        ours = _finished(train_seed(config, paths, origin))
        for name, record in (("yours", yours), ("ours", ours)):
            last = record.history[-1]
            print(f"{name}: {_accuracies(last)}, record {record.identity}")
        print("bringing MLflow up to date", flush=True)
        tracking = [word for word in overrides if word.startswith("tracking")]
        python(paths.root, "pipeline.stages.track", *tracking)
        code = yours.description["code"][:6]
        print(
            f"yours is named `code {code} · ...` in MLflow, which "
            f"`python -m pipeline.tracking.ui study={STUDY}` opens"
        )


def _refuse_what_is_not_right() -> None:
    for page in ("descent", "network"):
        for task in importlib.import_module(f"exercises.test_{page}").TASKS:
            complaint = complaint_about(page, task)
            if complaint is not None:
                raise UserError(f"nothing is trained yet: {complaint}")


def configuration(paths: Paths, overrides: Sequence[str]) -> Config:
    """Return the configuration of one training, after getting its data.

    Raises:
        UserError: it is not the network of exercise 10, or its data are not available.
    """
    config = compose(paths, overrides)
    for (section, name), allowed in ALLOWED.items():
        value = getattr(getattr(config, section), name)
        if value != allowed:
            refuse(f"{section}.{name}", value, f"{allowed}, as in exercise 10")
    try:
        download(config, paths)
    except UserError as error:
        if any(word.startswith(("data", "experiment")) for word in overrides):
            raise
        print(f"{error}; so this trains on scikit-learn's digits", file=sys.stderr)
        config = compose(paths, [*overrides, "experiment=demo"])
        download(config, paths)
    seed = config.seeds[0] if config.seed is None else config.seed
    return dataclasses.replace(config, study=STUDY, seed=seed)


def _finished(state: Finished | Unfinished) -> Finished:
    """Return a record that is complete, or raise with what it says."""
    if isinstance(state, Finished):
        return state
    raise Failed(state.failure or state.damage)


def train_yours(config: Config, paths: Paths, origin: dict[str, Any]) -> Finished | Unfinished:
    """Train the student's network, unless its record is complete.

    Args:
        config: with a seed.
        paths: where data and records are.
        origin: where the code comes from and what runs it.

    Returns:
        The record's state. If the loss is no longer a finite number, or a page or a data file does
        not work, it says so.
    """
    described = _description_of_yours(config, paths)
    return fill(
        Record(paths.records / identity(described)),
        described,
        config,
        {**origin, "pages": _pages()},
        read=lambda: examples(config, paths),
        descent=Descent(_epoch, score),
        explain=lambda error: str(error) if isinstance(error, UserError) else in_words(error),
        report=lambda entry: print(
            f"epoch {entry['epoch']} of {config.training.epochs}: {_accuracies(entry)}", flush=True
        ),
    )


def examples(config: Config, paths: Paths) -> Ready:
    """Return images and labels as the readable network takes them."""
    data, dtype = load(config, paths), config.training.dtype

    def of(part: Part) -> Examples:
        X = data.preprocessor.apply(part.raw, dtype)
        return Examples(X, part.one_hot.astype(dtype), part.labels)

    train, validation = of(data.train), of(data.validation)
    return Ready(train, validation, train.X.shape[1], data.preprocessor)


def _epoch(
    network: Network,
    velocity: object,
    examples: Examples,
    batches: Iterable[np.ndarray],
    training: Training,
    learning_rate: float,
) -> tuple[Network, tuple[Layer, ...]]:
    """Take the steps of an epoch by the student's functions, as `pipeline.network.descent` does."""
    gradients = importlib.import_module("exercises.network").gradients
    step = importlib.import_module("exercises.descent").step

    def moved(layer: Layer, slopes: Sequence[np.ndarray]) -> Layer:
        pairs = zip(layer, slopes, strict=True)
        # In the layer's dtype, whatever the student's functions made of it.
        return Layer(*(step(p, g, learning_rate).astype(p.dtype) for p, g in pairs))

    for batch in batches:
        layers = [tuple(layer) for layer in network.layers]
        slopes = gradients(layers, examples.X[batch], examples.Y[batch])
        network = network._replace(
            layers=tuple(moved(*pair) for pair in zip(network.layers, slopes, strict=True))
        )
    return network, ()


# --- what is recorded --------------------------------------------------------------------------


def _description_of_yours(config: Config, paths: Paths) -> Description:
    """Return what determines the result: the student's files too, and NumPy's arithmetic."""
    used = numeric_environment()
    code = {name: syntax(ast.parse(text)) for name, text in _pages().items()}
    return {
        **description_of(config, paths),
        "code": sha256(canonical_json({"pipeline": code_digest(), **code})),
        "arithmetic": {name: used[name] for name in ("NumPy", "BLAS")},
    }


def _pages() -> dict[str, str]:
    """Return the text of every page, and of this file."""
    pages = [path for path in FOLDER.glob("[0-9]*/*.py") if not path.name.startswith("test_")]
    files = sorted([*pages, Path(__file__)])
    return {str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8") for path in files}


def _accuracies(entry: dict[str, Any]) -> str:
    parts = ("train", "validation")
    return ", ".join(f"{part} accuracy {100 * entry[part]['accuracy']:.2f} %" for part in parts)


if __name__ == "__main__":
    main()

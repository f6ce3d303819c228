"""The paths of the artefacts of a checkout.

`dvc.yaml` repeats these paths, since DVC needs them as text; a test compares the two.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


class Below:
    """A path below a checkout's `root`, or below its `home`."""

    def __init__(self, path: str, base: str = "root") -> None:
        self._path, self._base = path, base

    def __get__(self, paths: Paths, owner: type[Paths]) -> Path:
        base: Path = getattr(paths, self._base)
        return base / self._path


@dataclass(frozen=True)
class Paths:
    """The artefacts of one checkout, below its `root`; what must outlive it, below its `home`."""

    root: Path

    params = Below("params.yaml")  # the experiment that `dvc repro` runs
    conf = Below("conf")  # Hydra's configuration folder

    # What the stages before training make.
    split = Below("data/split")
    split_indices = Below("data/split/indices.npz")
    preprocessor = Below("data/preprocessor.npz")
    labels = Below("data/labels.npz")

    records = Below("records", "home")  # every training run, one folder per identity
    runs = Below("runs")  # the declared seeds' records, published by the train stage
    sweeps = Below("sweeps")  # Hydra's output and the tables of each sweep
    comparison = Below("sweeps/comparison")
    store = Below("mlflow.db", "home")
    artifacts = Below("mlartifacts", "home")

    # Results of the seeds; git keeps all but the predictions.
    results = Below("results")
    preprocess_summary = Below("results/preprocess.json")
    metrics = Below("results/metrics.json")
    tests = Below("results/tests.json")
    classes = Below("results/classes.csv")
    confusion = Below("results/confusion.csv")
    history = Below("results/history.csv")
    predictions = Below("results/predictions.csv")
    # The lecture's results, ours beside the published ones.
    studies = Below("results/lecture.json")
    studies_runs = Below("results/lecture_runs.csv")

    figures = Below("reports/figures")
    lecture_figures = Below("reports/lecture")
    studies_figures = Below("reports/studies")
    summary = Below("reports/summary.md")
    page = Below("reports/index.html")
    learning_curves = Below("reports/learning_curves.png")  # the figure that git keeps
    # These pages name the commit they were made at, so DVC does not track them.
    lecture_page = Below("reports/lecture.html")
    draw_page = Below("reports/draw.html")

    @property
    def home(self) -> Path:
        """The checkout that keeps the records: the root or, if it is a copy, its original.

        `dvc exp run --temp` and `--queue` run in a copy below `.dvc/tmp` of the original, which
        DVC_ROOT names, and delete it afterwards.
        """
        original = os.environ.get("DVC_ROOT")
        if original:
            copies = (Path(original) / ".dvc" / "tmp").resolve()
            if self.root.resolve().is_relative_to(copies):
                return Path(original)
        return self.root

    def raw(self, dataset: str) -> Path:
        """Return the folder of a data set's four IDX files, which the download stage makes."""
        return self.root / "data" / "raw" / dataset

    def given(self, dataset: str) -> Path:
        """Return the folder for a data set's files that the user brings; nothing writes to it."""
        return self.home / "data" / "given" / dataset

    def beside(self, dataset: str) -> Path:
        """Return a folder beside the checkout that may hold the data set's files."""
        return self.home.parent / "shared" / dataset

    def run(self, seed: int) -> Path:
        """Return one declared seed's record."""
        return self.runs / f"seed-{seed}"


def find_root() -> Path:
    """Return the checkout this package lies in, else the current folder.

    So a stage works from any working directory; an installed copy of the package works on
    the checkout it is started in.
    """
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "dvc.yaml").exists() else Path.cwd()

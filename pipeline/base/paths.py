"""Where every artefact lies; the only module that spells a path.

`dvc.yaml` repeats these paths, since DVC needs them as text; a test holds the two together.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The artefacts of one checkout, below its `root`; what must outlive it, below its `home`."""

    root: Path

    @property
    def home(self) -> Path:
        """The checkout that keeps what must survive: the root, or what the root is a copy of.

        `dvc exp run --temp` and `--queue` run in a copy below `.dvc/tmp` of the original, which
        DVC_ROOT names, and delete it afterwards.
        """
        original = os.environ.get("DVC_ROOT")
        if original:
            copies = (Path(original) / ".dvc" / "tmp").resolve()
            if self.root.resolve().is_relative_to(copies):
                return Path(original)
        return self.root

    @property
    def params(self) -> Path:
        """The experiment that `dvc repro` runs."""
        return self.root / "params.yaml"

    @property
    def conf(self) -> Path:
        """Hydra's configuration folder."""
        return self.root / "conf"

    def raw(self, dataset: str) -> Path:
        """Return the folder of a data set's four IDX files, which the download stage makes."""
        return self.root / "data" / "raw" / dataset

    def given(self, dataset: str) -> Path:
        """Return the folder for a data set's files that the user brings; nothing writes to it."""
        return self.home / "data" / "given" / dataset

    def beside(self, dataset: str) -> Path:
        """Return a folder beside the checkout that may hold the data set's files."""
        return self.home.parent / "shared" / dataset

    @property
    def split(self) -> Path:
        """Which images train and which validate, with a summary beside it."""
        return self.root / "data" / "split"

    @property
    def split_indices(self) -> Path:
        """The indices of the split."""
        return self.split / "indices.npz"

    @property
    def split_summary(self) -> Path:
        """Sizes, class counts and hash of the split."""
        return self.split / "split.json"

    @property
    def preprocessor(self) -> Path:
        """The statistics fitted on the training images."""
        return self.root / "data" / "preprocessor.npz"

    @property
    def labels(self) -> Path:
        """One-hot labels of the three parts."""
        return self.root / "data" / "labels.npz"

    @property
    def records(self) -> Path:
        """Every training run ever completed here, a folder an identity."""
        return self.home / "records"

    @property
    def runs(self) -> Path:
        """The declared seeds' records: what the train stage hands on."""
        return self.root / "runs"

    def run(self, seed: int) -> Path:
        """Return one declared seed's record."""
        return self.runs / f"seed-{seed}"

    @property
    def sweeps(self) -> Path:
        """Hydra's output and the tables of each sweep."""
        return self.root / "sweeps"

    def sweep(self, name: str) -> Path:
        """Return the folder of a sweep that a study reads."""
        return self.sweeps / name

    @property
    def comparison(self) -> Path:
        """Tables and figures of comparisons, a folder each."""
        return self.sweeps / "comparison"

    @property
    def results(self) -> Path:
        """Small results that git keeps."""
        return self.root / "results"

    @property
    def preprocess_summary(self) -> Path:
        """What preprocessing did to the data."""
        return self.results / "preprocess.json"

    @property
    def metrics(self) -> Path:
        """The statistics over seeds: DVC's metrics."""
        return self.results / "metrics.json"

    @property
    def tests(self) -> Path:
        """Every seed's test results, with the manifest of the record that they belong to."""
        return self.results / "tests.json"

    @property
    def classes(self) -> Path:
        """Precision, recall and F1 of every class."""
        return self.results / "classes.csv"

    @property
    def confusion(self) -> Path:
        """How often each digit was taken for each."""
        return self.results / "confusion.csv"

    @property
    def history(self) -> Path:
        """Every seed's metrics after every epoch."""
        return self.results / "history.csv"

    @property
    def predictions(self) -> Path:
        """Every seed's answer to every test image, with its margin."""
        return self.results / "predictions.csv"

    @property
    def figures(self) -> Path:
        """The report's pictures."""
        return self.root / "reports" / "figures"

    def figure(self, name: str) -> Path:
        """Return one of them."""
        return self.figures / f"{name}.png"

    @property
    def lecture_figures(self) -> Path:
        """The lecture's pictures."""
        return self.root / "reports" / "lecture"

    def lecture_figure(self, name: str) -> Path:
        """Return one of them."""
        return self.lecture_figures / f"{name}.png"

    @property
    def cosine(self) -> Path:
        """The denoised cosines, measured."""
        return self.results / "cosine.json"

    @property
    def studies(self) -> Path:
        """The lecture's results on MNIST, published and ours, and the study of preprocessing."""
        return self.results / "lecture.json"

    @property
    def studies_runs(self) -> Path:
        """Every accuracy of every run behind them."""
        return self.results / "lecture_runs.csv"

    @property
    def studies_figures(self) -> Path:
        """Their pictures."""
        return self.root / "reports" / "studies"

    def studies_figure(self, name: str) -> Path:
        """Return one of them."""
        return self.studies_figures / f"{name}.png"

    @property
    def lecture_page(self) -> Path:
        """The lecture as one page; it names the commit it was made at, as `page` does."""
        return self.root / "reports" / "lecture.html"

    @property
    def draw_page(self) -> Path:
        """The page to draw a digit on; it names the commit it was made at, as `page` does."""
        return self.root / "reports" / "draw.html"

    @property
    def page(self) -> Path:
        """The report as one page; it names the commit it was made at, so DVC does not track it."""
        return self.root / "reports" / "index.html"

    @property
    def summary(self) -> Path:
        """The report's tables, for pasting."""
        return self.root / "reports" / "summary.md"

    @property
    def store(self) -> Path:
        """MLflow's sqlite store."""
        return self.home / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """MLflow's artifacts."""
        return self.home / "mlartifacts"


def find_root() -> Path:
    """Return the checkout this package lies in, else the current folder.

    A stage so works from any working directory; an installed copy of the package works on
    the checkout it is started in.
    """
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "dvc.yaml").exists() else Path.cwd()

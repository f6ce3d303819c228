"""What the report shows of an experiment: its figures, its page.

Convention: `Experiment` is all that stages have left of it, read already; nothing is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.base.config import Config, experiment
from pipeline.data.catalogue import DATASETS
from pipeline.network.dense import Network
from pipeline.records.environment import recorded_environment
from pipeline.records.model import Model
from pipeline.results import figures
from pipeline.results.crossed import student
from pipeline.results.evaluation import Calibration, calibration
from pipeline.results.page import (
    Page,
    Picture,
    Section,
    Table,
    accuracy_table,
    deviation,
    gflop,
    needed_table,
    plan_table,
    seeds_table,
    training_flops,
    variance_table,
)
from pipeline.results.statistics import METHOD, METHODS, NEW_IMAGES, NEW_SEEDS, Summary, percents
from pipeline.results.tables import Predictions

FEW = 5  # fewer seeds than this get a warning
HARDEST = 24  # images that fit a figure
NEURONS = 32


@dataclass
class Experiment:
    """What stages have left of an experiment.

    Attributes:
        config: of it.
        configuration: its name.
        summaries: statistics by part and metric.
        curves: accuracy by part, shape (seeds, epochs).
        predictions: of single test images.
        confusion: mean counts, shape (m, m).
        f1: shape (seeds, m).
        preprocess: the preprocess stage's summary.
        test_pixels: raw, shape (N, n).
        sample: raw training pixels, shape (k, n), for the figure of preprocessing.
        model: the first finished seed's.
        split: the split stage's summary.
        descriptions: of the finished seeds' records.
        manifests: SHA-256 of each finished seed's manifest.
        origins: when, where and by whom each was trained; empty where nobody here knows.
        tried_before: how many other configurations of the study were trained before; None where
            nobody here knows.
    """

    config: Config
    configuration: str
    summaries: dict[str, dict[str, Summary]]
    curves: dict[str, NDArray[np.float64]]
    predictions: Predictions
    confusion: NDArray[np.float64]
    f1: NDArray[np.float64]
    preprocess: Mapping[str, Any]
    test_pixels: NDArray[np.uint8]
    sample: NDArray[np.uint8]
    model: Model
    split: Mapping[str, Any]
    descriptions: list[Mapping[str, Any]]
    manifests: dict[int, str]
    origins: list[Mapping[str, Any]]
    tried_before: int | None

    @property
    def accuracies(self) -> dict[str, Summary]:
        """Statistics of accuracy by part."""
        return {part: metrics["accuracy"] for part, metrics in self.summaries.items()}

    @property
    def calibrations(self) -> dict[int, Calibration]:
        """How sure each finished seed's network is, and how often right."""
        found = self.predictions
        right = found.predicted == found.actual
        return {
            seed: calibration(found.confidence[row], right[row])
            for row, seed in enumerate(found.seeds)
        }


def draw(shown: Experiment) -> dict[str, Figure]:
    """Return the figures by file name, without its ending."""
    test = shown.accuracies["test"]
    title = f"{shown.config.study}: {test.n} of {test.declared} seeds"
    images, captions = _hardest(shown)
    before = shown.sample / 255
    drawn = {
        "learning_curves": figures.learning_curves(shown.curves, test, title),
        "seeds": figures.seed_dots(shown.accuracies),
        "confusion": figures.confusion(shown.confusion),
        "classes": figures.class_scores(shown.f1),
        "hardest": figures.hardest(images, captions),
        "reliability": figures.reliability(shown.calibrations),
        "first_layer": figures.first_layer(_first_layer(shown)),
        "preprocessing": figures.preprocessing(
            before, shown.model.preprocessor.apply(shown.sample), shown.config.preprocess.method
        ),
    }
    if test.effects is not None:
        drawn["variances"] = figures.variances(test.effects)
    return drawn


def _image_shape(shown: Experiment) -> tuple[int, int]:
    return DATASETS[shown.config.data.name].image_shape


def _wrong_by(shown: Experiment) -> NDArray[np.int64]:
    """Return how many seeds get each test image wrong: shape (N,)."""
    return np.sum(shown.predictions.predicted != shown.predictions.actual, axis=0)


def _hardest(shown: Experiment) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the images that most seeds get wrong, the surest mistakes first, with all guesses."""
    wrong = _wrong_by(shown)
    sureness = shown.predictions.margin.mean(axis=0)
    order = np.lexsort((np.arange(len(wrong)), -sureness, -wrong))
    chosen = [int(index) for index in order[:HARDEST] if wrong[index] > 0]
    captions = []
    for index in chosen:
        guesses = shown.predictions.predicted[:, index]
        told = " ".join(map(str, guesses[:6])) + (" …" if len(guesses) > 6 else "")
        captions.append(f"{shown.predictions.actual[index]}: {told}")
    return shown.test_pixels[chosen].reshape(-1, *_image_shape(shown)), captions


def _first_layer(shown: Experiment) -> NDArray[np.float64]:
    """Return what each neuron of the first layer looks for in pixels, the strongest first."""
    W = shown.model.network.layers[0].W.astype(np.float64)
    preprocessor = shown.model.preprocessor
    if preprocessor.matrix is not None:
        W = W @ preprocessor.matrix.T
    W = np.broadcast_to(W * preprocessor.scale, (len(W), shown.test_pixels.shape[1]))
    strongest = np.argsort(-np.linalg.norm(W, axis=1), kind="stable")[:NEURONS]
    return W[strongest].reshape(-1, *_image_shape(shown))


# --- the page ----------------------------------------------------------------------------------


def page(
    shown: Experiment, pictures: Mapping[str, bytes], provenance: list[tuple[str, str]]
) -> Page:
    """Return the page.

    Args:
        shown: the experiment.
        pictures: the PNG files of `draw`'s figures.
        provenance: what is known of the code that made the page.
    """
    test = shown.accuracies["test"]
    return Page(
        subject=f"{shown.config.study}: {shown.configuration}",
        title=f"Test accuracy on {DATASETS[shown.config.data.name].title}",
        headline=test.percent(),
        warnings=_warnings(test),
        notes=[],
        sections=_sections(shown, pictures),
        checklist=_checklist(shown),
        provenance=[*provenance, *_provenance(shown)],
        again=["make repro", "make verify"],
    )


def _warnings(test: Summary) -> list[str]:
    warnings = []
    failed = [str(seed) for seed, value in test.per_seed.items() if value is None]
    if failed:
        warnings.append(
            f"{len(failed)} of {test.declared} declared seeds did not finish: "
            f"seed {', '.join(failed)}. Everything below is about the other {test.n}."
        )
    if test.n < FEW:
        times = student(test.n - 1) / test.n**0.5 / (student(FEW - 1) / FEW**0.5)
        warnings.append(
            "One seed says nothing about other seeds, so there is no interval."
            if test.n == 1
            else f"{test.n} seeds are few: the interval over seeds is about {times:.1f} times as "
            f"wide as {FEW} seeds would make it."
        )
    return warnings


def _sections(shown: Experiment, pictures: Mapping[str, bytes]) -> list[Section]:
    def picture(name: str, alt: str, caption: str) -> Picture:
        return Picture(pictures[name], alt, caption)

    accuracies, wrong = shown.accuracies, _wrong_by(shown)
    test, n = accuracies["test"], accuracies["test"].n
    f1 = shown.f1.mean(axis=0)
    worst, without = int(np.nanargmin(f1)), np.flatnonzero(np.isnan(f1))
    errors = shown.confusion - np.diag(np.diag(shown.confusion))
    actual, answer = divmod(int(errors.argmax()), len(errors))
    ece = np.mean([found.error for found in shown.calibrations.values()])
    return [
        Section(
            "curves",
            "Learning curves",
            pictures=[
                picture(
                    "learning_curves",
                    f"Accuracy over {shown.config.training.epochs} epochs. Training ends at "
                    f"{_percent(accuracies['train'])}, validation at "
                    f"{_percent(accuracies['validation'])}, test at {_percent(test)}.",
                    f"Thin: each seed; thick: their mean; band: {METHOD}, {NEW_SEEDS}, cut at 0 "
                    "and 1, the limits of an accuracy. The test images were read once, after "
                    "the last epoch.",
                )
            ],
            tables=[accuracy_table(shown.summaries)],
        ),
        Section(
            "seeds",
            "Every seed",
            pictures=[
                picture(
                    "seeds",
                    f"Last accuracy of each of {n} seeds on training, validation and test images; "
                    f"on test images from {_share(test.min)} to {_share(test.max)}.",
                    f"Dots: seeds; lines: means; bands: {METHOD}, {NEW_SEEDS}; dotted lines: the "
                    f"interval for {NEW_IMAGES}.",
                )
            ],
            tables=[seeds_table(accuracies)],
        ),
        _uncertainty(shown, pictures),
        Section(
            "confusion",
            "Which digits are taken for which",
            text=[f"No test image is of class {each}, so it has no scores." for each in without],
            pictures=[
                picture(
                    "confusion",
                    f"Confusion matrix of the test images. The most frequent mistake: a true "
                    f"{actual} is called {answer}, {errors.max():.1f} times a seed.",
                    "Rows: true class; columns: answer; numbers: images, mean over seeds. "
                    "Colour counts mistakes alone.",
                ),
                picture(
                    "classes",
                    f"F1 of each class and seed. The lowest mean is class {worst}'s, "
                    f"{f1[worst]:.4f}.",
                    "F1 is the harmonic mean of precision and recall.",
                ),
            ],
        ),
        Section(
            "hardest",
            "The digits that most seeds get wrong",
            text=[
                f"{int(np.sum(wrong == n))} of {len(wrong):,} test images are answered wrongly by "
                f"all {n} seeds, {int(np.sum(wrong > 0))} by at least one."
            ],
            pictures=[
                picture(
                    "hardest",
                    f"{min(HARDEST, int(np.sum(wrong > 0)))} test images that most seeds get "
                    "wrong, each with its true label and every seed's guess.",
                    "True label: guesses of the seeds. First those that most seeds get wrong, "
                    "among them the surest mistakes.",
                )
            ],
        ),
        Section(
            "reliability",
            "How sure the networks are",
            pictures=[
                picture(
                    "reliability",
                    "Reliability diagram: share of right answers against the largest output, in "
                    f"ten bins, a line a seed. Mean expected calibration error {ece:.4f}.",
                    "On the diagonal a network is as often right as it is sure. The largest "
                    "output is a sigmoid's, no probability over classes. Expected calibration "
                    f"error, mean over seeds: {ece:.4f}.",
                )
            ],
        ),
        Section(
            "weights",
            "What the first layer looks for",
            pictures=[
                picture(
                    "first_layer",
                    f"Weights of {NEURONS} neurons of the first layer as images of the pixels "
                    "they are for, red positive, blue negative.",
                    f"Seed {shown.predictions.seeds[0]}; the neurons with the largest weights, "
                    "preprocessing included. Red: ink here speaks for the neuron; blue: against.",
                )
            ],
        ),
        Section(
            "preprocessing",
            "What preprocessing does",
            text=list(shown.preprocess["warnings"]),
            pictures=[
                picture(
                    "preprocessing",
                    "Histograms of pixel values before and after preprocessing by "
                    f"{shown.config.preprocess.method}.",
                    f"Of {len(shown.sample):,} training images; counts on a logarithmic scale.",
                )
            ],
            tables=[_preprocess_table(shown)],
        ),
        Section("cost", "What it cost", text=_cost(shown)),
    ]


def _uncertainty(shown: Experiment, pictures: Mapping[str, bytes]) -> Section:
    """Return what the seeds can say and what they cannot."""
    test, split = shown.accuracies["test"], shown.config.split
    section = Section(
        "uncertainty",
        "What these seeds can say, and what they cannot",
        text=[
            "Varied: the seed, which draws the first weights and the order of the images. Not "
            f"varied: which images train and which validate (split.seed {split.seed}). How much "
            "that matters is told by `python -m pipeline.results.compare --test` of a sweep over "
            "`split.seed` and `seed`, every seed with every split."
        ],
    )
    effects = test.effects
    same, new = test.ci95, test.ci95_new_images
    if effects is None or test.sd is None or same is None or new is None:
        return section
    remaining = (
        f"{deviation(effects.row)} percentage points"
        if effects.row > 0
        else "none to be seen, since the estimated variance is not above zero: luck with "
        "these images is enough to explain how they differ"
    )
    section.text[:0] = [
        f"How would other seeds do on these {effects.columns:,} test images? {percents(same)}. How "
        f"would the method do on new images? {percents(new)}: images are a sample, too, and with "
        "any number of seeds this interval stays at least ± "
        f"{100 * effects.half_widths(10**6)[1]:.2f} percentage points wide. To compare with "
        "another result on the same test images, take the first; to say how good the method is, "
        "the second.",
        "Do seeds differ, or do they only have more or less luck with this test set? The standard "
        f"deviation of their accuracies on these test images is {100 * test.sd:.2f} percentage "
        f"points; that on all images there are, estimated without bias (K. Jordan, "
        f"arXiv:2304.01910): {remaining}.",
    ]
    section.pictures = [
        Picture(
            pictures["variances"],
            "The variance of the mean accuracy for several numbers of seeds, as stacked bars of "
            "what seeds, images and the remainder contribute.",
            f"Var(mean) = σ²(seeds) / n + σ²(images) / N + σ²(rest) / (n N), N = "
            f"{effects.columns:,}. More seeds make the first and the last part smaller, not that "
            "of the images.",
        )
    ]
    section.tables = [
        variance_table(
            effects,
            ("seeds", "images", "what remains: this seed on this image"),
            f"{effects.rows} seeds and {effects.columns:,} images",
        ),
        plan_table(effects),
        needed_table(test.sd, test.n),
    ]
    return section


def _percent(summary: Summary) -> str:
    return _share(summary.mean)


def _share(value: float | None) -> str:
    return "no value" if value is None else f"{100 * value:.2f} %"


def _preprocess_table(shown: Experiment) -> Table:
    found = shown.preprocess
    rows = [
        [part, *(f"{values[name]:.4f}" for name in ("mean", "variance", "largest"))]
        for part, values in found["parts"].items()
    ]
    return Table(
        "Inputs of the network; fitted to the training images alone",
        ["part", "mean", "variance", "largest"],
        rows,
    )


def _cost(shown: Experiment) -> list[str]:
    config = shown.config
    operations = training_flops(
        _sizes(shown.model.network),
        config.split.train,
        config.split.train + config.split.validation,
        config.training.epochs,
    )
    text = [
        f"{gflop(operations)} of matrix products a seed, "
        f"{gflop(operations * len(shown.manifests))} altogether, evaluations included, every "
        "pixel counted; training multiplies few of those that are empty."
    ]
    seconds = [
        sum(epoch["seconds"] for epoch in origin["epochs"])
        for origin in shown.origins
        if origin.get("epochs")
    ]
    if seconds:
        cpus = sorted({str(origin.get("cpu")) for origin in shown.origins if origin})
        text.append(
            f"{np.mean(seconds):.1f} s a seed on one core of {', '.join(cpus)}, "
            f"as fast as {operations / np.mean(seconds) / 1e9:.0f} GFLOP/s with every pixel, while "
            "other seeds trained beside."
        )
    return text


def _sizes(network: Network) -> list[int]:
    return [network.layers[0].W.shape[1], *(len(layer.b) for layer in network.layers)]


def _checklist(shown: Experiment) -> list[tuple[str, str]]:
    config = shown.config
    dataset = DATASETS[config.data.name]
    values = "; ".join(
        f"{name} {value}"
        for section in ("preprocess", "network", "training")
        for name, value in experiment(config)[section].items()
    )
    split = config.split
    return [
        ("Data", f"{dataset.title}: {dataset.source}. Four files, known by their SHA-256."),
        (
            "Splits",
            f"{split.train:,} training and {split.validation:,} validation images from the "
            f"training file ({split.method}, seed {split.seed}), {split.test:,} test images from "
            "the test file. Indices are recorded; overlap is refused.",
        ),
        (
            "Preprocessing",
            f"{config.preprocess.method}, fitted to the training images alone; "
            f"{shown.preprocess['constant_pixels']} constant pixels.",
        ),
        (
            "Seeds",
            f"{', '.join(map(str, config.seeds))}: declared before the run, all shown, failed "
            "ones as failed.",
        ),
        ("Hyperparameters", values),
        (
            "How they were chosen",
            "The step size on the validation images; the test images took no part. "
            f"{_looks(shown)}",
        ),
        (
            "Number of runs",
            f"{shown.accuracies['test'].n} of {shown.accuracies['test'].declared} declared seeds "
            "finished.",
        ),
        ("Error bars", f"Standard deviation over seeds (n − 1); {METHODS}."),
        (
            "Compute",
            "On CPUs, one thread per seed, by the arithmetic of `pipeline/engine`; see above for "
            "operations.",
        ),
        ("Environment", "Versions and hashes of all packages in requirements.lock."),
        ("Code", "In this repository; each record names the hash of the numerical code."),
    ]


def _looks(shown: Experiment) -> str:
    study, before = shown.config.study, shown.tried_before
    if before is None:
        return "How many configurations were tried before is not recorded here."
    return (
        f"Records here: {before} other configurations of the study {study!r} were trained, and "
        "seen on the validation images, before this one."
    )


def _environment(origin: Mapping[str, Any]) -> str:
    environment = recorded_environment(origin)
    return ", ".join(f"{name} {value}" for name, value in environment.items()) or "unknown here"


def _provenance(shown: Experiment) -> list[tuple[str, str]]:
    described = shown.descriptions[0]
    found = [
        ("numerical code, SHA-256", described["code"]),
        ("split indices, SHA-256", str(shown.split["sha256"])),
        ("fitted preprocessor, SHA-256", described["preparation"]["preprocessor"]),
        ("arithmetic", f"version {described['arithmetic']['version']}"),
        ("canary, SHA-256", described["arithmetic"]["canary"]),
        ("made with", "; or ".join(sorted({_environment(origin) for origin in shown.origins}))),
    ]
    found += [(f"{name}, SHA-256", digest) for name, digest in described["data"].items()]
    found += [
        (f"seed {seed}: manifest, SHA-256", digest) for seed, digest in shown.manifests.items()
    ]
    return found

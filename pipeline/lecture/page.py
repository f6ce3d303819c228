"""The lecture as one page: its figures, and its results beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.lecture import cosine
from pipeline.lecture.published import RUNS
from pipeline.lecture.studies import BASELINE
from pipeline.results.crossed import Crossed
from pipeline.results.page import Page, Picture, Section, Table, splits_interval, splits_table
from pipeline.results.statistics import (
    METHODS,
    NEW_IMAGES,
    NEW_SEEDS,
    fewest_pairs,
    percents,
    points,
)
from pipeline.results.tables import parse_summary

Figures = Mapping[str, bytes]
"""PNG files, by name."""
Results = Mapping[str, Any]
"""What the `studies` stage wrote, or a part of it."""

# What each demonstration shows, for those who cannot see it, and what to look for.
DEMONSTRATIONS = {
    "digits": (
        "The first eight images of the training file, with their labels.",
        "The lecture's first figure: 5 0 4 1 9 2 1 3.",
    ),
    "activations": (
        "The sigmoid rises from 0 to 1 and is ½ at 0; ReLU is 0 below 0 and x above.",
        "The two activation functions f.",
    ),
    "perceptron": (
        "A sigmoid perceptron over two inputs: a smooth step across a straight line.",
        "Equation (1). The dashed line is where wᵀx + b = 0.",
    ),
    "perceptrons": (
        "Three ReLU perceptrons over the same inputs, each a plane that rises from its own line.",
        "Equation (2): every neuron has weights and a bias of its own.",
    ),
    "derivatives": (
        "The sigmoid's derivative is a bump of height ¼ at 0; ReLU's is a step from 0 to 1.",
        "Equations (13) and (14); at 0 itself, where ReLU has no derivative, 0 is taken.",
    ),
    "cosine": (
        "A noisy cosine, the cosine, and the network's output on it; below, a cost that falls "
        "along a straight line on a logarithmic scale.",
        "Equations (15) to (17) after 500 steps, seed 0.",
    ),
    "cross_entropy": (
        "For label 0 the cost is 0 at output 0 and grows without bound towards 1; for label 1 it "
        "is the mirror image.",
        "Equation (18) for a single output.",
    ),
    "normalisation": (
        "A tilted, stretched cloud of points away from the origin; after normalisation it lies "
        "around the origin, still tilted.",
        "Equation (20): mean 0 and variance 1 on each axis; the correlation stays.",
    ),
    "whitening": (
        "The same cloud; after whitening it is round and lies around the origin.",
        "Equations (21), (22), turned onto the principal axes as in the lecture's own figure: the "
        "covariance is the identity.",
    ),
    "one_hot": (
        "The labels 5 0 4 1 9 2 1 3 as columns of ten numbers, one of them 1 and the others 0.",
        "Equation (23).",
    ),
    "backpropagation": (
        "Above, a digit and the outputs of three layers; below, the gradients that come back from "
        "the cost to each layer and to the pixels.",
        "Equations (19), (8), (5), (6), of a network 784-256-128-10 with its first weights.",
    ),
}


STUDIES = ("five_runs", "preprocessing", "splits")
# Whose cost is measured when the page is made; ε changes nothing about it.
TIMED: tuple[dict[str, Any], ...] = (
    {"method": "raw"},
    {"method": "standardise", "statistics": "scalar"},
    {"method": "standardise", "statistics": "per_feature"},
    {"method": "whiten", "rotation": "pca", "epsilon": 1e-8},
    {"method": "whiten", "rotation": "zca", "epsilon": 1e-8},
)


def lecture_page(
    figures: Figures,
    results: Results,
    seconds: Mapping[str, tuple[float, float]],
    provenance: list[tuple[str, str]],
) -> Page:
    """Return the page.

    Args:
        figures: of the demonstrations, and of the studies.
        results: what the `studies` stage wrote.
        seconds: to fit some ways of preprocessing, and to apply them to the training images.
        provenance: what is known of the code that made the page.
    """
    five = results["five_runs"]
    return Page(
        subject="Introduction to Neural Networks in Python",
        title="The lecture as a program",
        headline=f"{five['agree']} of the {five['of']} numbers of the lecture's MNIST figure lie "
        f"in the 95 % interval around them that {len(five['seeds'])} runs of ours should lie in.",
        warnings=[],
        notes=[
            "The lecture: M. Wolter, 25 September 2022. docs/lecture.md puts its slides beside "
            "the code, equation by equation, and says where the code departs from what is printed."
        ],
        sections=[
            _demonstrations(figures),
            _cosine(results["cosine"]),
            _five_runs(figures, five),
            _author(results["author"]),
            _preprocessing(figures, results["preprocessing"], seconds),
            _splits(figures, results["splits"]),
        ],
        checklist=[],
        provenance=provenance,
        again=["make lecture"],
    )


def _demonstrations(figures: Figures) -> Section:
    pictures = [Picture(figures[name], *texts) for name, texts in DEMONSTRATIONS.items()]
    return Section("figures", "The figures", pictures=pictures)


def _cosine(measured: Results) -> Section:
    errors, chosen = measured["mean_squared_error"], measured["chosen"]
    named = {
        "own": "output, for the noisy cosine it was trained on (as on the slide)",
        "fresh": f"output, for {cosine.FRESH} noisy cosines it was not trained on",
        "nothing": "output, for zeros",
        "noise": "the noisy cosine itself",
    }
    published = measured["slide"]
    slide = {"own": f"{published['output']:.3g}", "noise": f"{published['noise']:.3g}"}
    rows = [
        [told, slide.get(name, "–"), *(f"{errors[name][k]:.2e}" for k in ("mean", "min", "max"))]
        for name, told in named.items()
    ]
    tried = [
        [f"{t['hidden']:g}", f"{t['learning_rate']:g}", f"{t['own']:.1e}", f"{t['fresh']:.1e}"]
        for t in measured["tried"]["settings"]
    ]
    return Section(
        "cosine",
        "Denoising a cosine",
        text=[
            f"Chosen: {chosen['hidden']} hidden neurons, step size {chosen['learning_rate']}. The "
            "slide prints neither. On its own noisy input the output reaches the cosine to within "
            "rounding: there is one target, and nothing keeps the network from learning it by "
            "heart. That it denoises shows on inputs it was not trained on. There, more hidden "
            "neurons let more noise through; 100 of them come close to the slide's error.",
        ],
        tables=[
            Table(
                f"Mean squared error against the cosine, {errors['own']['n']} noise seeds",
                ["of", "slide", "mean", "smallest", "largest"],
                rows,
            ),
            Table(
                f"What was tried, on {len(measured['tried']['seeds'])} other seeds",
                ["hidden neurons", "step size", "trained on", "not trained on"],
                tried,
            ),
        ],
    )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _sizes(experiment: Results) -> str:
    hidden = "-".join(str(width) for width in experiment["network"]["hidden"])
    training = experiment["training"]
    return (
        f"784-{hidden}-10, batches of {training['batch_size']}, "
        f"step size {training['learning_rate']:g}"
    )


def _five_runs(figures: Figures, found: Results) -> Section:
    rows = [
        [
            f"{point['part']}, epoch {point['epoch']}",
            _percent(point["published"]),
            _percent(point["ours"]),
            percents(point["ci95"]),
            _verdict(point),
        ]
        for point in found["points"]
    ]
    test = found["points"][-1]
    return Section(
        "five-runs",
        "Five runs on MNIST",
        text=[
            f"Ours: {_sizes(found['experiment'])}, pixels / 255, {len(found['seeds'])} seeds. The "
            "lecture prints no setting; this one was chosen by the training and validation columns "
            "alone; docs/lecture.md says how. The test images were read once, afterwards.",
            "Interval: where the mean of our runs lies in 95 % of cases if both come from one "
            "distribution, published ± t · s · √(1/n + 1/m); of "
            f"{found['of']} such intervals about one should miss. They are of the first question, "
            f"{NEW_SEEDS}: the lecture's runs and ours have the same test images.",
            f"Ours on the test images: {parse_summary(found['test'], share=True).percent()}.",
        ],
        pictures=[
            Picture(
                figures["five_runs"],
                f"The lecture's bands of training and validation accuracy over ten epochs with our "
                f"means as dots on them; test {_percent(test['published'])} published, "
                f"{_percent(test['ours'])} ours.",
                "The lecture's last figure, and our seeds over it.",
            )
        ],
        tables=[
            Table(
                f"Published means of {RUNS} runs, and ours",
                ["accuracy", "published", "ours", "interval", "verdict"],
                rows,
            )
        ],
    )


def _verdict(found: Results) -> str:
    return "agrees" if found["agrees"] else "differs"


def _author(found: Results) -> Section:
    test = parse_summary(found["test"], share=True)
    return Section(
        "author",
        "The author's NumPy network",
        text=[
            f"Elsewhere the author publishes a network {_sizes(found['experiment'])}, halved after "
            f"each of {found['experiment']['training']['epochs']} epochs: "
            f"{_percent(found['published'])} of the test images, a single number without a spread. "
            f"Ours: {test.percent()}; smallest {_percent(test.min)}, largest {_percent(test.max)}. "
            f"The mean of runs like ours, on these images, lies within {percents(found['ci95'])} "
            f"around the published number in 95 % of cases: it {_verdict(found)}."
        ],
    )


def _preprocessing(
    figures: Figures,
    rows: Sequence[Results],
    seconds: Mapping[str, tuple[float, float]],
) -> Section:
    accuracy = [
        [
            row["name"],
            _percent(row["validation"]["mean"]),
            f"{_percent(row['test']['mean'])} ± {100 * row['test']['sd']:.2f}",
            *_difference(row.get("against_baseline")),
        ]
        for row in rows
    ]
    effect = [
        [
            row["name"],
            str(row["inputs"]),
            f"{row['weakest_deviation']:.1e}",
            *(f"{row['largest_input'][part]:.4g}" for part in ("train", "test")),
            f"{row['covariance_distance_from_identity']:.2g}",
        ]
        for row in rows
    ]
    cost = [[name, *(f"{each:.2f}" for each in both)] for name, both in seconds.items()]
    whitened = [row for row in rows if row["preprocess"]["method"] == "whiten"]
    first, second = whitened[:2]
    best = max(whitened, key=lambda row: float(row["validation"]["mean"]))
    base = next(row for row in rows if row["name"] == BASELINE)
    return Section(
        "preprocessing",
        "The effect of preprocessing on MNIST",
        text=[
            f"{len(rows)} ways of preprocessing, {base['test']['n']} seeds each, everything else "
            f"as in params.yaml (784-256-128-10). {first['constant_pixels']} pixels never change "
            f"in the training images, and {first['null_directions']} directions have no extent "
            "there; both are left out, so nothing is divided by zero.",
            "Why whitening goes unstable: the weakest direction that is left has a deviation of "
            f"{first['weakest_deviation']:.1e}. Dividing by it makes variance 1 of what is almost "
            "rounding in the training images; a test image with ink where they hardly had any "
            f"becomes {first['largest_input']['test']:.0f} there with {first['name']}. Yet large "
            f"inputs are not all: with {second['name']} they are gone "
            f"({second['largest_input']['test']:.3g}), training accuracy is "
            f"{_percent(second['train']['mean'])}, test accuracy "
            f"{_percent(second['test']['mean'])}. Whitening gives every direction the same "
            "weight, those that hold no more than noise too, and the network learns them by "
            "heart. The larger ε, the less it does so: "
            f"{best['name']} reaches {_percent(best['test']['mean'])}.",
            "The author finds whitening expensive and sometimes unstable. In numbers: it takes "
            f"{sum(seconds[first['name']]):.1f} s to fit and apply to the training images against "
            f"{sum(seconds[BASELINE]):.1f} s for {BASELINE}; with {first['name']} the test "
            f"accuracy is {_percent(first['test']['mean'])} against "
            f"{_percent(base['test']['mean'])}. With {best['name']}, the best by validation, it is "
            f"{_percent(best['test']['mean'])}.",
        ],
        pictures=[
            Picture(
                figures["preprocessing"],
                f"Test accuracies of {len(rows)} ways of preprocessing, and the largest "
                f"inputs they make of training and test images. {first['name']} is the lowest "
                "or near it, with test inputs far beyond the training ones.",
                "Left: each seed and the mean. Right: the largest input, on a logarithmic scale.",
            )
        ],
        tables=[
            Table(
                f"Accuracy; differences on test images from {BASELINE}, in percentage points, "
                f"paired by seed and image; {METHODS}; exact sign-flip test, adjusted by Holm for "
                f"{len(rows) - 1} comparisons (no verdict below {fewest_pairs(len(rows) - 1)} "
                "pairs)",
                [
                    *("inputs", "validation", "test ± sd", "difference", NEW_SEEDS, NEW_IMAGES),
                    *("p (Holm)", "verdict"),
                ],
                accuracy,
            ),
            Table(
                "What it does to the inputs: their number, the weakest deviation divided by (in "
                "pixels / 255), the largest input, how far the covariance is from the identity",
                ["inputs", "number", "weakest", "train", "test", "‖C − I‖"],
                effect,
            ),
            Table(
                "Seconds to fit and to apply to the training images, one thread, when this page "
                "was made",
                ["inputs", "fit", "apply"],
                cost,
            ),
        ],
    )


def _splits(figures: Figures, found: Results) -> Section:
    effects = {part: Crossed(**found[part]) for part in ("test", "validation")}
    return Section(
        "splits",
        "How much the split matters",
        text=[
            "The default experiment with several splits of the training file into training and "
            "validation images, and several seeds.",
            *(f"On {part} images: {splits_interval(each, part)}" for part, each in effects.items()),
        ],
        pictures=[
            Picture(
                figures["splits"],
                "Left: the test accuracy of each seed with each split, a line per seed. Right: "
                "the standard deviation by split, by seed and by both.",
                "On the test images, which are the same throughout.",
            )
        ],
        tables=[
            replace(table, caption=f"On {part} images. {table.caption}")
            for part, each in effects.items()
            for table in (splits_table(each, part),)
        ],
    )


def _difference(found: Results | None) -> list[str]:
    if found is None:
        return ["–", "–", "–", "–", "baseline"]
    same, new = (
        "–" if limits is None else points(limits)
        for limits in (found["ci95_new_seeds"], found["ci95_new_images"])
    )
    difference = f"{100 * found['mean_difference']:+.2f}"
    return [difference, same, new, f"{found['p_holm']:.3g}", found["verdict"]]

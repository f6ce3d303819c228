"""The report's figures.

Convention: each function takes data and returns a figure; `style.save` saves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from pipeline.results.crossed import Crossed
from pipeline.results.evaluation import Calibration
from pipeline.results.statistics import NEW_IMAGES, NEW_SEEDS, Comparison, Summary, summarise
from pipeline.results.style import AMBER, BLUE, GREEN, GREY, ORANGE, WIDTH, percent, subplots

Accuracies = Mapping[str, Summary]
MOST_TICKS, MOST_LETTERS = 40, 40  # below a figure
LONGEST = 16  # letters of a class name; longer ones are shortened
PART_COLOURS = {"train": BLUE, "validation": ORANGE, "test": GREEN}
PART_LINES = {"train": ".-", "validation": ".--"}  # for printing in grey; dots for one epoch


def learning_curves(
    curves: Mapping[str, NDArray[np.float64]], test: Summary, title: str, noun: str = "images"
) -> Figure:
    """Draw the lecture's last figure: accuracy over epochs, every seed, mean and interval.

    Args:
        curves: "train" and "validation" accuracy, each of shape (seeds, epochs).
        test: test accuracy over the same seeds.
        title: of the figure.
        noun: the data set's word for its examples.
    """
    figure, axes = subplots(4.4)
    for part in ("train", "validation"):
        values, colour = curves[part], PART_COLOURS[part]
        epochs = np.arange(1, values.shape[1] + 1)
        axes.plot(epochs, values.mean(axis=0), PART_LINES[part], color=colour, label=part)
        if len(values) > 1:
            axes.plot(epochs, values.T, color=colour, linewidth=0.5, alpha=0.6)
            limits = [
                summarise(dict(enumerate(epoch)), share=True).ci95 for epoch in values.T.tolist()
            ]
            low, high = np.array(limits).T
            axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
    if test.mean is not None:
        last = curves["train"].shape[1]
        colour = PART_COLOURS["test"]
        axes.plot(last, test.mean, "o", color=colour, label=f"test: {100 * test.mean:.2f} %")
        if test.ci95 is not None:
            axes.vlines(last, *test.ci95, color=colour, linewidth=3.5)
        if test.ci95_new_images is not None:
            axes.vlines(last, *test.ci95_new_images, color=colour, linewidth=1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(percent)
    axes.set(xlabel="epoch", ylabel="accuracy", title=title)
    # Below the axes, where it covers no curve.
    legend = figure.legend(
        loc="outside lower center", ncols=3, fontsize=8, title_fontsize=8, alignment="left"
    )
    if test.n > 1:
        words = (
            "thick lines: means; thin lines: each seed; 95 % intervals of the mean:\n"
            f"bands, thick bar: {NEW_SEEDS}; thin bar: {NEW_IMAGES}"
        )
        legend.set_title(words.replace("images", noun))
    return figure


def variances(effects: Crossed, noun: str) -> Figure:
    """Draw the variance of the mean accuracy and its parts, by number of seeds."""
    numbers = sorted({1, 2, 3, 5, 10, 20, 50, effects.rows})
    figure, axes = subplots(2.8)
    # In (percentage points)²; negative estimates are drawn as zero.
    parts = 1e4 * np.maximum([effects.parts(n) for n in numbers], 0.0)
    below = np.zeros(len(numbers))
    names, colours = ("seeds", noun, "rest"), (ORANGE, BLUE, AMBER)
    for values, name, colour in zip(parts.T, names, colours, strict=True):
        label = name if values.any() else f"{name}: none detected"
        axes.bar(
            range(len(numbers)), values, bottom=below, color=colour, label=label,
            edgecolor="white",
        )  # fmt: skip
        below += values
    ticks = [f"{n}\n(here)" if n == effects.rows else str(n) for n in numbers]
    axes.set_xticks(range(len(numbers)), ticks)
    axes.set(xlabel="number of seeds", ylabel="variance of the mean,\n(percentage points)²")
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def seed_dots(accuracies: Accuracies) -> Figure:
    """Draw every seed's final accuracy as a dot, with the mean and its intervals."""
    figure, panels = subplots(2.8, 1, len(accuracies))
    for axes, (part, summary) in zip(panels, accuracies.items(), strict=True):
        seeds = list(summary.per_seed)
        values = [np.nan if v is None else v for v in summary.per_seed.values()]
        colour = PART_COLOURS[part]
        axes.plot(range(len(seeds)), values, "o", color=colour, clip_on=False)
        if summary.mean is not None:
            axes.axhline(summary.mean, color=colour, linewidth=1)
        if summary.ci95 is not None:
            axes.axhspan(*summary.ci95, color=colour, alpha=0.15, linewidth=0)
        for limit in summary.ci95_new_images or ():
            axes.axhline(limit, color=colour, linewidth=1, linestyle=":")
        if len(seeds) <= 12:
            axes.set_xticks(range(len(seeds)), [str(seed) for seed in seeds])
        axes.yaxis.set_major_formatter(percent)
        axes.set(xlabel="seed", title=part)
        axes.margins(x=0.12)
    panels[0].set_ylabel("accuracy")
    return figure


def confusion(counts: NDArray[np.float64], names: Sequence[str]) -> Figure:
    """Draw a confusion matrix, mean over seeds, shape (m, m)."""
    side = max(WIDTH, 0.42 * len(counts))
    figure, axes = subplots(0.88 * side, width=side)
    wrong = counts - np.diag(np.diag(counts))
    axes.imshow(wrong, cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        if count > 0:
            dark = row != column and wrong[row, column] > 0.6 * wrong.max()
            text = f"{count:.0f}" if row == column or count >= 10 else f"{count:.1f}"
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else GREY if row == column else "black",
            )
    _name_ticks(axes, names)
    axes.set_yticks(range(len(names)), map(_shortened, names))
    axes.grid(visible=False)
    axes.set(xlabel="answer", ylabel="true class", title="test set, mean over seeds")
    return figure


def _name_ticks(axes: Axes, names: Sequence[str]) -> None:
    """Label an axis with class names: vertically if they are long, only some if they are many."""
    step = -(-len(names) // MOST_TICKS)
    labels = [_shortened(name) for name in names[::step]]
    axes.set_xticks(range(0, len(names), step), labels, rotation=90 if _are_upright(names) else 0)


def _are_upright(names: Sequence[str]) -> bool:
    return sum(map(len, names)) > MOST_LETTERS


def _shortened(name: str) -> str:
    """Return a name with both of its ends, since the names of classes may begin alike."""
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[:half]}…{name[1 - half :]}"


def class_scores(f1: NDArray[np.float64], names: Sequence[str]) -> Figure:
    """Draw the F1 score of each class: shape (seeds, classes)."""
    figure, axes = subplots(3.9 if _are_upright(names) else 2.7)
    classes = np.arange(f1.shape[1])
    for values in f1:
        axes.plot(classes, values, "o", color=BLUE, alpha=0.45, markersize=4)
    axes.plot(classes, f1.mean(axis=0), "_", color=ORANGE, markersize=18, markeredgewidth=2)
    _name_ticks(axes, names)
    axes.set(xlabel="class", ylabel="F1", title="dots: each seed; bars: mean")
    return figure


def hardest(images: NDArray[np.uint8], captions: list[str]) -> Figure:
    """Draw images that most seeds get wrong: shape (k, height, width), a caption each."""
    figure, axes, places = _tiled(images, columns=4, above=0.3, empty=0)
    axes.images[0].set(cmap="gray_r", clim=(0, 255))
    for (column, row), caption in zip(places, captions, strict=True):
        axes.text(column, row, caption, fontsize=9, ha="center", va="bottom")
    return figure


def reliability(calibrations: Sequence[Calibration]) -> Figure:
    """Draw a reliability diagram: accuracy by confidence."""
    figure, axes = subplots(4)
    axes.plot(
        [0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="accuracy = confidence"
    )
    for number, each in enumerate(calibrations):
        axes.plot(
            each.confidence,
            each.accuracy,
            "o-",
            color=BLUE,
            alpha=0.6,
            markersize=3,
            linewidth=0.8,
            label=None if number else "each seed",
        )
    axes.xaxis.set_major_formatter(percent)
    axes.yaxis.set_major_formatter(percent)
    axes.set(xlabel="largest output, mean of the bin", ylabel="share of right answers")
    axes.legend(loc="upper left")
    return figure


def first_layer(weights: NDArray[np.floating[Any]]) -> Figure:
    """Draw weights of the first layer over the pixels: shape (k, height, width)."""
    figure, axes, _ = _tiled(weights, columns=6, above=0.0, empty=np.nan)
    largest = float(np.abs(weights).max())
    axes.images[0].set(cmap="cividis", clim=(-largest, largest))
    return figure


def _tiled(
    images: NDArray[Any], *, columns: int, above: float, empty: float
) -> tuple[Figure, Axes, list[tuple[float, float]]]:
    """Draw images, shape (k, height, width), as a single one: separate axes would take a second.

    Args:
        images: to draw.
        columns: images in a row.
        above: free space above each, in heights, added to the gap between images.
        empty: pixel value of free space.

    Returns:
        The figure, its axes, and the middle of each image's upper edge.
    """
    k, height, width = images.shape
    gap = max(1, width // 14)
    rows = max(1, -(-k // columns))
    top = gap + round(above * height)
    H, W = top + height + gap, gap + width + gap
    tiles = np.full((rows * columns, H, W), empty, images.dtype)
    tiles[:k, top : top + height, gap : gap + width] = images
    whole = tiles.reshape(rows, columns, H, W).swapaxes(1, 2).reshape(rows * H, columns * W)
    figure = Figure(figsize=(WIDTH, WIDTH * whole.shape[0] / whole.shape[1]))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(whole)
    places = [((n % columns + 0.5) * W, n // columns * H + top - gap / 2) for n in range(k)]
    return figure, axes, places


def preprocessing(before: NDArray[Any], after: NDArray[Any], method: str) -> Figure:
    """Draw histograms of values before and after preprocessing, of any shape."""
    figure, panels = subplots(2.8, 1, 2)
    for axes, values, title, colour in (
        (panels[0], before.ravel(), "inputs / 255", BLUE),
        (panels[1], after.ravel(), method, AMBER),
    ):
        axes.hist(values, bins=60, color=colour, log=True)
        mean = 0.0 if abs(values.mean()) < 1e-9 else values.mean()
        moments = f"mean {mean:.3g}, sd {values.std():.3g}"
        axes.set(title=f"{title}\n{moments}", xlabel="value", ylabel="count")
    return figure


def forest(comparisons: Mapping[str, Comparison], label: str, noun: str) -> Figure:
    """Draw a forest plot: differences of every seed, their mean, and both intervals."""
    width = 5 + 0.08 * max(map(len, comparisons))
    figure, axes = subplots(1.8 + 0.5 * len(comparisons), width=width)
    for row, pair in enumerate(comparisons.values()):
        dots = pair.differences
        axes.plot(
            dots, [row + 0.18] * len(dots), "o", color=BLUE, alpha=0.5, markersize=4,
            label="each seed",
        )  # fmt: skip
        axes.plot(pair.mean_difference, row, "D", color=ORANGE, markersize=6, label="mean")
        if pair.effects is not None:
            same, new = pair.effects.intervals()
            axes.hlines(row, *same, color=ORANGE, linewidth=4, label=f"95 %, {NEW_SEEDS}")
            axes.hlines(row, *new, color=ORANGE, linewidth=1.2, label=f"95 %, {NEW_IMAGES}")
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(comparisons)), list(comparisons))
    axes.set_ylim(len(comparisons) - 0.5, -0.5)
    # Percentage points: a percent sign would suggest relative differences.
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    figure.supxlabel(label, fontsize=10)
    handles = {
        str(each.get_label()).replace("images", noun): each
        for each in axes.get_legend_handles_labels()[0]
    }
    figure.legend(
        list(handles.values()), list(handles), loc="outside upper center", ncols=2, fontsize=8
    )
    return figure


def splits(accuracies: Mapping[tuple[int, int], float | None], effects: Crossed) -> Figure:
    """Draw the accuracy of every seed with every split, and the standard deviation by source.

    Args:
        accuracies: by split and seed.
        effects: of splits and seeds on them.
    """
    names = sorted({split for split, _ in accuracies})
    figure, (left, right) = subplots(2.8, 1, 2, width_ratios=(4, 3))
    for seed in sorted({seed for _, seed in accuracies}):
        values = [accuracies[split, seed] for split in names]
        left.plot(range(len(names)), values, "o-", linewidth=0.8, markersize=4, alpha=0.7)
    left.set_xticks(range(len(names)), [str(name) for name in names])
    left.yaxis.set_major_formatter(percent)
    left.set(xlabel="split.seed", ylabel="accuracy", title="one line per seed")
    deviations = np.sqrt(np.maximum([effects.row, effects.column, effects.rest], 0.0))
    right.barh(range(3), 100 * deviations, color=[BLUE, ORANGE, AMBER])
    right.set_yticks(range(3), ["split", "seed", "both"])
    right.invert_yaxis()
    right.set(xlabel="standard deviation,\npercentage points")
    return figure

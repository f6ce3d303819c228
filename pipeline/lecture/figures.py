"""The lecture's figures, drawn from computed data.

Convention: each function takes data and returns a figure. The same colour means the same thing;
lines also differ in style, for printing in grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.lecture import perceptron
from pipeline.lecture.cosine import Denoised
from pipeline.lecture.published import Point
from pipeline.network.activations import ACTIVATIONS, Array
from pipeline.network.costs import cross_entropy_of_outputs
from pipeline.network.dense import Backward, Forward
from pipeline.results.style import BLUE, GREEN, GREY, ORANGE, percent, subplots

DASHED = (0, (5, 2))
POINTS = np.linspace(-10, 10, 801)


def activations() -> Figure:
    """Draw sigmoid and ReLU on [−10, 10]."""
    sigmoid, relu = (ACTIVATIONS[name].function(POINTS) for name in ("sigmoid", "relu"))
    return _two_curves({"sigmoid σ(x)": sigmoid, "ReLU(x)": relu}, POINTS, "x", "h")


def derivatives() -> Figure:
    """Draw the derivatives of sigmoid and ReLU, (13) and (14)."""
    sigmoid, relu = (
        activation.derivative(activation.function(POINTS))
        for activation in (ACTIVATIONS["sigmoid"], ACTIVATIONS["relu"])
    )
    curves = {"σ' = σ (1 − σ), (13)": sigmoid, "ReLU' = H, (14)": relu}
    return _two_curves(curves, POINTS, "x", "slope")


def cross_entropy() -> Figure:
    """Draw the cross-entropy (18) of one output, for label 0 and for label 1."""
    outputs = np.linspace(0.001, 0.999, 999)
    curves = {
        f"label y = {label}": cross_entropy_of_outputs(outputs, np.full_like(outputs, label))
        for label in (0, 1)
    }
    return _two_curves(curves, outputs, "output o", "cross-entropy", share=True)


def _two_curves(
    curves: Mapping[str, Array], x: Array, xlabel: str, ylabel: str, *, share: bool = False
) -> Figure:
    figure, panels = subplots(2.6, 1, 2, sharey=share)
    for axes, (title, y), colour in zip(panels, curves.items(), (BLUE, ORANGE), strict=True):
        axes.plot(x, y, color=colour)
        axes.set(title=title, xlabel=xlabel)
    panels[0].set_ylabel(ylabel)
    return figure


def planes(outputs: Array, title: str) -> Figure:
    """Draw perceptrons of two inputs over a grid, with the line wᵀx + b = 0."""
    count, axis = len(outputs), perceptron.AXIS
    figure, panels = subplots(3.6 if count == 1 else 3.0, 1, count, sharey=True, squeeze=False)
    figure.set_layout_engine("constrained", h_pad=0.1)  # inches, between the titles
    (panels,) = panels
    extent = (axis[0], axis[-1]) * 2
    for number, (axes, H) in enumerate(zip(panels, outputs, strict=True)):
        drawn = axes.imshow(
            H, origin="lower", extent=extent, cmap="cividis", vmin=0, vmax=outputs.max()
        )
        w, b = perceptron.WEIGHTS[number], perceptron.BIASES[number]
        line = -(w[0] * axis + b) / w[1]
        axes.plot(axis, line, color="white", linestyle=DASHED, linewidth=1.2)
        axes.set(ylim=extent[2:], xlabel="x₁")
        axes.set_title(_formula(w, float(b)), fontsize=8, loc="center")
        axes.grid(visible=False)
    panels[0].set_ylabel("x₂")
    place = "right" if count == 1 else "bottom"
    figure.colorbar(drawn, ax=panels, label="h", location=place, aspect=30, shrink=0.8)
    figure.suptitle(title, fontsize=11)
    return figure


def _formula(w: Array, b: float) -> str:
    terms = ""
    for value, name in ((w[0], " x₁"), (w[1], " x₂"), (b, "")):
        if value:
            size = "" if name and abs(value) == 1 else f" {abs(value):g}"
            terms += f" {'−' if value < 0 else '+'}{size}{name}"
    return f"h̄ ={terms.removeprefix(' +')}"


def cosine(points: Array, target: Array, denoised: Denoised) -> Figure:
    """Draw a noisy cosine, the network's output, and the cost over the steps."""
    figure, (signals, costs) = subplots(4.6, 2, 1, height_ratios=(2, 1))
    signals.plot(points, denoised.noisy, color=ORANGE, linewidth=0.9, label="noisy input")
    signals.plot(points, target, color=BLUE, linewidth=3, alpha=0.5, label="cosine")
    output = denoised.output
    signals.plot(points, output, color=GREEN, linestyle=DASHED, label="network's output")
    signals.set(xlabel="x")
    figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    costs.semilogy(np.arange(len(denoised.costs)), denoised.costs, color=BLUE)
    costs.set(xlabel="step of (17)", ylabel="cost (3)")
    return figure


def preprocessing(before: Array, after: Array, title: str) -> Figure:
    """Draw a cloud before and after, on axes from −10 to 10."""
    figure, panels = subplots(3, 1, 2, sharey=True)
    drawn = ((before, "before", BLUE), (after, title, ORANGE))
    for axes, (X, name, colour) in zip(panels, drawn, strict=True):
        axes.plot(X[:, 0], X[:, 1], ".", color=colour, markersize=2.5)
        axes.set(xlim=(-10, 10), ylim=(-10, 10), aspect="equal", title=name, xlabel="x₁")
    panels[0].set_ylabel("x₂")
    return figure


def one_hot(labels: NDArray[Any], encoded: NDArray[np.uint8]) -> Figure:
    """Draw one-hot labels (23), one column per label."""
    figure, axes = subplots(4.4)
    axes.imshow(encoded.T, cmap="Blues", vmin=0, vmax=1.2)
    for (column, row), value in np.ndenumerate(encoded):
        colour = "white" if value else "black"
        axes.text(column, row, str(value), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(labels)), [str(label) for label in labels])
    axes.set_yticks(range(encoded.shape[1]))
    axes.grid(visible=False)
    axes.set(xlabel="label", ylabel="output neuron")
    return figure


def strip(images: NDArray[np.uint8], labels: NDArray[Any]) -> Figure:
    """Draw the first images of the training file, of shape (k, height, width), in one row."""
    figure, panels = subplots(1, 1, len(images))
    for axes, image, label in zip(panels, images, labels, strict=True):
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255)
        axes.set_title(str(label), loc="center")
        axes.set_axis_off()
    return figure


def backpropagation(
    image: NDArray[Any], passed: Forward, back: Backward, shapes: Sequence[tuple[int, int]]
) -> Figure:
    """Draw the forward and backward pass of one sample.

    Args:
        image: the sample, (height, width).
        passed: its forward pass, b = 1.
        back: its backward pass.
        shapes: rows and columns in which each layer's neurons are drawn.
    """
    layers = len(shapes)
    outputs = [*passed.inputs[1:], passed.outputs]
    above = [image, *(h.reshape(s) for h, s in zip(outputs, shapes, strict=True))]
    below = [
        back.inputs.reshape(image.shape),
        *(delta.reshape(s) for delta, s in zip(back.deltas, shapes, strict=True)),
    ]
    heads = ["input x"] + [f"layer {n}: h" for n in range(1, layers)] + ["output o"]
    tails = ["δx, (6)"] + [f"layer {n}: δh̄, (8)" for n in range(1, layers)] + ["σ(h̄) − y, (19)"]
    figure, panels = subplots(3.6, 2, layers + 1)
    for column in range(layers + 1):
        _image(panels[0, column], above[column], heads[column], signed=False)
        _image(panels[1, column], below[column], tails[column], signed=True)
    figure.suptitle("above: forward →; below: backward ←", fontsize=11)
    return figure


def _image(axes: Axes, values: NDArray[Any], title: str, *, signed: bool) -> None:
    largest = float(np.abs(values).max()) or 1.0
    axes.imshow(values, cmap="cividis", vmin=-largest if signed else 0, vmax=largest)
    axes.set_title(title, fontsize=9, loc="center")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_xlabel(f"largest {largest:.2g}", fontsize=8)


def five_runs(
    published: Sequence[Point], ours: Mapping[str, NDArray[np.float64]], runs: int
) -> Figure:
    """Draw the lecture's last figure with our results: means ± one standard deviation.

    Args:
        published: the lecture's points.
        ours: accuracy by part, shape (seeds, epochs); test only after the last epoch.
        runs: number of the lecture's runs.
    """
    figure, axes = subplots(4.2)
    for part, colour, line in (("train", BLUE, "-"), ("validation", ORANGE, DASHED)):
        points = [point for point in published if point.part == part]
        epochs = [point.epoch for point in points]
        low, high = [p.low for p in points], [p.high for p in points]
        axes.fill_between(epochs, low, high, color=colour, alpha=0.25, linewidth=0)
        means = [point.mean for point in points]
        label = f"{part}, the lecture's {runs} runs"
        axes.plot(epochs, means, color=colour, linestyle=line, label=label)
        values = ours[part]
        axes.errorbar(
            epochs,
            values.mean(axis=0),
            yerr=values.std(axis=0, ddof=1),
            color=colour,
            linestyle="none",
            marker="o",
            markerfacecolor="white",
            markersize=4,
            capsize=3,
            linewidth=1,
            label=f"{part}, our {len(values)} seeds",
        )
    (test,) = (point for point in published if point.part == "test")
    for shift, mean, sd, label, face in (
        (0.25, test.mean, test.sd, "test, the lecture's", GREEN),
        (0.45, float(ours["test"].mean()), float(ours["test"].std(ddof=1)), "test, ours", "w"),
    ):
        axes.errorbar(
            test.epoch + shift, mean, yerr=sd, fmt="D", color=GREEN, markerfacecolor=face,
            markersize=5, capsize=3, label=label,
        )  # fmt: skip
    axes.yaxis.set_major_formatter(percent)
    axes.set_xticks(range(1, test.epoch + 1))
    axes.set(xlabel="epoch", ylabel="accuracy", title="bands and bars: ± one standard deviation")
    axes.legend(loc="lower right", fontsize=8)
    return figure


def study(
    accuracies: Mapping[str, NDArray[np.float64]], largest: Sequence[Mapping[str, float]]
) -> Figure:
    """Draw test accuracies of configurations, and the largest input of each.

    Args:
        accuracies: by configuration, shape (seeds,).
        largest: of each, the largest absolute input by part of the data.
    """
    names = list(accuracies)
    rows = np.arange(len(names))
    figure, (left, right) = subplots(1.3 + 0.3 * len(names), 1, 2, sharey=True, width_ratios=(3, 2))
    for row, values in enumerate(accuracies.values()):
        left.plot(values, [row] * len(values), "o", color=BLUE, alpha=0.4, markersize=4)
        left.plot(values.mean(), row, "|", color=ORANGE, markersize=14, markeredgewidth=2)
    left.set_yticks(rows, names, fontsize=9)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.xaxis.set_major_formatter(percent)
    left.set(xlabel="test accuracy")
    train, test = ([each[part] for each in largest] for part in ("train", "test"))
    right.hlines(rows, train, test, color=GREY, linewidth=1)
    right.plot(train, rows, "o", color=BLUE, markersize=5, label="training")
    right.plot(test, rows, "D", color=ORANGE, markersize=5, label="test")
    right.set_xscale("log")
    right.set(xlabel="largest input")
    figure.legend(loc="outside upper right", ncols=2, fontsize=9)
    return figure

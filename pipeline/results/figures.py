"""The report's figures.

Convention: each function takes data and returns a figure; saving is `style.save`'s.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from pipeline.results.statistics import Summary
from pipeline.results.style import BLUE, GREEN, ORANGE, styled


def learning_curves(curves: Mapping[str, NDArray[np.float64]], test: Summary, title: str) -> Figure:
    """Draw the lecture's last figure: accuracy over epochs, mean and band over seeds.

    Args:
        curves: "train" and "validation" accuracy, each of shape (seeds, epochs).
        test: test accuracy over the same seeds.
        title: says what was trained.
    """
    with styled():
        figure = Figure(figsize=(7, 4.3), layout="constrained")
        axes = figure.add_subplot()
        for part, colour in (("train", BLUE), ("validation", ORANGE)):
            values = curves[part]
            epochs = np.arange(1, values.shape[1] + 1)
            mean = values.mean(axis=0)
            axes.plot(epochs, mean, color=colour, label=f"{part}, mean of {len(values)} seeds")
            if len(values) > 1:
                sd = values.std(axis=0, ddof=1)
                axes.fill_between(
                    epochs,
                    mean - sd,
                    mean + sd,
                    color=colour,
                    alpha=0.25,
                    linewidth=0,
                    label=f"{part}, ± one standard deviation",
                )
        if test.mean is not None:
            axes.errorbar(
                len(mean),
                test.mean,
                yerr=test.sd or None,
                fmt="o",
                color=GREEN,
                capsize=4,
                label=f"test {100 * test.mean:.2f} %"
                + ("" if test.sd is None else " ± one standard deviation"),
            )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
        axes.set(xlabel="epoch", ylabel="accuracy", title=title)
        axes.legend(loc="lower right")
        return figure

"""The numbers that the lecture and its author have published.

Convention: accuracies are shares. Source: M. Wolter, "Introduction to Neural Networks in Python",
25 September 2022; numbers that it does not print are read off its figures.
"""

from __future__ import annotations

from typing import NamedTuple

# "Denoising a cosine": mean squared errors of the network's output and of its noisy input.
COSINE_OUTPUT = 2.02e-4
COSINE_NOISE = 9.97e-3
# Test accuracy of the author's NumPy network 784-256-128-10, a single number.
AUTHOR_TEST = 0.9722
# "Training a three-layer dense network on MNIST for five runs".
RUNS = 5


class Point(NamedTuple):
    """A point of the lecture's figure: mean over five runs, and its band.

    The band, `low` to `high`, is mean ± one standard deviation.
    """

    part: str
    epoch: int
    mean: float
    low: float
    high: float

    @property
    def sd(self) -> float:
        """Half the band's width."""
        return (self.high - self.low) / 2


# The figure's 21 points; test last.
FIVE_RUNS = (
    Point("train", 1, 0.848427, 0.842349, 0.854505),
    Point("train", 2, 0.884553, 0.882513, 0.886592),
    Point("train", 3, 0.898583, 0.89735, 0.899816),
    Point("train", 4, 0.906912, 0.906358, 0.907465),
    Point("train", 5, 0.913705, 0.912722, 0.914688),
    Point("train", 6, 0.919115, 0.918477, 0.919754),
    Point("train", 7, 0.923647, 0.923118, 0.924177),
    Point("train", 8, 0.927546, 0.926965, 0.928126),
    Point("train", 9, 0.930864, 0.93037, 0.931359),
    Point("train", 10, 0.934153, 0.933633, 0.934672),
    Point("validation", 1, 0.8434, 0.834577, 0.852223),
    Point("validation", 2, 0.8804, 0.877393, 0.883407),
    Point("validation", 3, 0.8932, 0.889491, 0.89691),
    Point("validation", 4, 0.9026, 0.900975, 0.904225),
    Point("validation", 5, 0.909, 0.906902, 0.911098),
    Point("validation", 6, 0.9136, 0.9108, 0.9164),
    Point("validation", 7, 0.9164, 0.914775, 0.918025),
    Point("validation", 8, 0.9218, 0.919318, 0.924282),
    Point("validation", 9, 0.9244, 0.922656, 0.926144),
    Point("validation", 10, 0.9272, 0.924487, 0.929913),
    Point("test", 10, 0.93612, 0.934941, 0.937299),
)

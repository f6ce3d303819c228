"""Two trainings of one run are told apart by as much as they differ, and by why."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.preprocessing import AffineMap
from pipeline.network.dense import Layer, Network
from pipeline.records.agreement import Level, causes, level, statistical_level
from pipeline.records.model import Model
from pipeline.records.record import Record

DESCRIPTION: dict[str, Any] = {
    "experiment": {"split": {"train": 59_000, "validation": 1_000}},
    "seed": 0,
    "data": {"train": "1"},
    "code": "0" * 64,
    "environment": {
        "numpy": "2.4.6",
        "scipy": "1.17.1",
        "blas": [{"name": "openblas", "version": "0.3.31", "kernel": "Haswell", "threads": 1}],
        "simd": ["X86_V3"],
    },
}
Make = Callable[..., Record]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def record(name: str, shift: float = 0.0, loss: float = 0.1, accuracy: float = 0.98) -> Record:
        made = Record(tmp_path / name)
        made.folder.mkdir()
        made.begin(DESCRIPTION)
        W = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3) + np.float32(shift)
        network = Network((Layer(W, np.zeros(2, np.float32)),), ("sigmoid",))
        scores = {"loss": loss, "accuracy": accuracy}
        history = [{"epoch": 1, "learning_rate": 0.1, "train": scores, "validation": scores}]
        made.finish(Model(AffineMap(np.zeros(1), np.ones(1), None), network), history)
        return made

    return record


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Level.SAME_BYTES),
        ({"shift": 1e-6}, Level.WITHIN_TOLERANCE),
        ({"loss": 0.1 * (1 + 1e-7)}, Level.WITHIN_TOLERANCE),
        ({"shift": 1e-3}, Level.STATISTICALLY_THE_SAME),
        ({"shift": 1e-3, "accuracy": 0.981}, Level.STATISTICALLY_THE_SAME),
        ({"shift": 1e-3, "accuracy": 0.99}, Level.DIFFERENT),
        ({"shift": float("nan")}, Level.STATISTICALLY_THE_SAME),
        ({"accuracy": 0.99}, Level.DIFFERENT),
    ],
)
def test_levels(make: Make, changed: dict[str, float], expected: Level) -> None:
    assert level(make("recorded"), make("again", **changed)) is expected


def test_three_standard_errors_of_the_difference_of_two_shares() -> None:
    """Worked by hand: p = 0.98, N = 1000, √(2 · 0.98 · 0.02 / 1000) = 0.006261, times 3 0.01878."""
    sizes = {"validation": 1000}
    near, far = ({"validation": 0.98 - step / 2} for step in (0.0187, 0.0189))
    other = [{"validation": 0.98 + step / 2} for step in (0.0187, 0.0189)]
    assert statistical_level(near, other[0], sizes) is Level.STATISTICALLY_THE_SAME
    assert statistical_level(far, other[1], sizes) is Level.DIFFERENT


def test_a_perfect_score_has_an_error_too() -> None:
    sizes = {"validation": 1000}
    perfect, nearly = {"validation": 1.0}, {"validation": 0.999}
    assert statistical_level(perfect, nearly, sizes) is Level.STATISTICALLY_THE_SAME
    assert statistical_level(perfect, {"validation": float("nan")}, sizes) is Level.DIFFERENT


def test_causes_are_named() -> None:
    other = copy.deepcopy(DESCRIPTION)
    assert causes(DESCRIPTION, other, {}, {}) == []
    other["code"] = "1" * 64
    other["data"] = {"train": "2"}
    other["environment"]["numpy"] = "2.5.5"
    other["environment"]["scipy"] = "1.18.1"
    other["environment"]["simd"] = ["X86_V3", "X86_V4"]
    other["environment"]["blas"][0]["kernel"] = "SkylakeX"
    told = causes(DESCRIPTION, other, {"lock": "a", "cpu": "A"}, {"lock": "b", "cpu": "A"})
    assert told == [
        "numerical code: 000000000000, now 111111111111",
        "data: files with other hashes",
        "NumPy: 2.4.6, now 2.5.5",
        "SciPy: 1.17.1, now 1.18.1",
        "NumPy's SIMD extensions: X86_V3, now X86_V3 X86_V4",
        "BLAS: openblas 0.3.31 Haswell, 1 thread, now openblas 0.3.31 SkylakeX, 1 thread",
        "lock file: a, now b",
    ]
    assert json.dumps(told)

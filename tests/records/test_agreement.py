"""Two trainings of one run are classified by how much they differ, and why."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.preprocessing import AffineMap
from pipeline.records.agreement import (
    Level,
    Scores,
    causes,
    differ_by_chance,
    first_difference,
    level,
)
from pipeline.records.model import Model
from pipeline.records.record import Finished, Record, add_test, epoch_entry, read_finished
from tests.records.conftest import ORIGIN, described, epoch, network, shifted

DESCRIPTION = described()
VALIDATION, TEST = 100, 360  # images, of the split in `SMALL`
CLAIMED = {"loss": 0.5, "accuracy": 0.75}
# What the model answers when it does as its record says.
HONEST: Scores = {
    "train": CLAIMED,
    "validation": CLAIMED,
    "test": {"loss": 0.6, "accuracy": 0.7},
}
Make = Callable[..., Finished]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes records of one run, with something moved in each."""

    def record(name: str, weights: float = 0.0, shift: float = 1.0, loss: float = 0.5) -> Finished:
        made = Record(tmp_path / name)
        made.begin(DESCRIPTION)
        trained = shifted(network(), weights)
        history: list[dict[str, Any]] = []
        for entry in (epoch(1, network()), epoch(2, trained, loss=loss)):
            history.append(epoch_entry(entry, history))
        made.finish(Model(AffineMap(np.asarray(shift), np.asarray(0.5)), trained), history, ORIGIN)
        return read_finished(made.folder)

    return record


@pytest.mark.parametrize(
    ("moved", "answers", "expected"),
    [
        ({}, {}, Level.SAME_BYTES),
        ({"weights": 1e-6}, {}, Level.WITHIN_TOLERANCE),
        ({"loss": 0.5 * (1 + 1e-7)}, {}, Level.WITHIN_TOLERANCE),
        ({"shift": 1 + 1e-12}, {}, Level.WITHIN_TOLERANCE),
        # The preprocessor counts as the network does.
        ({"shift": 1.5}, {}, Level.STATISTICALLY_THE_SAME),
        ({"weights": 1e-3}, {}, Level.STATISTICALLY_THE_SAME),
        (
            {"weights": 1e-3},
            {"test": {"loss": 0.7, "accuracy": 0.72}},
            Level.STATISTICALLY_THE_SAME,
        ),
        ({"weights": 1e-3}, {"test": {"loss": 0.7, "accuracy": 0.85}}, Level.DIFFERENT),
        ({"weights": 1e-6}, {"test": {"loss": 0.6, "accuracy": 0.85}}, Level.DIFFERENT),
        ({"weights": float("nan")}, {}, None),
    ],
)
def test_levels(make: Make, moved: dict[str, float], answers: Scores, expected: Level) -> None:
    recorded, again = make("recorded"), make("again", **moved)
    if expected is None:
        with pytest.raises(Exception, match="allowed are finite"):
            level(recorded, again, HONEST, HONEST)
        return
    assert level(recorded, again, HONEST, {**HONEST, **answers}) is expected


def test_a_model_that_does_not_do_what_its_record_says_is_different(make: Make) -> None:
    """Weights set to zero, under a manifest that fits: the history still says 75 %."""
    recorded, again = make("recorded", weights=0.5), make("again")
    for part in ("train", "validation"):
        zeroed = {**HONEST, part: {"loss": 0.69, "accuracy": 0.1}}
        assert level(recorded, again, zeroed, HONEST) is Level.DIFFERENT


def test_other_scores_of_the_same_weights_are_different(make: Make) -> None:
    """An epoch in the middle is made better, whose weights nobody has."""
    recorded, again = make("recorded"), make("again", weights=1e-3)
    assert level(recorded, again, HONEST, HONEST) is Level.STATISTICALLY_THE_SAME
    for key, forged in (("train", {"loss": 0.5, "accuracy": 0.99}), ("learning_rate", 0.2)):
        first, *others = recorded.history
        changed = replace(recorded, history=[{**first, key: forged}, *others])
        assert level(changed, again, HONEST, HONEST) is Level.DIFFERENT


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"loss": 0.6, "accuracy": 0.7}, Level.SAME_BYTES),
        ({"loss": 0.6, "accuracy": 0.7 + 1 / TEST}, Level.WITHIN_TOLERANCE),
        ({"loss": 0.6, "accuracy": 0.7 + 2 / TEST}, Level.DIFFERENT),
        ({"loss": 0.5, "accuracy": 0.7}, Level.DIFFERENT),
        # A score that nobody computes.
        ({"loss": 0.6, "accuracy": 0.7, "beauty": 1.0}, Level.DIFFERENT),
    ],
)
def test_a_recorded_test_result_is_compared_with_what_the_model_answers(
    make: Make, said: dict[str, float], expected: Level
) -> None:
    made = make("recorded")
    add_test(made, said)
    recorded = read_finished(made.folder)
    assert level(recorded, make("again"), HONEST, HONEST) is expected


def test_the_first_epoch_that_differs_is_named(make: Make) -> None:
    recorded = make("recorded")
    assert first_difference(recorded.history, make("same").history) is None
    assert first_difference(recorded.history, make("other", weights=1e-6).history) == 2


def test_three_standard_errors_of_the_difference_of_two_shares() -> None:
    """Worked by hand: p = 0.98, N = 1000, √(2 · 0.98 · 0.02 / 1000) = 0.006261, times 3 0.01878."""
    assert differ_by_chance(0.98 - 0.0187 / 2, 0.98 + 0.0187 / 2, 1000)
    assert not differ_by_chance(0.98 - 0.0189 / 2, 0.98 + 0.0189 / 2, 1000)


def test_a_perfect_score_has_an_error_too() -> None:
    assert differ_by_chance(1.0, 0.999, 1000)
    for nonsense in (float("nan"), 1e300):
        assert not differ_by_chance(1.0, nonsense, 1000)


def test_causes_are_named(make: Make) -> None:
    described = {**DESCRIPTION, "code": "0" * 64}
    before, now = (
        {"lock": lock, "cpu": "A", "environment": {"NumPy": numpy, "SciPy": "1.17.1"}}
        for lock, numpy in (("a", "2.4.6"), ("b", "2.5.5"))
    )
    first = replace(make("recorded"), description=described, origin=before)
    assert causes(first, first) == []
    preparation = {**described["preparation"], "preprocessor": "3" * 64}
    other = {
        **{**described, "code": "1" * 64, "data": {"train": "2"}, "preparation": preparation},
        "arithmetic": {**described["arithmetic"], "version": 9},
    }
    named = causes(first, replace(first, description=other, origin=now))
    assert [line.partition(": ")[0] for line in named] == [
        "code",
        "data files",
        "preprocessor",
        "arithmetic, by its version and this machine's results",
        "lock file",
        "NumPy",
    ]
    assert named[0] == f"code: {'0' * 60}..., now {'1' * 60}..."
    assert named[-2:] == ["lock file: a, now b", "NumPy: 2.4.6, now 2.5.5"]


def test_a_strangers_names_hide_no_cause_and_move_no_cursor(make: Make) -> None:
    mine = make("mine")
    environment = {"code": mine.description["code"]}
    hostile = replace(
        mine,
        description={**DESCRIPTION, "code": "\x1b[2J"},
        origin={"cpu": {}, "environment": environment},
    )
    (cause,) = causes(hostile, mine)
    assert cause.startswith("code: \\x1b[2J, now ")

"""The training loop learns, is deterministic, resumes, and reports divergence."""

import threading
import time
from typing import Any

import numpy as np
import pytest

from pipeline.network.dense import Network, initialise
from pipeline.network.evaluation import Examples
from pipeline.network.randomness import generator
from pipeline.network.training import READABLE, Descent, Diverged, Epoch, Start, train
from tests.settings import architecture, training

SETTINGS: dict[str, Any] = {"epochs": 5, "batch_size": 8, "learning_rate": 0.2}


def blobs(count: int) -> Examples:
    """Three clouds of points that a line can tell apart, nearly."""
    rng = np.random.default_rng(count)
    labels = rng.integers(3, size=count)
    X = rng.normal(size=(count, 4)) + 3 * np.eye(4)[labels]
    return Examples(X, np.eye(3)[labels], labels)


def start() -> Start:
    return Start(0, initialise(architecture(8), 4, 3, generator(3, "initialisation")), None)


def run(begin: Start, seed: int = 3, **changed: object) -> list[Epoch]:
    settings = training(**{**SETTINGS, **changed})
    return list(train(begin, blobs(300), blobs(60), settings, seed=seed, descent=READABLE))


def test_it_learns() -> None:
    epochs = run(start())
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5]
    assert epochs[-1].train.loss < epochs[0].train.loss
    assert epochs[-1].validation.accuracy > 0.9


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = run(start())[-1], run(start())[-1]
    assert first.network.layers[0].W.tobytes() == second.network.layers[0].W.tobytes()
    assert first.train == second.train


def test_another_seed_takes_samples_in_another_order() -> None:
    first, second = run(start())[-1], run(start(), seed=4)[-1]
    assert first.train.loss != second.train.loss


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("stopped_after", [1, 4])
def test_going_on_from_an_epoch_ends_with_the_same_bytes(
    stopped_after: int, momentum: float
) -> None:
    whole = run(start(), momentum=momentum, learning_rate=0.02, schedule="cosine")
    stop = whole[stopped_after - 1]
    resumed = run(
        Start(stop.number, stop.network, stop.velocity),
        momentum=momentum,
        learning_rate=0.02,
        schedule="cosine",
    )
    assert [epoch.number for epoch in resumed] == list(range(stopped_after + 1, 6))
    for ours, expected in zip(resumed[-1].network.layers, whole[-1].network.layers, strict=True):
        assert ours.W.tobytes() == expected.W.tobytes()
        assert ours.b.tobytes() == expected.b.tobytes()


def test_divergence_names_epoch_and_step_size() -> None:
    with pytest.raises(Diverged, match=r"epoch 1 with step size 1e\+200"):
        run(start(), learning_rate=1e200)


def test_divergence_names_the_loss_that_is_not_finite() -> None:
    validation = blobs(60)
    validation.X[0, 0] = np.inf
    epochs = train(start(), blobs(300), validation, training(), seed=3, descent=READABLE)
    with pytest.raises(Diverged, match="the loss is (inf|nan) after epoch 1"):
        list(epochs)


def test_closing_the_training_does_not_wait_for_an_epoch() -> None:
    """The second epoch, of 300 steps, is under way when the training is closed."""
    begun, steps = threading.Event(), [0]

    def epoch(network: Network, velocity: object, examples: object, batches: Any, *_: Any) -> Any:
        for _batch in batches:
            steps[0] += 1
            if steps[0] > 300:
                begun.set()
                time.sleep(0.01)
        return network, ()

    slow = Descent(epoch, READABLE.score)
    settings = training(**{**SETTINGS, "batch_size": 1})
    epochs = train(start(), blobs(300), blobs(60), settings, seed=3, descent=slow)
    assert next(epochs).number == 1
    assert begun.wait(60)
    epochs.close()  # type: ignore[attr-defined]
    assert steps[0] < 2 * 300


def test_nothing_is_trained_after_the_last_epoch() -> None:
    end = run(start())[-1]
    assert run(Start(end.number, end.network, end.velocity)) == []

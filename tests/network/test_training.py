"""The training loop: it learns, it repeats itself, it resumes, and it says when it diverges."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.network.dense import initialise
from pipeline.network.inputs import ArrayInputs, Batch, Examples
from pipeline.network.randomness import generator
from pipeline.network.training import Diverged, Epoch, Start, train

SETTINGS = {"seed": 3, "cost": "cross_entropy", "epochs": 5, "batch_size": 8}


def blobs(count: int) -> Examples:
    """Three clouds of points that a line can tell apart, nearly."""
    rng = np.random.default_rng(count)
    labels = rng.integers(3, size=count)
    X = rng.normal(size=(count, 4)) + 3 * np.eye(4)[labels]
    return Examples(ArrayInputs(X), np.eye(3)[labels], labels)


def start(momentum: bool = False) -> Start:
    network = initialise(
        [4, 8, 3],
        generator(3, "initialisation"),
        activation="relu",
        output="sigmoid",
        weights="he_normal",
        weight_limit=0.1,
        biases="zeros",
    )
    return Start(0, network, None)


def run(begin: Start, **changed: object) -> list[Epoch]:
    settings = {"learning_rate": 0.2, **SETTINGS, **changed}
    return list(train(begin, blobs(300), blobs(60), **settings))  # type: ignore[arg-type]


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


class SecondEpochIsLong(ArrayInputs):
    """Inputs whose second epoch has a million batches more, which are counted."""

    epochs, batches_more = 0, 0

    def batches(self, size: int, order: np.ndarray | None = None) -> Iterator[Batch]:
        self.epochs += order is not None
        for batch in super().batches(size, order):
            yield batch
        while order is not None and self.epochs == 2 and self.batches_more < 10**6:
            self.batches_more += 1
            yield batch


def test_who_stops_listening_does_not_wait_for_an_epoch() -> None:
    _, Y, labels = blobs(300)
    inputs = SecondEpochIsLong(np.eye(4)[labels])
    settings = {"learning_rate": 0.2, **SETTINGS}
    epochs = train(start(), Examples(inputs, Y, labels), blobs(60), **settings)  # type: ignore[arg-type]
    assert next(epochs).number == 1
    before = threading.active_count()
    epochs.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before - 1
    assert inputs.batches_more < 10**6


def test_nothing_is_trained_after_the_last_epoch() -> None:
    end = run(start())[-1]
    assert run(Start(end.number, end.network, end.velocity)) == []

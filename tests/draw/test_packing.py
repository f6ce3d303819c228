"""What the page embeds: networks in whole numbers, and which test images."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.base.errors import UserError
from pipeline.draw.packing import LARGEST, chosen, packed, predicted, sureness
from pipeline.network.dense import Layer, Network, forward
from tests.conftest import NOT_LIVE, Checkout
from tests.draw.pages import digits, drawn, embedded_data, page_of

PREPROCESS = {
    "raw": ["preprocess=raw"],
    "standardise": ["preprocess=standardise"],
    "per_feature": ["preprocess=per_feature"],
    "whiten": ["preprocess=whiten"],
    "zca": ["preprocess=zca", "preprocess.epsilon=0.1"],
}


@pytest.mark.parametrize("name", PREPROCESS)
def test_folding_the_preprocessor_changes_no_output(name: str) -> None:
    pixels, _ = digits()
    about = drawn(*PREPROCESS[name], "training=float64", "network.biases=normal")
    for model in about.models.values():
        network = Network(model.on_pixels(), model.network.activations)
        expected = forward(model.network, model.preprocessor.apply(pixels)).pre_activations[-1]
        found = forward(network, pixels.astype(np.float64)).pre_activations[-1]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", PREPROCESS)
def test_every_weight_is_kept_to_half_a_step_of_its_scale(name: str) -> None:
    for model in drawn(*PREPROCESS[name]).models.values():
        for layer in model.on_pixels():
            small = packed(layer)
            step = small.per_neuron[:, np.newaxis] * small.per_input
            error = np.abs(small.unpacked().W - layer.W)
            assert np.all(error <= step * (0.5 + 1e-9))
            assert np.abs(small.integers).max() <= LARGEST


def test_a_layer_packed_by_hand() -> None:
    """Largest per input: 2, 8; then per neuron: 1, ½; a neuron and an input of zeros stay so."""
    W = np.array([[2.0, -8.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    layer = packed(Layer(W, np.array([1.0, 2.0, 3.0])))
    np.testing.assert_array_equal(layer.per_input, [2.0, 8.0, 1.0])
    np.testing.assert_array_equal(layer.per_neuron * LARGEST, [1.0, 0.5, 1.0])
    np.testing.assert_array_equal(
        layer.integers.T, [[LARGEST, -LARGEST, 0], [LARGEST, round(LARGEST / 2), 0], [0, 0, 0]]
    )
    np.testing.assert_array_equal(layer.unpacked().b, [1.0, 2.0, 3.0])


def test_images_chosen_by_hand() -> None:
    labels = np.array([0, 1, 1, 0, 1])
    predicted = np.array([[0, 1, 1, 1, 0], [0, 0, 1, 1, 0], [0, 0, 1, 1, 1]])
    examples, wrong = chosen(labels, predicted)
    assert examples == [0, 2, 1, 4]  # the first right 0 and 1, then the two in dispute
    assert wrong == [3, 1, 4]  # all three wrong, then two of three


def test_sureness_counted_by_hand() -> None:
    confidence = np.repeat([0.2, 0.95, 0.9999], 10)
    right = np.array([True] * 3 + [False] * 7 + [True] * 9 + [False] + [True] * 10)
    assert [found["right"] for found in sureness(confidence, right)] == [0.3, None, 0.9, None, 1.0]


def test_the_page_says_how_many_answers_packing_changed() -> None:
    """Outputs that differ by less than a step of 16 bits are not told apart."""
    about = drawn("training=float64", seeds=[0, 1])
    network = about.models[1].network
    last = network.layers[-1]
    W = last.W[0] + 1e-6 * np.random.default_rng(0).normal(size=last.W.shape)
    alike = Network((*network.layers[:-1], Layer(W, last.b)), network.activations)
    about.models = {**about.models, 1: about.models[1]._replace(network=alike)}
    again = predicted(
        [packed(layer) for layer in about.models[1].on_pixels()], alike.activations, about.test.raw
    )
    count = int(np.sum(again != about.models[1].predict(about.test.raw)))
    assert count > 0
    said = f"as the recorded ones do, except {count} for seed 1."
    assert f"the networks answer all 360 test images {said}" in page_of(about)


def test_more_networks_than_fit_are_left_out_and_counted() -> None:
    html = page_of(drawn("network.hidden=[1500,400]", seeds=[7, 8, 9]))
    assert len(html.encode()) < 4_000_000
    assert [network["seed"] for network in embedded_data(html)["networks"]] == [7]
    assert "would make this page too large to mail: 8, 9.</p>" in html


@pytest.mark.parametrize(
    ("count", "said"),
    [(6, "the true digit and every network's answer."),
     (7, "the true digit and the answers of the first 6 networks.")],
)  # fmt: skip
def test_the_page_says_whose_answers_it_shows_below_an_image(count: int, said: str) -> None:
    html = page_of(drawn("network.hidden=[16]", seeds=range(count)))
    assert len(embedded_data(html)["images"][0]["answers"]) == 6
    assert said in html


def test_a_study_s_name_is_text() -> None:
    about = drawn(seeds=[0])
    about.config.study = "</script><script>alert(1)</script>"
    assert "<script>alert" not in page_of(about)


def test_a_seed_that_failed_is_named() -> None:
    about = drawn(seeds=[0, 1, 2])
    about.models = {seed: about.models[seed] for seed in (0, 2)}
    assert "Declared seeds that did not finish: 1." in page_of(about)


def test_a_network_too_large_for_a_page_is_refused() -> None:
    with pytest.raises(UserError, match=r"network.hidden = \[2000, 1000\]: .* 4 MB"):
        page_of(drawn("network.hidden=[2000,1000]", seeds=[0]))


@pytest.mark.parametrize("name", ["fashion_mnist", "kmnist"])
def test_what_is_no_digit_is_refused(name: str) -> None:
    about = drawn(seeds=[0])
    about.config.data.name = name
    with pytest.raises(UserError, match=f"data.name = {name}: allowed is one of mnist, digits"):
        page_of(about)


def test_without_runs_one_line_says_what_makes_them(checkout: Checkout) -> None:
    checkout.declare(tracking=NOT_LIVE)
    done = checkout.run("pipeline.draw.draw", check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "seed-0 is missing or of an earlier format; `dvc repro` makes it" in done.stderr
    assert not Path(checkout.paths.draw_page).exists()

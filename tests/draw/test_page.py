"""The page in a real browser: it answers as the recorded networks do, and sends nothing."""

import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from pipeline.base.paths import Paths, find_root
from pipeline.draw.packing import packed
from pipeline.network.dense import Network, backward, forward
from tests.browser import chromium, log, needs_chromium, problems, requested, show
from tests.conftest import NOT_LIVE, Checkout, copy_of, recorded_answers, reproduce
from tests.declared import declared
from tests.draw.pages import (
    BACK,
    DIGITS,
    digits,
    draw,
    drawn,
    in_blocks,
    page_answers,
    page_of,
    saved,
    stroke,
    text,
)

pytestmark = [needs_chromium, pytest.mark.slow]

EMPTY = "Nothing is drawn yet. Draw a digit on the paper, or begin with a test image."


@pytest.fixture(scope="module")
def trained(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with the demo's five seeds and their page."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("draw"))
    checkout.declare(tracking=NOT_LIVE)
    reproduce(checkout)
    checkout.run("pipeline.draw.draw")
    return checkout


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium(1400, 900) as started:
        yield started


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_offline_and_accessible(
    width: int, scheme: str, trained: Checkout, browser: Chrome
) -> None:
    show(browser, trained.paths.draw_page, width=width, scheme=scheme)
    assert problems(browser) == []
    draw(browser, 2)
    assert problems(browser) == []
    assert log(browser, "browser") == []
    assert [url.partition(":")[0] for url in requested(browser)] in (["file"], ["file", "data"])


def test_a_stroke_by_mouse_is_recognised_and_explained(trained: Checkout, browser: Chrome) -> None:
    show(browser, trained.paths.draw_page)
    draw(browser, 2)
    assert text(browser, "winner") == "2"
    assert text(browser, "spoken") == "2: All 5 networks agree."
    assert len(browser.find_elements("css selector", "#networks tr")) == 5
    assert len(browser.find_elements("css selector", "#nearest li")) == 8
    for number, neurons in enumerate((64, 32)):
        caption = browser.find_elements("css selector", "#layers figcaption")[number].text
        assert re.fullmatch(
            rf"Layer {number + 1}, relu: {neurons} neurons from 0.00 to [\d.]+, \d+ of them 0",
            caption,
        )
    sums = re.findall(r"[+−]\d+\.\d+", text(browser, "sums"))
    positive, negative, rest, together = (float(word.replace("−", "-")) for word in sums)
    assert positive > 0 > negative
    assert positive + negative + rest == pytest.approx(together, abs=0.02)  # of two decimals each
    browser.find_element("css selector", "#digit option[value='7']").click()
    assert text(browser, "sums").startswith("For 7: ")


def test_every_test_image_gets_the_recorded_answers(trained: Checkout, browser: Chrome) -> None:
    show(browser, trained.paths.draw_page)
    recorded = recorded_answers(trained.paths)
    np.testing.assert_array_equal(page_answers(browser, digits()[0]), recorded.predicted)


def test_a_test_image_is_chosen_and_its_answer_read_by_keyboard(
    trained: Checkout, browser: Chrome
) -> None:
    show(browser, trained.paths.draw_page)
    button = browser.find_elements("css selector", "#examples button")[3]
    browser.execute_script("document.getElementById('clear').focus()")
    for _ in range(5):  # the table's region, then four images
        browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.switch_to.active_element == button
    name = re.fullmatch(r"3; test image (\d+)", button.accessible_name)
    assert name
    button.send_keys(Keys.ENTER)
    expected = f"All 5 networks agree. Test image {name[1]}, true digit 3."
    assert text(browser, "spoken") == f"3: {expected}"
    assert browser.find_element("id", "spoken").aria_role == "status"
    assert browser.switch_to.active_element.text.split("\n") == ["3", expected]
    # What is drawn on it counts: the image is ink like any other.
    stroke(browser, [(0.1, 0.5), (0.9, 0.5)])
    assert "Test image" not in text(browser, "agreement")


def test_where_networks_disagree_the_page_says_who_says_what(
    trained: Checkout, browser: Chrome
) -> None:
    show(browser, trained.paths.draw_page)
    recorded = recorded_answers(trained.paths)
    disputed = browser.find_elements("css selector", "#examples button")[10:]
    assert len(disputed) == 10
    for button in disputed:
        image = int(button.accessible_name.split()[-1])
        button.click()
        given = recorded.predicted[:, image].tolist()
        said = text(browser, "agreement")
        counts = sorted((given.count(answer) for answer in set(given)), reverse=True)
        if counts[0] == counts[1]:
            assert said.startswith("No majority: ")
        else:
            assert said.startswith(f"{counts[0]} of 5 networks say so; ")
        for seed, answer in enumerate(given):
            if given.count(answer) == 1:
                assert f"seed {seed} says {answer}" in said
        flagged = [row.text.split()[0] for row in browser.find_elements("class name", "disagrees")]
        winner = text(browser, "winner")
        assert flagged == [
            str(seed) for seed, answer in enumerate(given) if winner not in ("?", str(answer))
        ]


def test_an_empty_drawing_and_a_dot_get_a_sentence_and_no_answer(
    trained: Checkout, browser: Chrome
) -> None:
    show(browser, trained.paths.draw_page)
    assert (text(browser, "winner"), text(browser, "agreement")) == ("–", EMPTY)
    stroke(browser, [(0.5, 0.5)])
    assert text(browser, "winner") == "–"
    assert text(browser, "spoken").startswith("That is a dot.")
    assert not browser.find_element("id", "details").is_displayed()
    draw(browser, 2)
    browser.find_element("id", "clear").click()
    assert (text(browser, "winner"), text(browser, "spoken")) == ("–", EMPTY)


def test_ink_at_the_paper_s_edge_and_beyond_is_no_error(trained: Checkout, browser: Chrome) -> None:
    show(browser, trained.paths.draw_page)
    stroke(browser, [(0.5, 0.5), (1.4, 0.5), (1.4, -0.2), (-0.2, -0.2)])
    assert text(browser, "winner") != "–"
    browser.execute_script(
        "clear(); pen.globalAlpha = 0.002; pen.fillRect(9, 9, 200, 1); pen.fillRect(9, 99, 1, 1);"
        "pen.globalAlpha = 1; settle()"
    )
    assert text(browser, "agreement") == EMPTY  # too faint to become a pixel
    assert log(browser, "browser") == []


def test_without_javascript_the_page_says_so(trained: Checkout, browser: Chrome) -> None:
    off = "Emulation.setScriptExecutionDisabled"
    browser.execute_cdp_cmd(off, {"value": True})
    try:
        show(browser, trained.paths.draw_page)
        body = browser.find_element("tag name", "body").text
    finally:
        browser.execute_cdp_cmd(off, {"value": False})
    assert "with JavaScript, which does not run here: allow it" in body
    assert "Begin with a test image" not in body


REACH = """
const [address, done] = arguments;
const image = new Image();
image.src = address + 'image';
const link = document.createElement('link');
Object.assign(link, {rel: 'stylesheet', href: address + 'style'});
document.head.append(link);
navigator.sendBeacon(address + 'beacon', 'digits');
fetch(address + 'fetch', {mode: 'no-cors'}).catch(() => null).then(done);
"""


@pytest.mark.parametrize("policy", [True, False])
def test_the_policy_lets_nothing_out(
    policy: bool, trained: Checkout, browser: Chrome, tmp_path: Path
) -> None:
    """Without it the same attempts arrive, so the test sees what it should."""
    html = trained.paths.draw_page.read_text()
    without = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", html)
    assert without != html
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5 if policy else 20)
        show(browser, saved(html if policy else without, tmp_path))
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        browser.set_script_timeout(20)
        if policy:
            browser.execute_async_script(REACH, address)
            with pytest.raises(TimeoutError):
                server.accept()
        else:
            browser.execute_script(REACH.replace("const [address, done]", "const [address]")
                                   .replace(".then(done)", ""), address)  # fmt: skip
            server.accept()[0].close()


# --- any network that can be trained ---

SQUARED = ["training.cost=squared_error"]
NETWORKS = {
    "relu": ["preprocess=per_feature"],
    "sigmoid": ["network.activation=sigmoid", "preprocess=whiten"],
    "identity": ["network.activation=identity", "network.hidden=[7]"],
    "squared_error": [*SQUARED, "network.output=identity", "preprocess=raw"],
    "relu_outputs": [*SQUARED, "network.output=relu", "preprocess=zca"],
    "tanh": ["network.activation=tanh", *SQUARED, "network.output=tanh"],
    "softmax": ["training.cost=categorical_cross_entropy", "network.output=softmax"],
    "deep": ["network.hidden=[5,9,1,12]", "training=float64"],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_any_network_answers_and_is_explained(name: str, browser: Chrome, tmp_path: Path) -> None:
    about = drawn(*NETWORKS[name], "network.biases=normal")
    show(browser, saved(page_of(about), tmp_path))
    recorded = np.stack([model.predict(about.test.raw) for model in about.models.values()])
    np.testing.assert_array_equal(page_answers(browser, about.test.raw), recorded)
    draw(browser, 2)
    assert text(browser, "winner") in [*"0123456789", "?"]
    bends = about.config.network.activation in ("sigmoid", "tanh")
    assert ("approximation" if bends else "exact") in text(browser, "parts")
    assert problems(browser) == []
    assert log(browser, "browser") == []
    for number, model in enumerate(about.models.values()):
        explained(browser, number, Network(
            tuple(packed(layer).unpacked() for layer in model.on_pixels()),
            model.network.activations,
        ), about.test.raw[:3].astype(np.float64))  # fmt: skip


def explained(
    browser: Chrome,
    number: int,
    network: Network,
    X: NDArray[np.float64],
) -> None:
    """Hold the page's parts to gradient times input by the readable backward pass."""
    script = """
    const {layers} = networks[arguments[0]];
    return arguments[1].map((x) => {
      const passed = forward(layers, Uint8Array.from(x));
      return [[...contributions(layers, passed, 4)], [...passed.outputs]];
    });
    """
    found = browser.execute_script(script, number, X.tolist())
    passed = forward(network, X)
    delta = np.zeros_like(passed.outputs)
    delta[:, 4] = 1
    parts = backward(network, passed, delta).inputs * X
    np.testing.assert_allclose([row[0] for row in found], parts, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose([row[1] for row in found], passed.outputs, rtol=1e-9, atol=1e-12)


# --- scaling and centring ---


def test_a_drawing_scaled_and_centred_by_hand(browser: Chrome, tmp_path: Path) -> None:
    """Ink 4 × 2 into a box of 2: each pixel is the mean of four; the mass lies on the right.

    Rows of 8 by 8 paper hold nothing but this, from row 1, column 3:

        255 255
        255 255        255          mass at row 0.4; at column 0, of one column
        255   0   →    170
        255 170

    (255 + 0 + 255 + 170) / 4 = 170. Box: 2 × 1; mass at row 170 / 425 = 0.4. In 6 × 6 pixels
    with centre 2, the shift is round(2 − 0.4) = 2 down, round(2 − 0) = 2 right.
    """
    show(browser, saved(page_of(drawn(seeds=[0])), tmp_path))
    script = """
    const ink = Array.from({length: 8}, () => new Float64Array(8));
    [[255, 255], [255, 255], [255, 0], [255, 170]].forEach((row, y) => ink[1 + y].set(row, 3));
    return [...normalised(ink, {size: 6, box: 2, centre: 2})];
    """
    expected = np.zeros((6, 6), int)
    expected[2:4, 2] = 255, 170
    np.testing.assert_array_equal(np.reshape(browser.execute_script(script), (6, 6)), expected)


def test_most_of_the_8x8_digits_come_back_as_they_were(browser: Chrome, tmp_path: Path) -> None:
    show(browser, saved(page_of(drawn(seeds=[0])), tmp_path))
    pixels, _ = digits()
    assert sum(in_blocks(browser, BACK, pixels, 4)) > 0.85 * len(pixels)


# --- MNIST ---


@pytest.mark.mnist
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_all_mnist_test_images_get_the_recorded_answers(
    mnist_files: Path, prepared_checkout: Path, tmp_path: Path, browser: Chrome
) -> None:
    """The committed experiment, trained anew: by the page's own code, as in predictions.csv."""
    checkout = copy_of(prepared_checkout, tmp_path)
    paths = checkout.paths
    shutil.copyfile(declared().params, paths.params)
    checkout.declare(tracking=NOT_LIVE)
    paths.given("mnist").parent.mkdir()
    paths.given("mnist").symlink_to(mnist_files)
    if (trained := Paths(find_root()).records).exists():
        shutil.copytree(trained, paths.records)
    checkout.run("dvc", "repro", "evaluate", timeout=900)
    checkout.run("pipeline.draw.draw")
    assert paths.draw_page.stat().st_size < 4_000_000
    show(browser, paths.draw_page)
    recorded = recorded_answers(paths)
    raw = (paths.raw("mnist") / "t10k-images-idx3-ubyte").read_bytes()
    pixels = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784)
    differing = np.sum(page_answers(browser, pixels) != recorded.predicted, axis=1)
    assert differing.tolist() == [0] * 5
    assert "all 10,000 test images as the recorded ones do." in text(browser, "how-weights")
    # MNIST's own scaling and centring: all but three of its digits are 20 pixels long.
    assert sum(in_blocks(browser, BACK, pixels, 4)) == 9996
    for digit in DIGITS:
        browser.find_element("id", "clear").click()
        draw(browser, digit)
        assert text(browser, "spoken") == f"{digit}: All 5 networks agree."
    assert requested(browser) == [paths.draw_page.as_uri()]

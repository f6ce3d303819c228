"""Pages of networks with random weights, and asking an open page what it computes."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from selenium.webdriver import ActionChains, Chrome

from pipeline.base.config import Config, compose
from pipeline.data.embedded import embedded_files
from pipeline.data.idx import parse_idx
from pipeline.data.onehot import one_hot
from pipeline.data.prepared import Part
from pipeline.data.preprocessing import fit
from pipeline.draw.page import page
from pipeline.records.model import Model
from pipeline.sweep.job import first_network
from tests.declared import declared

Points = list[tuple[float, float]]


def arc(x: float, y: float, width: float, height: float, start: int, end: int) -> Points:
    """Return points on an ellipse, from and to an angle in degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, 17))
    return [(x + width / 2 * np.cos(a), y + height / 2 * np.sin(a)) for a in angles]


# Each digit's strokes, as a person draws them; points are shares of the paper, from its top left.
DIGITS: dict[int, list[Points]] = {
    0: [arc(0.5, 0.5, 0.4, 0.6, -90, 270)],
    1: [[(0.5, 0.2), (0.5, 0.8)]],
    2: [[*arc(0.48, 0.35, 0.34, 0.34, -160, 40), (0.3, 0.8), (0.72, 0.8)]],
    3: [arc(0.48, 0.35, 0.32, 0.3, -150, 90) + arc(0.48, 0.65, 0.36, 0.32, -90, 150)],
    4: [[(0.35, 0.2), (0.32, 0.52), (0.68, 0.5)], [(0.62, 0.2), (0.6, 0.82)]],
    5: [[(0.66, 0.2), (0.38, 0.2), (0.36, 0.45), *arc(0.48, 0.6, 0.36, 0.36, -110, 150)]],
    6: [[(0.6, 0.18), (0.42, 0.4), *arc(0.5, 0.65, 0.32, 0.32, -160, 200)]],
    7: [[(0.3, 0.22), (0.7, 0.22), (0.45, 0.82)]],
    8: [arc(0.5, 0.34, 0.28, 0.28, 90, 450) + arc(0.5, 0.65, 0.34, 0.34, -90, 270)],
    9: [[*arc(0.5, 0.36, 0.32, 0.32, 0, -360), (0.66, 0.4), (0.6, 0.82)]],
}
# A test image a row, from base64; every network's answers to each.
ANSWERS = """
const pixels = bytesOf(arguments[0]), length = frame.size ** 2;
const rows = Array.from({length: pixels.length / length},
                        (_, n) => pixels.subarray(n * length, (n + 1) * length));
return networks.map(({layers}) =>
  rows.map((row) => largest(forward(layers, row).preActivations)));
"""
# How many of the test images, drawn large, are reproduced exactly.
BACK = """
const pixels = bytesOf(arguments[0]), length = frame.size ** 2, times = arguments[1];
let same = 0;
for (let n = 0; n < pixels.length / length; n++) {
  const image = pixels.subarray(n * length, (n + 1) * length);
  const ink = Array.from({length: frame.size * times}, (_, y) => Float64Array.from(
    {length: frame.size * times},
    (_, x) => image[Math.floor(y / times) * frame.size + Math.floor(x / times)]));
  const back = normalised(ink, frame);
  if (back.every((value, place) => value === image[place])) same++;
}
return same;
"""


def in_blocks(browser: Chrome, script: str, pixels: NDArray[np.uint8], *more: object) -> list[Any]:
    """Return what the page's code makes of test images, 500 at a time."""
    return [
        browser.execute_script(script, base64.b64encode(block.tobytes()).decode(), *more)
        for block in np.split(pixels, range(500, len(pixels), 500))
    ]


def page_answers(browser: Chrome, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return what the open page's networks answer to test images: shape (networks, N)."""
    return np.concatenate([np.array(a) for a in in_blocks(browser, ANSWERS, pixels)], axis=1)


def stroke(browser: Chrome, points: Points) -> None:
    """Draw a line with the mouse; points are shares of the paper, from its top left corner."""
    paper = browser.find_element("id", "paper")
    side = paper.size["width"]
    mouse = ActionChains(browser, duration=5)
    for number, (x, y) in enumerate(points):
        mouse.move_to_element_with_offset(
            paper, round((x - 0.5) * (side - 2)), round((y - 0.5) * (side - 2))
        )
        if number == 0:
            mouse.click_and_hold()
    mouse.release().perform()


def draw(browser: Chrome, digit: int) -> None:
    """Draw a digit with the mouse."""
    for points in DIGITS[digit]:
        stroke(browser, points)


def text(browser: Chrome, name: str) -> str:
    """Return the text of the element with this id, shown or not."""
    found = browser.find_element("id", name).get_attribute("textContent")
    return str(found).replace("\N{NO-BREAK SPACE}", " ")


def embedded_data(html: str) -> Any:
    """Return the data that a page embeds."""
    return json.loads(html.partition('id="data">')[2].partition("</script>")[0])


def digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return pixels and labels of the embedded digits' test file."""
    *_, images, labels = (parse_idx(file, name="digits") for file in embedded_files().values())
    return images.reshape(len(images), -1), labels


def drawn(*overrides: str, seeds: Sequence[int] = (0, 1)) -> SimpleNamespace:
    """Return the arguments of `page`: 8x8 digits, and networks with their first weights."""
    chosen = ["experiment=demo", f"seeds={list(seeds)}".replace(" ", ""), *overrides]
    config = compose(declared(), chosen)
    pixels, labels = digits()
    models = {seed: untrained(config, seed, pixels) for seed in seeds}
    return SimpleNamespace(
        config=config,
        configuration="untrained",
        models=models,
        test=Part(pixels, labels, one_hot(labels, 10)),
        provenance=[],
    )


def page_of(about: SimpleNamespace) -> str:
    """Return the page."""
    return page(**vars(about))


def untrained(config: Config, seed: int, pixels: NDArray[np.uint8]) -> Model:
    """Return a model with a seed's first weights, its preprocessor fitted to `pixels`."""
    fitted = fit(pixels, **asdict(config.preprocess)).map
    inputs = fitted.apply(pixels[:1]).shape[1]
    return Model(fitted, first_network(replace(config, seed=seed), inputs))


def saved(html: str, folder: Path) -> Path:
    """Write a page and return its path."""
    path = folder / "draw.html"
    path.write_text(html)
    return path

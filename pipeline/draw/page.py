"""Writes the page: one file, which works offline and may not load anything.

Convention: `page.html.j2` and `page.css` define its look; `network.js` computes a network,
`image.js` scales and centres a drawing, `page.js` reacts to the user.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.base.config import Config
from pipeline.base.errors import UserError, refuse
from pipeline.data.catalogue import dataset_of
from pipeline.data.prepared import Part
from pipeline.draw.packing import chosen, embedded, packed, predicted, sureness
from pipeline.network.activations import ACTIVATIONS
from pipeline.records.model import Model
from pipeline.results.evaluation import Answers, evaluate
from pipeline.results.page import STYLE, render
from pipeline.results.statistics import summarise_right

HERE = Path(__file__).parent
SCRIPTS = ("network.js", "image.js", "page.js")
PAPER = 280  # width and height in pixels of the paper to draw on
# Small enough for an e-mail; all but the networks takes less than a tenth.
MOST_BYTES, BESIDE = 4_000_000, 400_000
WRONG = 200  # at most so many test images that most networks get wrong
GUESSES = 6  # networks whose answers to them are shown


@dataclass(frozen=True)
class Frame:
    """How a data set's digits lie in their images.

    Attributes:
        size: width and height of an image, in pixels.
        box: length of a digit's longer side, in pixels.
        centre: both coordinates of its centre of mass, in pixels from 0.
        pen: width of a pen whose strokes look like the data's, as a share of the paper.
        source: the reference, and how well the data agree with it.
    """

    size: int
    box: int
    centre: float
    pen: float
    source: str


FRAMES = {
    "mnist": Frame(
        *(28, 20, 14.0, 0.08),
        "See Y. LeCun's page on MNIST, and C. Yadav, L. Bottou, arXiv:1905.10498. Drawn large, "
        "9,996 of its 10,000 test images are reproduced exactly.",
    ),
    "digits": Frame(
        *(8, 8, 3.5, 0.14),
        "See E. Alpaydin, C. Kaynak, UCI, 1998. Drawn large, nine of ten of its images are "
        "reproduced exactly, the others moved by a pixel.",
    ),
}


class Network(NamedTuple):
    """A network on the page.

    Attributes:
        seed: its seed.
        activations: of its layers.
        layers: packed, in base64.
        answers: of the recorded model to the test images.
        changed: number of test images to which the packed network answers otherwise.
    """

    seed: int
    activations: tuple[str, ...]
    layers: list[dict[str, str]]
    answers: Answers
    changed: int


def page(
    config: Config,
    configuration: str,
    models: Mapping[int, Model],
    test: Part,
    provenance: list[tuple[str, str]],
) -> str:
    """Return the page.

    Args:
        config: of the experiment.
        configuration: its name.
        models: of the seeds that finished.
        test: the test images.
        provenance: names and values.

    Raises:
        UserError: the data set has no digits to draw, or no network fits the page.
    """
    name = config.data.name
    if name not in FRAMES:
        refuse("data.name", name, f"one of {', '.join(FRAMES)}, whose digits can be drawn")
    networks = list(networks_that_fit(models, test, config.training.cost))
    if not networks:
        raise UserError(
            f"network.hidden = {config.network.hidden}: such a network does not fit a page of "
            f"{MOST_BYTES // 10**6} MB"
        )
    right = {each.seed: each.answers.right for each in networks}
    examples, wrong = chosen(test.labels, np.stack([each.answers.predicted for each in networks]))
    style = STYLE.read_text() + (HERE / "page.css").read_text()
    script = activations_script() + "".join((HERE / part).read_text() for part in SCRIPTS)
    hidden, output = (ACTIVATIONS[networks[0].activations[layer]] for layer in (0, -1))
    x = np.array([[-1.0, 1.0, 2.0]])
    slopes = hidden.derivative(hidden.function(x))[0]
    return render(
        "draw/page.html.j2",
        subject=f"{config.study}: {configuration}",
        policy=policy(style, script),
        style=style,
        script=script,
        data=data(config, networks, test, examples, wrong[:WRONG]),
        paper=PAPER,
        frame=FRAMES[name],
        # f is curved, not piecewise linear with a bend at 0, if its slopes at 1 and 2 differ.
        bends=slopes[1] != slopes[2],
        signed=hidden.function(x)[0, 0] < 0,
        probabilities=output.probabilities,
        dataset=dataset_of(config.data),
        networks=networks,
        accuracy=summarise_right(right).percent(),
        failed=[seed for seed in config.seeds if seed not in models],
        left_out=list(models)[len(networks) :],
        images=len(test.labels),
        wrong=len(wrong),
        most_wrong=WRONG,
        guesses=GUESSES,
        provenance=provenance,
    )


def activations_script() -> str:
    """Return the activation functions and their derivatives in JavaScript."""
    functions = ", ".join(
        f"{name}: {{ value: (x, _, row) => {f.javascript}, "
        f"slope: (h) => {f.javascript_derivative or 'NaN'} }}"
        for name, f in ACTIVATIONS.items()
    )
    return f'"use strict";\nconst ACTIVATIONS = {{ {functions} }};\n'


def networks_that_fit(models: Mapping[int, Model], test: Part, cost: str) -> Iterator[Network]:
    """Yield packed networks in the order of their seeds, while the page is small enough."""
    room = MOST_BYTES - BESIDE
    for seed, model in models.items():
        layers = [packed(layer) for layer in model.on_pixels()]
        arrays = [layer.embedded() for layer in layers]
        room -= sum(len(text) for layer in arrays for text in layer.values())
        if room < 0:
            return
        answers, activations = evaluate(model, test, cost), model.network.activations
        changed = np.sum(predicted(layers, activations, test.raw) != answers.predicted)
        yield Network(seed, activations, arrays, answers, int(changed))


def data(
    config: Config, networks: list[Network], test: Part, examples: list[int], wrong: list[int]
) -> dict[str, Any]:
    """Return what the page's scripts read: networks, and the test images of two lists."""
    indices = list(dict.fromkeys([*examples, *wrong]))
    return {
        "frame": asdict(FRAMES[config.data.name]),
        "classes": dataset_of(config.data).classes,
        "activations": networks[0].activations,
        "networks": [
            {
                "seed": each.seed,
                "layers": each.layers,
                "sureness": sureness(each.answers.confidence, each.answers.right),
            }
            for each in networks
        ],
        "pixels": embedded(test.raw[indices]),
        "images": [
            {
                "index": index,
                "label": int(test.labels[index]),
                "answers": [int(each.answers.predicted[index]) for each in networks[:GUESSES]],
            }
            for index in indices
        ],
        "examples": [indices.index(index) for index in examples],
        "wrong": [indices.index(index) for index in wrong],
    }


def policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy that allows this style and this script alone.

    The page cannot load or send anything.
    """

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {digest(style)}; script-src {digest(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )

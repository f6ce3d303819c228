"""The page: one file, which needs no network and may reach none.

Convention: `page.html.j2` and `page.css` say how it looks, `network.js` what a network computes,
`image.js` how a drawing is scaled and centred, `page.js` what is done when.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.data.catalogue import DATASETS
from pipeline.draw.packing import answers, chosen, embedded, folded, packed, sureness
from pipeline.errors import UserError
from pipeline.records.model import Model
from pipeline.results.page import STYLE, render
from pipeline.results.statistics import summarise

HERE = Path(__file__).parent
SCRIPTS = ("network.js", "image.js", "page.js")
PAPER = 280  # pixels of the paper to draw on, each way
# A page is mailed. What is on it beside the networks takes less than a tenth of it.
MOST_BYTES, BESIDE = 4_000_000, 400_000
WRONG = 200  # test images that most networks get wrong


@dataclass(frozen=True)
class Frame:
    """How a data set's digits lie in their images.

    Attributes:
        size: pixels of an image, each way.
        box: pixels of a digit's longer side.
        centre: of its mass, each way, counted from 0.
        pen: width of a pen whose strokes look like the data's, as a share of the paper.
        source: who says so, and how far it can be seen in the data.
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
        "9,996 of its 10,000 test images come back as they were.",
    ),
    "digits": Frame(
        *(8, 8, 3.5, 0.14),
        "See E. Alpaydin, C. Kaynak, UCI, 1998. Drawn large, nine of ten of its images come back "
        "as they were, the others moved by a pixel.",
    ),
}


@dataclass
class Drawn:
    """What the page is about.

    Attributes:
        config: of the experiment.
        configuration: its name.
        models: of the seeds that finished.
        pixels: of the test images, raw, shape (N, n).
        labels: theirs, shape (N,).
        provenance: names and values.
    """

    config: Config
    configuration: str
    models: Mapping[int, Model]
    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    provenance: list[tuple[str, str]]


def page(drawn: Drawn) -> str:
    """Return the page.

    Raises:
        UserError: nobody can draw what the data set holds, or the networks are too large.
    """
    name = drawn.config.data.name
    if name not in FRAMES:
        raise UserError(
            f"data.name = {name}: allowed is one of {', '.join(FRAMES)}, whose digits can be drawn"
        )
    frame, classes = FRAMES[name], DATASETS[name].classes
    seeds, networks, differing = [], [], {}
    predicted = {seed: model.predict(drawn.pixels) for seed, model in drawn.models.items()}
    room = MOST_BYTES - BESIDE
    for seed, model in drawn.models.items():
        layers = [packed(layer) for layer in folded(model)]
        arrays = [layer.embedded() for layer in layers]
        room -= sum(len(text) for layer in arrays for text in layer.values())
        if room < 0:
            break
        seeds.append(seed)
        confidence = model.outputs(drawn.pixels).max(axis=1)
        sure = sureness(confidence, predicted[seed] == drawn.labels)
        networks.append({"seed": seed, "layers": arrays, "sureness": sure})
        again = answers(layers, model.network.activations, drawn.pixels)
        differing[seed] = int(np.sum(again != predicted[seed]))
    if not networks:
        raise UserError(
            f"network.hidden = {drawn.config.network.hidden}: such a network does not fit a page "
            f"of {MOST_BYTES // 10**6} MB"
        )
    activations = drawn.models[seeds[0]].network.activations
    stacked = np.stack([predicted[seed] for seed in seeds])
    examples, all_wrong = chosen(drawn.labels, stacked)
    wrong = all_wrong[:WRONG]
    shown = list(dict.fromkeys([*examples, *wrong]))
    data = {
        "frame": asdict(frame),
        "classes": classes,
        "activations": activations,
        "networks": networks,
        "images": {
            "pixels": embedded(drawn.pixels[shown]),
            "about": [
                {
                    "index": index,
                    "label": int(drawn.labels[index]),
                    "answers": stacked[:, index].tolist(),
                }
                for index in shown
            ],
        },
        "examples": [shown.index(index) for index in examples],
        "wrong": [shown.index(index) for index in wrong],
    }
    style = STYLE.read_text() + (HERE / "page.css").read_text()
    script = "".join((HERE / name).read_text() for name in SCRIPTS)
    return render(
        HERE / "page.html.j2",
        subject=f"{drawn.config.study}: {drawn.configuration}",
        policy=policy(style, script),
        style=style,
        script=script,
        data=data,
        paper=PAPER,
        size=frame.size,
        classes=classes,
        activations=activations,
        provenance=drawn.provenance,
        **texts(drawn, seeds, differing, stacked, len(all_wrong)),
    )


def policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy under which this style and script run, and nothing else.

    It lets the page ask for nothing, from anywhere.
    """

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {digest(style)}; script-src {digest(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def texts(
    drawn: Drawn,
    seeds: list[int],
    differing: Mapping[int, int],
    predicted: NDArray[np.int64],
    wrong: int,
) -> dict[str, str]:
    """Return the page's sentences that depend on the experiment.

    Args:
        drawn: what the page is about.
        seeds: of the networks on the page.
        differing: to how many test images each of them answers otherwise than the recorded one.
        predicted: their recorded answers, shape (seeds, N).
        wrong: how many test images most of them get wrong.
    """
    frame, dataset = FRAMES[drawn.config.data.name], DATASETS[drawn.config.data.name]
    images = f"{len(drawn.labels):,} test images"
    accuracies = {
        seed: float(np.mean(row == drawn.labels))
        for seed, row in zip(seeds, predicted, strict=True)
    }
    left = len(drawn.config.seeds) - len(seeds)
    others = f" ({left} more of the experiment are not on this page.)" if left else ""
    changed = [f"seed {seed} to {count}" for seed, count in differing.items() if count]
    fewest = f"; the {WRONG} that fewest get right are here" if wrong > WRONG else ""
    exceptions = f", but for other answers of {', '.join(changed)}" if changed else ""
    return {
        "introduction": f"Networks trained on {dataset.title}, alike but for their seed, answer "
        f"while you draw. Test accuracy: {summarise(dict(accuracies)).percent()}.{others}",
        "about_examples": "The first of each digit that all networks get right; then those that "
        "they disagree about most.",
        "about_wrong": f"{wrong} of the {images} are answered wrongly by more than half of the "
        f"networks{fewest}. These look most like the drawing: their distance, pixel by pixel, is "
        "the smallest. Below each, the true digit and every network's answer."
        if wrong
        else f"None of the {images} is answered wrongly by more than half of the networks.",
        "about_frame": f"As {dataset.title} was made: the longer side is scaled to {frame.box} "
        "pixels by averaging areas, and whole pixels of shift put the centre of mass at "
        f"({frame.centre:g}, {frame.centre:g}) of {frame.size} × {frame.size} pixels, counted from "
        f"0. {frame.source}",
        "about_weights": "Weights are whole numbers of 16 bits here, with a scale per neuron and "
        "per input; preprocessing is part of the first layer. So computed, the networks answer "
        f"all {images} as the recorded ones do{exceptions}.",
    }

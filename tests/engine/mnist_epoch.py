"""Train the first epoch of the committed experiment and print the SHA-256 of what comes out.

Run as a program, with the folder of MNIST's files and an empty one.
"""

import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from pipeline.base.config import compose
from pipeline.base.paths import Paths
from pipeline.data.prepared import load
from pipeline.engine.descent import COMPILED
from pipeline.engine.examples import ready
from pipeline.network.training import Start, train
from pipeline.sweep.job import first_network
from tests.declared import declared


def main(files: Path, folder: Path) -> None:
    """Print the hash."""
    config, paths = compose(declared(), ["seed=0"]), Paths(folder)
    paths.raw("mnist").parent.mkdir(parents=True)
    paths.raw("mnist").symlink_to(files)
    examples = ready(config, load(config, paths))
    epoch = next(
        train(
            Start(0, first_network(config, examples.inputs), None),
            examples.train,
            examples.validation,
            replace(config.training, epochs=1),
            seed=0,
            descent=COMPILED,
        )
    )
    digest = sha256(np.array([*epoch.train, *epoch.validation]).tobytes())
    for layer in epoch.network.layers:
        digest.update(layer.W.tobytes() + layer.b.tobytes())
    print(digest.hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))

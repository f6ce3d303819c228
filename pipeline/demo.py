"""Run the whole pipeline on scikit-learn's 8x8 digits, in demo/.

  pipeline demo              the demo
  pipeline demo --if-needed  `dvc repro`, or the demo if the data set cannot be obtained

demo/ is a copy of the pipeline with another params.yaml. There, the demo runs all stages of `dvc
repro`. The committed results are not touched.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from pipeline.base.command import Words, params_bytes
from pipeline.base.config import compose
from pipeline.base.errors import DataUnavailable, one_line_errors
from pipeline.base.files import write_bytes
from pipeline.base.masking import printable
from pipeline.base.paths import Paths, find_root
from pipeline.base.processes import copy_code, python
from pipeline.data.catalogue import dataset_of
from pipeline.stages.download import download


def prepare(root: Path, folder: Path) -> None:
    """Copy the pipeline from `root` to `folder`, with the demo's experiment as `params.yaml`.

    Raises:
        UserError: DVC cannot be set up there.
    """
    copy_code(root, folder)
    config = compose(Paths(root), ["experiment=demo"])
    params = params_bytes(config, tracking=asdict(config.tracking))
    write_bytes(folder / "params.yaml", params)
    if not (folder / ".dvc").exists():
        python(folder, "dvc", "init", "--quiet", "--no-scm")
        python(folder, "dvc", "config", "core.analytics", "false")


def main() -> None:
    """Run the demo or, with --if-needed and the data, `dvc repro`."""
    with one_line_errors():
        words = Words()
        words.add_argument(
            "--if-needed",
            action="store_true",
            help="run `dvc repro`; the demo only if the data set cannot be obtained",
        )
        if_needed = words.parse_args().if_needed
        paths = Paths(find_root())
        if if_needed:
            config = compose(paths)
            try:
                download(config, paths)
            except DataUnavailable as error:
                print(f"{printable(str(error))}\n", file=sys.stderr, flush=True)
            else:
                python(paths.root, "dvc", "repro")
                # DVC does not track MLflow's store, so it may be missing.
                python(paths.root, "pipeline.stages.track")
                return
        run(paths)
        if if_needed:
            title = dataset_of(config.data).title
            print(
                f"That was the demo on scikit-learn's digits, since {title} could not be obtained: "
                f"put its files into {paths.given(config.data.name)} and run this again."
            )


def run(paths: Paths) -> None:
    """Run the demo and say where its results are."""
    demo = Paths(paths.root / "demo")
    prepare(paths.root, demo.root)
    python(demo.root, "dvc", "repro")
    _, _, headline, *_ = demo.summary.read_text().splitlines()
    print(f"\n{headline}")
    print(f"page: {demo.page}\nfigures: {demo.figures}\nmetrics: {demo.metrics}")


if __name__ == "__main__":
    main()

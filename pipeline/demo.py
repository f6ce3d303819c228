"""The whole pipeline on embedded digits, in a folder of its own: `make demo`.

Convention: the demo is a copy of the pipeline with another `params.yaml`. It runs what
`dvc repro` runs, beside the committed results and without touching them.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

from omegaconf import OmegaConf

from pipeline.config import compose, experiment
from pipeline.errors import one_line_errors
from pipeline.files import write_bytes
from pipeline.paths import Paths, find_root
from pipeline.processes import python
from pipeline.results.tables import read_summary

COPIED = ("pipeline", "conf")


def prepare(root: Path, folder: Path) -> None:
    """Copy the pipeline from `root` to `folder`, with the demo's experiment as `params.yaml`.

    Raises:
        UserError: DVC cannot be set up there.
    """
    folder.mkdir(exist_ok=True)
    for name in COPIED:
        shutil.rmtree(folder / name, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / name, folder / name, ignore=ignored)
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copyfile(root / name, folder / name)
    config = compose(Paths(root), ["experiment=demo"])
    params = {"study": config.study, **experiment(config), "seeds": list(config.seeds)}
    params["tracking"] = asdict(config.tracking)
    text = OmegaConf.to_yaml(OmegaConf.create(params))
    write_bytes(folder / "params.yaml", text.encode())
    if not (folder / ".dvc").exists():
        python(folder, "dvc", "init", "--quiet", "--no-scm")
        python(folder, "dvc", "config", "core.analytics", "false")


def main() -> None:
    """Run the demo and say where its results are."""
    with one_line_errors():
        paths = Paths(find_root())
        demo = Paths(paths.root / "demo")
        prepare(paths.root, demo.root)
        python(demo.root, "dvc", "repro")
        summary = read_summary(demo.metrics, "test", "accuracy")
        print(f"\ntest accuracy on scikit-learn's digits: {summary.percent()}")
        print(f"figures: {demo.figures}\nmetrics: {demo.metrics}")


if __name__ == "__main__":
    main()

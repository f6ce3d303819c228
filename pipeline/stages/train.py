"""Stage `train`: a Hydra sweep, one job a seed of a configuration.

    python -m pipeline.stages.train                        the seeds of params.yaml
    python -m pipeline.stages.train seed=0,1,2             these seeds
    python -m pipeline.stages.train preprocess=raw,whiten  both, each with all seeds

`--multirun` may be given and changes nothing: training is always a sweep.
"""

from __future__ import annotations

import os

import hydra
from omegaconf import DictConfig

from pipeline.config import checked, register
from pipeline.errors import one_line_errors
from pipeline.paths import Paths, find_root
from pipeline.processes import own_name
from pipeline.records.provenance import provenance
from pipeline.sweep.job import train_seed
from pipeline.sweep.launch import concluded


def job(composed: DictConfig) -> float | None:
    """Train one seed; returns its validation accuracy, which a search maximises."""
    paths = Paths(find_root())
    return train_seed(checked(composed), paths, {"process": own_name(), **provenance(paths.root)})


def main() -> None:
    """Run the sweep that the command line asks for."""
    with one_line_errors():
        paths = Paths(find_root())
        register(paths)
        # Hydra would print its own errors, over many lines, and exit; so it hands them on.
        os.environ["HYDRA_FULL_ERROR"] = "1"
        sweep = hydra.main(config_path=str(paths.conf), config_name="config", version_base="1.3")
        with concluded():
            sweep(job)()


if __name__ == "__main__":
    # The importable job and not this module's: workers find it by its name.
    from pipeline.stages import train

    train.main()

"""Stage `train`: a Hydra sweep, one job per seed of a configuration.

    python -m pipeline.stages.train                        the seeds of params.yaml
    python -m pipeline.stages.train seed=0,1,2             these seeds
    python -m pipeline.stages.train preprocess=raw,whiten  both, each with all seeds

`--multirun` may be given and changes nothing: training is always a sweep.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig

from pipeline.base.command import Words, given
from pipeline.base.config import checked, composed, started
from pipeline.base.errors import UserError, one_line_errors
from pipeline.base.paths import Paths, find_root
from pipeline.base.processes import own_name
from pipeline.records.provenance import provenance
from pipeline.sweep.job import train_seed
from pipeline.sweep.launch import Around, concluded

AROUND = "hydra.callbacks.around."
UNGUARDED = (
    "allowed is hydra.mode=MULTIRUN with the callback hydra.callbacks.around of conf/config.yaml: "
    "every training is a sweep, which it checks"
)


def job(given: DictConfig) -> float | None:
    """Train one seed; returns its validation accuracy, which a search maximises."""
    guards = HydraConfig.get()
    target = guards.callbacks.get("around", {}).get("_target_")
    if guards.mode != RunMode.MULTIRUN or target != f"{Around.__module__}.{Around.__name__}":
        raise UserError(f"hydra: {UNGUARDED}")
    paths = Paths(find_root())
    return train_seed(checked(given), paths, {"process": own_name(), **provenance(paths.root)})


def main() -> None:
    """Run the sweep that the command line asks for."""
    with one_line_errors():
        words = Words(prog="python -m pipeline.stages.train", description=__doc__)
        words.add_argument("-m", "--multirun", action="store_true", help="changes nothing")
        words.add_argument(
            "-c", "--cfg", choices=("job", "hydra", "all"), help="show, train nothing"
        )
        words.add_argument("overrides", nargs="*", help="as in params.yaml: training.epochs=5")
        asked = words.parse_intermixed_args(given())
        paths = Paths(find_root())
        _check(asked.overrides, paths)
        # Hydra would print its own errors, over many lines, and exit; so it hands them on.
        os.environ["HYDRA_FULL_ERROR"] = "1"
        logging.disable(logging.INFO)  # Optuna's
        sweep = hydra.main(config_path=str(paths.conf), config_name="config", version_base="1.3")
        sys.argv[1:] = [*(["--cfg", asked.cfg] if asked.cfg else ["--multirun"]), *asked.overrides]
        with concluded():
            sweep(job)()


def _check(overrides: Sequence[str], paths: Paths) -> None:
    """Refuse what Hydra would accept, or tell in another way than for any other stage."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    for override in parsed:
        key = override.key_or_group
        around = key in ("hydra", "hydra.callbacks") or f"{key}.".startswith(AROUND)
        if around or (key == "hydra.mode" and override.value() != RunMode.MULTIRUN.name):
            raise UserError(f"{override.input_line}: {UNGUARDED}")
    with started(paths):
        composed([str(each.input_line) for each in parsed if not each.is_sweep_override()])


if __name__ == "__main__":
    # The importable job and not this module's: workers find it by its name.
    from pipeline.stages import train

    train.main()

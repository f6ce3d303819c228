"""A search for settings: Hydra's sweeper chooses jobs and gets their validation accuracies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from pipeline.base.config import checked, composed
from pipeline.base.errors import UserError
from pipeline.base.paths import Paths
from pipeline.records.record import Finished, read_record
from pipeline.sweep.jobs import Job, labelled

Train = Callable[[Sequence[Job]], None]


def search(
    given: DictConfig, context: HydraContext, words: list[str], paths: Paths, train: Train
) -> None:
    """Let Hydra's sweeper choose jobs; print how each ends, and which is best.

    Args:
        given: what Hydra composed, its own section included.
        context: where Hydra composes each job.
        words: the overrides, of searched and of fixed settings.
        paths: the checkout.
        train: trains jobs, unless their records are complete.

    Raises:
        UserError: what the sweeper chose is out of its range.
    """
    logging.disable(logging.INFO)  # of Optuna
    plugin = Plugins.instance().instantiate_sweeper(
        hydra_context=context, task_function=_never, config=given
    )
    # Hydra's sweepers for other packages wrap one that does the work.
    sweeper: Any = getattr(plugin, "sweeper", plugin)
    sweeper.launcher = _Trials(paths, train, given.hydra.sweeper.get("n_trials"))
    sweeper.sweep(words)
    path = Path(str(given.hydra.sweep.dir)) / "optimization_results.yaml"
    if path.exists():
        results = OmegaConf.load(path)
        best = [f"{key}={value}" for key, value in results.best_params.items()]
        print(f"best: validation {100 * results.best_value:.2f} % with {' '.join(best)}\n{path}")


def _never(_: DictConfig) -> None:
    raise AssertionError("jobs are launched by `train`")


class _Trials:
    """Takes the place of a sweeper's launcher: checks and trains the jobs that it chooses."""

    def __init__(self, paths: Paths, train: Train, trials: int | None) -> None:
        self._paths, self._train = paths, train
        self._of = "" if trials is None else f" of {trials}"

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        chosen = [(checked(composed(words)), tuple(words)) for words in job_overrides]
        if any(config.seed is None for config, _ in chosen):
            raise UserError("seed: allowed is seed=0, or hydra/sweeper=search, which sets it")
        jobs = labelled(chosen, self._paths)
        self._train(jobs)
        returned = []
        for number, job in enumerate(jobs, start=initial_job_idx + 1):
            state = read_record(job.folder)
            accuracy = state.validation_accuracy if isinstance(state, Finished) else None
            result = "no result" if accuracy is None else f"validation {100 * accuracy:.2f} %"
            print(f"trial {number}{self._of}: {result}, {' '.join(job.words)}", flush=True)
            returned.append(
                JobReturn(job.words, status=JobStatus.COMPLETED, _return_value=accuracy)
            )
        return returned

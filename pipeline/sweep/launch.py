"""Run a sweep: check its jobs, launch those without a complete record, and report how all ended.

Hydra composes the jobs, its launchers run them, and its sweepers search. Every training starts
here: only this module passes `train_job` to a launcher.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.experimental.callback import Callback
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from pipeline.base.config import Config, checked, composed, experiment, started
from pipeline.base.console import plain_table, wide_console
from pipeline.base.errors import UserError, describe, is_bad_input, refuse
from pipeline.base.masking import one_line, printable
from pipeline.base.orphans import no_orphans
from pipeline.base.paths import Paths, find_root
from pipeline.base.processes import own_name
from pipeline.engine.canary import EXPECTED, canary
from pipeline.records.gather import gather
from pipeline.records.identity import grouped
from pipeline.records.provenance import provenance
from pipeline.records.record import Finished, Unfinished, is_older, read_own, read_record
from pipeline.sweep.engines import batch_size, refuse_engine, refuse_override
from pipeline.sweep.job import reuse, train_seed
from pipeline.sweep.jobs import Job, expand, labelled, parsed
from pipeline.sweep.lock import alone
from pipeline.sweep.search import search
from pipeline.sweep.watch import watching

Mirror = Callable[[Config, Paths], AbstractContextManager[None]]


class Ended(NamedTuple):
    """A job, and the state of its record."""

    job: Job
    state: Finished | Unfinished


class Outcome(NamedTuple):
    """How a sweep has ended.

    Attributes:
        folder: for its tables.
        ended: every job; of a search, the best first.
        failure: which seeds did not finish, and why; None if all did.
    """

    folder: Path
    ended: list[Ended]
    failure: str | None


def train_job(given: DictConfig) -> Exception | None:
    """Train one seed, in whatever process a launcher runs this; its record holds the result.

    Returns:
        The exception if anything but the training failed, since Hydra would print a raised one
        over many lines.
    """
    try:
        paths = Paths(find_root())
        origin = {"process": own_name(), **provenance(paths.root)}
        train_seed(checked(given), paths, origin)
    except Exception as error:
        return error
    return None


def sweep(words: Sequence[str], paths: Paths, mirror: Mirror) -> Outcome | None:
    """Run the sweep that overrides describe.

    Args:
        words: Hydra's overrides, with several values where they are swept.
        paths: the checkout.
        mirror: copies the records to MLflow meanwhile, if `tracking.live`.

    Returns:
        None for a dry run, which prints what would be trained.

    Raises:
        UserError, hydra.errors.HydraException, omegaconf.errors.OmegaConfBaseException: an
            override is invalid, or another sweep is running here.
    """
    with started(paths), ExitStack() as stack:
        overrides = parsed(words)
        for override in overrides:
            refuse_override(override)
        given = composed([str(o.input_line) for o in overrides if not o.is_sweep_override()])
        refuse_engine(given.hydra)
        is_grid = given.hydra.sweeper._target_.endswith("BasicSweeper")
        settings = [override for override in overrides if not override.is_hydra_override()]
        jobs = []
        if is_grid:
            sweeper: Any = OmegaConf.to_container(given.hydra.sweeper, resolve=True)
            swept = parsed([f"{key}={value}" for key, value in (sweeper["params"] or {}).items()])
            jobs = labelled(expand([*swept, *settings]), paths)
        config = jobs[0].config if jobs else checked(given)
        if config.output is not None and len(grouped(jobs, lambda j: experiment(j.config))) != 1:
            raise UserError(f"output = {config.output}: allowed with a sweep over seeds alone")
        if config.dry_run:
            if not is_grid:
                refuse("dry_run", "true", "false for a search, which chooses as it goes")
            gather(config, paths, training=True)
            _print_plan(jobs)
            return None
        # Experiments that DVC runs in parallel share the records; the second one waits.
        stack.enter_context(alone(paths.records, wait=paths.home != paths.root))
        folder = _folder(given)
        gather(config, paths, training=True)
        _warn({job.config.training.dtype for job in jobs} or {config.training.dtype}, paths)
        # Before `no_orphans`, which must not end the mirror: it copies the rest and ends by itself.
        if config.tracking.live:
            stack.enter_context(mirror(config, paths))
        stack.enter_context(no_orphans())
        launch, cause = _Launch(given), None
        try:
            if is_grid:
                launch.train(jobs)
            else:
                texts = [str(override.input_line) for override in settings]
                search(given, launch.context, texts, paths, launch.train)
        except Exception as error:
            if is_bad_input(error):
                raise
            if not launch.jobs:
                raise UserError(f"hydra/sweeper: {one_line(error)}") from error
            cause = _cause(error)
        if not is_grid:
            jobs = labelled([(job.config, job.words) for job in launch.jobs], paths)
    ended = [Ended(job, read_record(job.folder)) for job in jobs]
    if not is_grid:
        ended.sort(key=_accuracy, reverse=True)
    return Outcome(folder, ended, _failure(ended, cause, is_grid))


def _folder(given: DictConfig) -> Path:
    """Make the sweep's folder before any work: tables could not be saved without it."""
    folder = Path(str(given.hydra.sweep.dir))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"hydra.sweep.dir = {folder}: {error.strerror}") from None
    return folder


def _accuracy(ended: Ended) -> float:
    return ended.state.validation_accuracy if isinstance(ended.state, Finished) else 0.0


def _print_plan(jobs: Sequence[Job]) -> None:
    """Print what would be trained."""
    table = plain_table("configuration", "seed", "record", "would")
    for job in jobs:
        state, would = read_own(job.folder), "be trained"
        if isinstance(state, Finished):
            would = "be reused: complete"
        elif state.history:
            would = f"go on after epoch {len(state.history)}"
        table.add_row(job.configuration, str(job.seed), job.folder.name, would)
    wide_console().print(table)


def _warn(dtypes: set[str], paths: Paths) -> None:
    """Print a line if this machine computes differently, and one if there are old records."""
    differing = [dtype for dtype in sorted(dtypes) if canary(dtype) != EXPECTED[dtype]]
    if differing:
        print(
            f"this machine computes differently from others in {' and '.join(differing)}: results "
            "are valid, but differ in their last digits and have records of their own"
        )
    older = sum(map(is_older, paths.records.glob("*")))
    if older:
        print(f"{older} records of an earlier format stay in {paths.records}, unused")


class _Launch:
    """Trains jobs with the chosen launcher; `jobs` are all that it was given."""

    def __init__(self, given: DictConfig) -> None:
        self.jobs: list[Job] = []
        # Hydra wants callbacks; this one does nothing.
        nothing: Any = Callback()
        self.context = HydraContext(GlobalHydra.instance().config_loader(), nothing)
        self._launcher = Plugins.instance().instantiate_launcher(self.context, train_job, given)
        self._batch_size = batch_size(given.hydra)

    def train(self, jobs: Sequence[Job]) -> None:
        """Launch those jobs whose records are not complete.

        Raises:
            Exception: the launcher failed, or a job outside its training.
        """
        before = len(self.jobs)
        self.jobs += jobs
        missing = []
        for job in jobs:
            state = read_own(job.folder)
            if isinstance(state, Finished):
                reuse(state, job.config.study)
                continue
            missing.append(job)
            if state.damage is not None:
                warning = f"warning: {printable(state.damage)}; this seed is trained again"
                print(warning, file=sys.stderr)
        if not missing:
            print("nothing to train: all seeds are complete", flush=True)
            return
        if len(missing) < len(jobs):
            print(f"{len(jobs) - len(missing)} of {len(jobs)} seeds are complete", flush=True)
        size = self._batch_size or len(missing)
        with watching(missing, wide_console()):
            for start in range(0, len(missing), size):
                words = [job.words for job in missing[start : start + size]]
                for done in self._launcher.launch(words, initial_job_idx=before + start):
                    if isinstance(done.return_value, Exception):
                        raise done.return_value


def _failure(ended: Sequence[Ended], cause: str | None, is_grid: bool) -> str | None:
    """Return which seeds did not finish, and why; in a search, diverged trials are results."""
    finished = sum(isinstance(state, Finished) for _, state in ended)
    reasons: dict[str, list[str]] = {}
    for job, state in ended:
        if isinstance(state, Finished):
            continue
        if not is_grid and finished and state.failure and "traceback" not in state.origin:
            continue
        reason = state.failure or state.damage or cause or "interrupted; the same command continues"
        reasons.setdefault(reason, []).append(job.label)
    if not reasons:
        return None
    if cause is not None:
        # The seeds' own reasons may be from an earlier command.
        reasons.setdefault(cause, ["launcher"])
    why = "; ".join(f"{', '.join(labels)}: {reason}" for reason, labels in reasons.items())
    return f"{finished} of {len(ended)} seeds finished; {why}"


def _cause(error: Exception) -> str:
    """Return in one line what ended a launcher."""
    if type(error).__name__ != "TerminatedWorkerError":  # loky's, which only joblib can import
        return one_line(describe(error), 400)
    signals = re.search(r"\{(.*)\}", str(error))
    name = signals[1] if signals else "a signal"
    out_of_memory = ", as the system does when memory runs out" if "SIGKILL" in name else ""
    return f"a worker was ended by {name}{out_of_memory}; the same command continues the sweep"

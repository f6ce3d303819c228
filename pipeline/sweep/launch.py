"""Around a sweep: what happens in the launching process before the first job and after the last.

Convention: Hydra calls `Around.on_multirun_start` once everything is composed; whatever a user
got wrong is told there, before any work. `concluded` stands around Hydra and decides how the
command ends, also when a worker was killed.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from pipeline.base.config import Config, checked, experiment
from pipeline.base.console import plain_table, wide_console
from pipeline.base.errors import TrainingFailed, UserError, describe, is_bad_input, one_line_errors
from pipeline.base.files import canonical_json, write_bytes, write_csv
from pipeline.base.masking import one_line, printable
from pipeline.base.paths import Paths, find_root
from pipeline.data.catalogue import DATASETS
from pipeline.data.prepared import test_file, test_one_hot
from pipeline.engine.canary import EXPECTED, canary
from pipeline.records.gather import gather
from pipeline.records.identity import Description, grouped, identity
from pipeline.records.names import configuration_names
from pipeline.records.record import (
    Finished,
    Record,
    Unfinished,
    add_test,
    copy_record,
    is_older,
    read_record,
)
from pipeline.results.evaluation import evaluate, scores
from pipeline.results.statistics import NEW_SEEDS, Summary, percents, summarise
from pipeline.sweep.engines import refuse_engine
from pipeline.sweep.guard import alone, follow_dvc, killed_by_kernel, no_orphans
from pipeline.sweep.job import description_of, reuse
from pipeline.sweep.jobs import expand, is_grid
from pipeline.sweep.watch import Watched, watching
from pipeline.tracking.live import mirrored


@dataclass
class Job:
    """A seed of a configuration, and its record; `label` tells it from the sweep's others."""

    config: Config
    record: Record
    configuration: str
    label: str


@dataclass
class Sweep:
    """What the launching process holds while the jobs run."""

    jobs: list[Job]
    folder: Path
    killed_before: int = field(default_factory=killed_by_kernel)
    console: Console = field(default_factory=wide_console)
    stack: ExitStack = field(default_factory=ExitStack)


_current: list[Sweep] = []


class Around(Callback):
    """Hydra's callback; keeps no state of its own, since Hydra sends it to every worker."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check every job, take the store, and begin to watch.

        Hydra turns a callback's exceptions into warnings; `one_line_errors` exits instead.
        """
        with one_line_errors():
            _begin(config)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Keep what a search has made up: nobody else knows it."""
        if not is_grid(config):
            path = _trials(Path(str(config.hydra.sweep.dir))) / f"{config.hydra.job.num}.yaml"
            write_bytes(path, OmegaConf.to_yaml(config).encode())

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Tell how a trial of a search has ended."""
        if not is_grid(config) and job_return.status == JobStatus.COMPLETED:
            value = job_return.return_value
            result = "no result" if value is None else f"validation {value:.2%}"
            words = " ".join(config.hydra.overrides.task)
            trial = f"{config.hydra.job.num + 1} of {config.hydra.sweeper.get('n_trials')}"
            print(f"trial {trial}: {result}, {words}", flush=True)


def _begin(composed: DictConfig) -> None:
    paths = Paths(find_root())
    follow_dvc()
    configs = expand(composed) if is_grid(composed) else []
    asked = configs[0] if configs else checked(composed)
    refuse_engine(composed.hydra, len(configs))
    if not configs and asked.seed is None and "seed" not in (composed.hydra.sweeper.params or ()):
        raise UserError("seed: allowed is seed=0, or hydra/sweeper=search, which takes the first")
    if asked.output is not None:
        _refuse_output(asked.output, configs, paths)
    _refuse_missing_data(configs, paths)
    jobs = _jobs(configs, paths)
    gather(asked, paths, training=True)
    states = [read_record(job.record.folder) for job in jobs]
    _warn_of_damage(states)
    if asked.dry_run:
        if not jobs:
            raise UserError("dry_run = true: allowed is a sweep; a search chooses as it goes")
        _tell(jobs, states, wide_console())
        raise SystemExit(0)
    sweep = Sweep(jobs, Path(str(composed.hydra.sweep.dir)))
    # Experiments that DVC runs side by side share the records: there, the second one waits.
    wait = paths.home != paths.root
    sweep.stack.enter_context(alone(paths.records, "a sweep", wait=wait))
    _warn_of_other_bytes({config.training.dtype for config in configs or [asked]}, sweep.console)
    older = sum(map(is_older, paths.records.glob("*")))
    if older:
        line = f"{older} records of an earlier format stay in {paths.records}, unused"
        sweep.console.print(line, markup=False, highlight=False, soft_wrap=True)
    if asked.tracking.live:
        sweep.stack.enter_context(mirrored(asked, paths))
    _current.append(sweep)
    finished = [state for state in states if isinstance(state, Finished)]
    if jobs and len(finished) == len(jobs):
        # Hydra would start workers, and compose each job anew.
        print("nothing to train: all seeds are complete")
        for job, state in zip(jobs, finished, strict=True):
            reuse(state, job.config.study)
        _conclude()
        raise SystemExit(0)
    # After the mirror, which may outlive this process for as long as its last pass takes.
    sweep.stack.enter_context(no_orphans())
    watched = [
        Watched(
            label=job.label,
            record=job.record,
            epochs=job.config.training.epochs,
            reused=isinstance(state, Finished),
        )
        for job, state in zip(jobs, states, strict=True)
    ]
    if watched:
        sweep.stack.enter_context(watching(watched, sweep.console))


def _warn_of_other_bytes(dtypes: set[str], console: Console) -> None:
    """Say in one line that results will differ from other machines', if they will."""
    differing = [dtype for dtype in sorted(dtypes) if canary(dtype) != EXPECTED[dtype]]
    if differing:
        console.print(
            f"this machine computes otherwise than others in {' and '.join(differing)}: results "
            "are valid, but differ in their last digits and have records of their own",
            soft_wrap=True,
        )


def _jobs(configs: Sequence[Config], paths: Paths) -> list[Job]:
    names = configuration_names([experiment(config) for config in configs])
    several = len(set(names)) > 1
    described: dict[bytes, Description] = {}
    jobs = []
    for config, name in zip(configs, names, strict=True):
        # Once a configuration, since the canary takes as long as reading ten records.
        key = canonical_json(experiment(config))
        if key not in described:
            described[key] = description_of(config, paths)
        folder = paths.records / identity({**described[key], "seed": config.seed})
        label = f"{name} · seed {config.seed}" if several else f"seed {config.seed}"
        jobs.append(Job(config, Record(folder), name, label))
    return jobs


def _warn_of_damage(states: Sequence[Finished | Unfinished]) -> None:
    for state in states:
        if isinstance(state, Unfinished) and state.damage is not None:
            damage = printable(state.damage)
            print(f"warning: {damage}; this seed is trained again", file=sys.stderr)


def _refuse_output(output: str, configs: Sequence[Config], paths: Paths) -> None:
    """Publish one configuration only: its seeds lie side by side in one folder."""
    if len({canonical_json(experiment(config)) for config in configs}) != 1:
        raise UserError(f"output = {output}: allowed with a sweep over seeds alone")
    if (paths.root / output).resolve() != paths.runs.resolve():
        raise UserError(f"output = {output}: allowed is {paths.runs.name}")


def _refuse_missing_data(configs: Sequence[Config], paths: Paths) -> None:
    for name in {config.data.name for config in configs}:
        for file in DATASETS[name].files:
            if not (paths.raw(name) / file).exists():
                raise UserError(
                    f"{paths.raw(name) / file} is missing; "
                    f"`python -m pipeline.stages.download data={name}` gets it"
                )


def _tell(jobs: Sequence[Job], states: Sequence[Finished | Unfinished], console: Console) -> None:
    table = plain_table("configuration", "seed", "record", "would")
    for job, state in zip(jobs, states, strict=True):
        would = "be trained"
        if isinstance(state, Finished):
            would = "be reused: complete"
        elif job.record.resume() is not None:
            would = f"go on after epoch {len(job.record.progress())}"
        table.add_row(job.configuration, str(job.config.seed), job.record.folder.name, would)
    console.print(table)


@contextmanager
def concluded() -> Iterator[None]:
    """Run Hydra inside this: whatever ends it, nothing is left running, and it is told.

    Raises:
        TrainingFailed: seeds are missing; says which and why.
    """
    try:
        yield
    except KeyboardInterrupt:
        for sweep in _current:
            sweep.stack.close()
        raise
    except Exception as error:  # a worker was killed, or failed where no seed should
        _conclude(error)
        raise
    _conclude()


def _conclude(cause: Exception | None = None) -> None:
    """Publish, summarise and tell; `cause` is what has ended the launcher."""
    if not _current:
        return
    sweep = _current.pop()
    sweep.stack.close()
    if cause is not None and is_bad_input(cause):
        return
    jobs = sweep.jobs or _found_by_search(sweep.folder)
    if not jobs:
        return
    ended = [Ended(job, read_record(job.record.folder)) for job in jobs]
    if any(job.config.test for job in jobs):
        ended = _evaluated(ended)
    if not sweep.jobs:
        # Of a search, the best first.
        ended.sort(key=lambda each: each.validation_accuracy or 0.0, reverse=True)
    _write_tables(sweep, ended)
    if jobs[0].config.output is not None:
        _publish(ended)
    if not sweep.jobs:
        _tell_best(sweep.folder)
    unfinished = _reasons(sweep, ended, cause)
    if unfinished:
        done = sum(isinstance(state, Finished) for _, state in ended)
        why = "; ".join(f"{', '.join(labels)}: {reason}" for reason, labels in unfinished.items())
        raise TrainingFailed(f"{done} of {len(ended)} seeds finished; {why}") from None


def _reasons(sweep: Sweep, ended: Sequence[Ended], cause: Exception | None) -> dict[str, list[str]]:
    """Return why seeds did not finish, with the seeds of each reason."""
    interrupted = "interrupted; the same command goes on"
    if cause is not None:
        interrupted = _told(cause, sweep.killed_before)
    diverged_is_a_result = not sweep.jobs and any(isinstance(state, Finished) for _, state in ended)
    reasons: dict[str, list[str]] = {}
    for job, state in ended:
        if isinstance(state, Finished):
            continue
        if diverged_is_a_result and state.failure and "traceback" not in state.origin:
            continue
        reason = state.failure or state.damage or interrupted
        reasons.setdefault(reason, []).append(job.label)
    if cause is not None and reasons:
        # Seeds may only tell why they failed before, in another command.
        reasons.setdefault(interrupted, ["launcher"])
    return reasons


def _told(cause: Exception, killed_before: int) -> str:
    """Return in one line what has ended a launcher."""
    if type(cause).__name__ != "TerminatedWorkerError":  # loky's, which only joblib can import
        return one_line(describe(cause), 400)
    signals = re.search(r"\{(.*)\}", str(cause))
    text = f"a worker was ended by {signals[1] if signals else 'a signal'}"
    if killed_by_kernel() > killed_before:
        text += " (memory was used up: the kernel killed a process)"
    return f"{text}; the same command goes on"


def _tell_best(folder: Path) -> None:
    """Print the best settings of a search, over all trials of its storage."""
    path = folder / "optimization_results.yaml"
    if path.exists():
        results = OmegaConf.load(path)
        words = [f"{key}={value}" for key, value in results.best_params.items()]
        print(f"best: validation {results.best_value:.2%} with {' '.join(words)}\n{path}")


class Ended(NamedTuple):
    """A job, and what it has left."""

    job: Job
    state: Finished | Unfinished

    @property
    def validation_accuracy(self) -> float | None:
        """None if the seed did not finish."""
        return self.state.validation_accuracy if isinstance(self.state, Finished) else None

    @property
    def test_accuracy(self) -> float | None:
        """None if the seed did not finish, or nobody has asked."""
        test = self.state.test if isinstance(self.state, Finished) else None
        return None if test is None else test["accuracy"]


def _publish(ended: Sequence[Ended]) -> None:
    paths = Paths(find_root())
    # Whatever lies there from before belongs to seeds that may no longer be declared.
    shutil.rmtree(paths.runs, ignore_errors=True)
    for job, state in ended:
        copy_record(state, paths.run(_seed(job)))


def _found_by_search(folder: Path) -> list[Job]:
    """Return the jobs that a search made up as it went."""
    composed = (OmegaConf.load(path) for path in _trials(folder).glob("*.yaml"))
    configs = [checked(config) for config in composed if isinstance(config, DictConfig)]
    return _jobs(configs, Paths(find_root()))


def _trials(folder: Path) -> Path:
    return folder / "trials"


def _evaluated(ended: Sequence[Ended]) -> list[Ended]:
    """Read the test images, where that was asked for and nobody has yet."""
    paths = Paths(find_root())
    for job, state in ended:
        if job.config.test and isinstance(state, Finished) and state.test is None:
            pixels = test_file(paths, job.config.data.name).pixels[: job.config.split.test]
            one_hot = test_one_hot(job.config, paths)
            answers = evaluate(state.model(), pixels, one_hot, job.config.training.cost)
            add_test(state, scores(answers))
    return [Ended(job, read_record(job.record.folder)) for job, _ in ended]


def _write_tables(sweep: Sweep, ended: Sequence[Ended]) -> None:
    parts = {"validation": attrgetter("validation_accuracy")}
    if any(job.config.test for job, _ in ended):
        parts["test"] = attrgetter("test_accuracy")
    heads = [head for part in parts for head in (f"{part} accuracy", f"95 %, {NEW_SEEDS}")]
    table = plain_table("configuration", "seeds", *heads)
    rows: list[list[object]] = []
    for members in grouped(ended, lambda each: experiment(each.job.config)).values():
        name = members[0].job.configuration
        summaries = [
            summarise({_seed(member.job): of(member) for member in members}, share=True)
            for of in parts.values()
        ]
        n = summaries[0].n
        rows.append([name, n, len(members), *(cell for s in summaries for cell in _cells(s))])
        texts = (text for s in summaries for text in (s.short(), percents(s.ci95)))
        table.add_row(name, f"{n} of {len(members)}", *texts)
    columns = ("mean", "sd", "ci95_low", "ci95_high")
    header = [f"{part}_accuracy_{column}" for part in parts for column in columns]
    write_csv(sweep.folder / "summary.csv", ["configuration", "n", "declared", *header], rows)
    write_csv(
        sweep.folder / "runs.csv",
        ["configuration", "seed", "record", "state", *(f"{part}_accuracy" for part in parts)],
        (
            [
                each.job.configuration,
                each.job.config.seed,
                each.job.record.folder.name,
                "complete" if isinstance(each.state, Finished) else "failed",
                *(of(each) for of in parts.values()),
            ]
            for each in ended
        ),
    )
    sweep.console.print(table)


def _cells(summary: Summary) -> list[object]:
    return [summary.mean, summary.sd, *(summary.ci95 or (None, None))]


def _seed(job: Job) -> int:
    assert job.config.seed is not None
    return job.config.seed

"""Train networks: one job per seed of each configuration.

  pipeline train                                     the seeds of params.yaml
  pipeline train seed=0,1,2                          these seeds
  pipeline train preprocess=raw,whiten               both, each with all seeds
  pipeline train training.learning_rate=0.03,0.1 network.hidden='[64],[64,32]'

A complete run is not trained again. An interrupted run continues after its last finished epoch. If
a seed fails, the others continue. Tables are saved in sweeps/<time>/.
"""

from __future__ import annotations

import shutil

from omegaconf import OmegaConf

from pipeline.base.command import Words
from pipeline.base.config import composed, experiment, started
from pipeline.base.console import wide_console
from pipeline.base.errors import Failed, one_line_errors
from pipeline.base.paths import Paths, find_root
from pipeline.data.catalogue import dataset_of
from pipeline.data.prepared import load
from pipeline.records.identity import grouped
from pipeline.records.record import Finished, add_test, copy_record
from pipeline.results.evaluation import evaluate, scores
from pipeline.results.sweep_tables import write_tables
from pipeline.sweep.launch import Ended, sweep
from pipeline.tracking.live import mirrored

OVERRIDES = """
overrides:
  Any value of params.yaml, as in training.epochs=5. Commas separate values that are swept; a list
  such as [64,32] is one value. Quote brackets and parentheses for the shell.

  seeds=[0,1,2]  the seeds that every configuration is trained with
  seed=0,1,2     these seeds instead, for this command; seed='range(20)' are twenty
  test=true      also evaluate every run on the test images
  dry_run=true   list what would be trained, and train nothing

  data=, preprocess=, network=, training=, tracking=, experiment=
                 take a variation from conf/: preprocess=raw,whiten
  hydra/launcher=local|basic|slurm|submitit_local|ray
                 what runs the jobs; hydra.launcher.n_jobs=2 bounds the processes of `local`
  hydra/sweeper=search
                 search for settings instead; hydra.sweeper.n_trials=20
"""


def main() -> None:
    """Run the sweep that the command line asks for."""
    with one_line_errors():
        words = Words(OVERRIDES)
        words.add_argument(
            "-m", "--multirun", action="store_true", help="not needed: every command is a sweep"
        )
        words.add_argument(
            "--cfg", action="store_true", help="print the resulting configuration, train nothing"
        )
        words.add_argument("overrides", nargs="*", help="see below")
        options = words.parse_intermixed_args()
        paths = Paths(find_root())
        if options.cfg:
            with started(paths):
                print(OmegaConf.to_yaml(composed(options.overrides)), end="")
            return
        outcome = sweep(options.overrides, paths, mirrored)
        if outcome is None:
            return
        ended = outcome.ended
        test = any(job.config.test for job, _ in ended)
        if test:
            ended = [_evaluated(one, paths) for one in ended]
        configurations = [
            (members[0].job.configuration, {job.seed: state for job, state in members})
            for members in grouped(ended, lambda one: experiment(one.job.config)).values()
        ]
        noun = dataset_of(ended[0].job.config.data).noun
        wide_console().print(write_tables(configurations, outcome.folder, test=test, noun=noun))
        print(f"saved in {outcome.folder}")
        if ended[0].job.config.output is not None:
            # Earlier runs there may be of seeds that are no longer declared.
            shutil.rmtree(paths.runs, ignore_errors=True)
            for job, state in ended:
                copy_record(state, paths.run(job.seed))
        if outcome.failure is not None:
            raise Failed(outcome.failure)


def _evaluated(ended: Ended, paths: Paths) -> Ended:
    """Evaluate a finished run on the test images, unless it was before."""
    job, state = ended
    if isinstance(state, Finished) and state.test is None:
        test = load(job.config, paths).test
        state = add_test(state, scores(evaluate(state.model(), test, job.config.training.cost)))
    return Ended(job, state)


if __name__ == "__main__":
    main()

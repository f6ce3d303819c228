"""Stage `studies`: compare our results with the lecture's published numbers.

Reads the sweeps `five_runs`, `author`, `preprocessing`, `whitening` and `splits` of
`studies/dvc.yaml`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pipeline.base.command import run
from pipeline.base.config import Config, from_experiment
from pipeline.base.errors import UserError
from pipeline.base.files import write_csv, write_json
from pipeline.base.paths import Paths
from pipeline.data.effect import distance_from_white, effect
from pipeline.data.prepared import load
from pipeline.lecture import figures
from pipeline.lecture.published import FIVE_RUNS, RUNS
from pipeline.lecture.studies import (
    Setting,
    against_author,
    against_five_runs,
    by_split,
    cosines,
    preprocessing,
    variances,
)
from pipeline.records.identity import grouped
from pipeline.records.record import Finished, read_finished
from pipeline.results.figures import splits as splits_figure
from pipeline.results.style import save
from pipeline.results.sweep_tables import RUNS_CSV, recorded_runs


def studies(config: Config, paths: Paths) -> None:
    """Write the comparisons and the cosine's errors, the runs behind them, and three figures."""
    (ours,), (author,) = settings(paths, "five_runs"), settings(paths, "author")
    ways = [*settings(paths, "preprocessing"), *settings(paths, "whitening")]
    splits = settings(paths, "splits")
    sources = variances(splits)
    rows = preprocessing(ways, [effects(way, paths) for way in ways])
    write_json(
        paths.studies,
        {
            "cosine": cosines(),
            "five_runs": against_five_runs(ours),
            "author": against_author(author),
            "preprocessing": rows,
            "splits": {part: asdict(each) for part, each in sources.items()},
        },
    )
    runs = [
        ("five runs", "lecture", ours.rows(last=False)),
        ("author", "author", author.rows(last=False)),
        *(("preprocessing", way.name, way.rows(last=True)) for way in ways),
        *(("splits", f"split {way.experiment['split']['seed']}", way.rows(last=True))
          for way in splits),
    ]  # fmt: skip
    write_csv(
        paths.studies_runs,
        ["study", "configuration", "seed", "epoch", "split", "accuracy"],
        ((study, name, *row) for study, name, rows in runs for row in rows),
    )
    drawn = {
        "five_runs": figures.five_runs(FIVE_RUNS, ours.values(), RUNS),
        "preprocessing": figures.study(
            {way.name: way.values()["test"][:, 0] for way in ways},
            [row["largest_input"] for row in rows],
        ),
        "splits": splits_figure(by_split(splits, "test"), sources["test"]),
    }
    for name, figure in drawn.items():
        save(figure, paths.studies_figures / f"{name}.png")


def settings(paths: Paths, sweep: str) -> list[Setting]:
    """Return the configurations of a sweep, in its order.

    Raises:
        UserError: the sweep was not run, or one of its runs is missing, failed or damaged.
    """
    folder = paths.sweeps / sweep
    if not (folder / RUNS_CSV).exists():
        raise UserError(
            f"{folder / RUNS_CSV} is missing; `make lecture` runs the sweep that writes it"
        )
    records = map(read_finished, recorded_runs(folder, paths))
    groups = grouped(records, lambda record: record.description["experiment"])
    return [_setting(records, paths) for records in groups.values()]


def _setting(records: list[Finished], paths: Paths) -> Setting:
    experiment = records[0].description["experiment"]
    test = load(from_experiment(experiment, records[0].seed), paths).test
    for record in records:
        if record.test is None:
            raise UserError(f"{record.folder}: the sweep has to be run with test=true")
    return Setting(
        experiment,
        curves={
            part: {run.seed: [epoch[part]["accuracy"] for epoch in run.history] for run in records}
            for part in ("train", "validation")
        },
        right={run.seed: run.model().predict(test.raw) == test.labels for run in records},
    )


def effects(way: Setting, paths: Paths) -> dict[str, Any]:
    """Return what a way of preprocessing does to the data of its runs."""
    data = load(from_experiment(way.experiment, seed=0), paths)
    fitted = data.fit()
    distance = distance_from_white(fitted.map, data.train.raw)
    return {
        **effect(fitted, {name: part.raw for name, part in data.parts.items()}),
        "covariance_distance_from_identity": distance,
    }


if __name__ == "__main__":
    run(studies)

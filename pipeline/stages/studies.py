"""Stage `studies`: compare our results with the lecture's published numbers.

Reads the sweeps `five_runs`, `author`, `preprocessing`, `whitening` and `splits` of
`studies/dvc.yaml`.
"""

from __future__ import annotations

import csv

from pipeline.base.command import run
from pipeline.base.config import Config, from_experiment
from pipeline.base.errors import UserError
from pipeline.base.files import write_csv, write_json
from pipeline.base.paths import Paths
from pipeline.data.effect import effect
from pipeline.data.prepared import load
from pipeline.data.preprocessing import fit
from pipeline.lecture import cosine, figures
from pipeline.lecture.published import FIVE_RUNS, RUNS
from pipeline.lecture.studies import (
    Preprocessed,
    Setting,
    against_five_runs,
    author_as_dict,
    five_runs_as_dict,
    label,
    preprocessing_as_dict,
    splits_as_dict,
)
from pipeline.records.identity import grouped
from pipeline.records.record import Finished, read_finished
from pipeline.results.figures import splits as splits_figure
from pipeline.results.style import save


def studies(config: Config, paths: Paths) -> None:
    """Write the comparisons and the cosine's errors, the runs behind them, and three figures."""
    (ours,), (author,) = settings(paths, "five_runs"), settings(paths, "author")
    ways = preprocessed(
        config, paths, [*settings(paths, "preprocessing"), *settings(paths, "whitening")]
    )
    splits = {way.experiment["split"]["seed"]: way for way in settings(paths, "splits")}
    points = against_five_runs(ours, FIVE_RUNS)
    write_json(
        paths.studies,
        {
            "cosine": cosine.measure(),
            "five_runs": five_runs_as_dict(ours, points),
            "author": author_as_dict(author),
            "preprocessing": preprocessing_as_dict(ways),
            "splits": splits_as_dict(list(splits.values())),
        },
    )
    runs = [
        ("five runs", "lecture", ours.rows(last=False)),
        ("author", "author", author.rows(last=False)),
        *(("preprocessing", way.name, way.setting.rows(last=True)) for way in ways),
        *(("splits", f"split {seed}", way.rows(last=True)) for seed, way in splits.items()),
    ]
    write_csv(
        paths.studies_runs,
        ["study", "configuration", "seed", "epoch", "split", "accuracy"],
        ((study, name, *row) for study, name, rows in runs for row in rows),
    )
    drawn = {
        "five_runs": figures.five_runs([point for point, _ in points], ours.values(), RUNS),
        "preprocessing": figures.study(
            {way.name: way.setting.values()["test"][:, 0] for way in ways},
            {way.name: (way.largest("train"), way.largest("test")) for way in ways},
        ),
        "splits": splits_figure(
            {
                (split, seed): accuracy
                for split, way in splits.items()
                for seed, accuracy in way.test.items()
            }
        ),
    }
    for name, figure in drawn.items():
        save(figure, paths.studies_figures / f"{name}.png")


def settings(paths: Paths, sweep: str) -> list[Setting]:
    """Return the configurations of a sweep, in its order.

    Raises:
        UserError: the sweep was not run, or one of its runs is missing, failed or damaged.
    """
    table = paths.sweeps / sweep / "runs.csv"
    if not table.exists():
        raise UserError(f"{table} is missing; `make lecture` runs the sweep that writes it")
    with table.open(newline="") as file:
        folders = [paths.records / row["record"] for row in csv.DictReader(file)]
    groups = grouped(map(read_finished, folders), lambda record: record.description["experiment"])
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


def preprocessed(config: Config, paths: Paths, ways: list[Setting]) -> list[Preprocessed]:
    """Return what each way of preprocessing does to the data."""
    data = load(config, paths)
    parts = {"train": data.train.raw, "validation": data.validation.raw, "test": data.test.raw}
    return [
        Preprocessed(label(chosen), way, effect(fit(data.train.raw, **chosen), parts))
        for way in ways
        for chosen in (way.experiment["preprocess"],)
    ]


if __name__ == "__main__":
    run(studies)

"""Stage `studies`: what its sweeps have left, beside what the lecture published.

Reads the sweeps `five_runs`, `author`, `preprocessing`, `whitening` and `splits` of
`studies/dvc.yaml`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.errors import UserError
from pipeline.base.files import canonical_json, read_json, write_csv, write_json
from pipeline.base.paths import Paths
from pipeline.data import prepared
from pipeline.data.effect import effect
from pipeline.data.preprocessing import fit
from pipeline.lecture import figures
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
from pipeline.records.record import Finished, read_finished
from pipeline.results.figures import splits as splits_figure
from pipeline.results.style import save

DATASET = "mnist"


def studies(config: Config, paths: Paths) -> None:
    """Write the comparisons, the runs behind them, and three figures."""
    (ours,), (author,) = settings(paths, "five_runs"), settings(paths, "author")
    ways = [*settings(paths, "preprocessing"), *settings(paths, "whitening")]
    splits = settings(paths, "splits")
    found = preprocessed(config, paths, ways)
    points = against_five_runs(ours, FIVE_RUNS)
    rows = preprocessing_as_dict(found)
    write_json(
        paths.studies,
        {
            "cosine": read_json(paths.cosine),
            "five_runs": five_runs_as_dict(ours, points),
            "author": author_as_dict(author),
            "preprocessing": rows,
            "splits": splits_as_dict(splits),
        },
    )
    write_csv(
        paths.studies_runs,
        ["study", "configuration", "seed", "epoch", "split", "accuracy"],
        [
            *long("five runs", "lecture", ours),
            *long("author", "author", author),
            *(row for way in found for row in last("preprocessing", way.name, way.setting)),
            *(row for split in splits for row in last("splits", _name(split), split)),
        ],
    )
    drawn = {
        "five_runs": figures.five_runs([point for point, _ in points], ours.values(), RUNS),
        "preprocessing": figures.study(
            {way.name: way.setting.values()["test"][:, 0] for way in found},
            {way.name: (way.largest("train"), way.largest("test")) for way in found},
        ),
        "splits": splits_figure(
            {
                (setting.experiment["split"]["seed"], seed): accuracy
                for setting in splits
                for seed, accuracy in setting.test.items()
            }
        ),
    }
    for name, figure in drawn.items():
        save(figure, paths.studies_figures / f"{name}.png")


def _name(split: Setting) -> str:
    return f"split {split.experiment['split']['seed']}"


def settings(paths: Paths, sweep: str) -> list[Setting]:
    """Return the configurations of a sweep, in its order.

    Raises:
        UserError: the sweep was not run, or one of its runs is missing, failed or damaged.
    """
    table = paths.sweeps / sweep / "runs.csv"
    if not table.exists():
        raise UserError(f"{table} is missing; `make lecture` runs the sweep that leaves it")
    by_experiment: dict[bytes, list[Finished]] = {}
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            record = read_finished(paths.records / row["record"])
            key = canonical_json(record.description["experiment"])
            by_experiment.setdefault(key, []).append(record)
    test = prepared.test_file(paths, DATASET)
    return [_setting(records, test) for records in by_experiment.values()]


def _setting(records: list[Finished], test: prepared.Images) -> Setting:
    curves: dict[str, dict[int, list[float]]] = {"train": {}, "validation": {}}
    experiment, right = records[0].description["experiment"], {}
    pixels, labels = (each[: experiment["split"]["test"]] for each in test)
    for record in records:
        for part, seeds in curves.items():
            seeds[record.seed] = [epoch[part]["accuracy"] for epoch in record.history]
        if record.test is None:
            raise UserError(f"{record.folder}: the sweep has to be run with test=true")
        right[record.seed] = record.model().predict(pixels) == labels
    return Setting(experiment, curves, right)


def preprocessed(config: Config, paths: Paths, ways: list[Setting]) -> list[Preprocessed]:
    """Return what each way of preprocessing does to the data."""
    images = prepared.training_file(paths, DATASET)
    indices = prepared.split_for(config, paths, images.labels)
    train = images.pixels[indices.train]
    parts = {
        "train": train,
        "validation": images.pixels[indices.validation],
        "test": prepared.test_file(paths, DATASET).pixels[: config.split.test],
    }
    return [
        Preprocessed(label(chosen), way, effect(fit(train, **chosen), parts))
        for way in ways
        for chosen in (way.experiment["preprocess"],)
    ]


def long(study: str, name: str, setting: Setting) -> Iterator[tuple[object, ...]]:
    """Yield a row per seed, epoch and split; test images were read after the last epoch alone."""
    for part, seeds in setting.curves.items():
        for seed, values in seeds.items():
            for epoch, value in enumerate(values, start=1):
                yield study, name, seed, epoch, part, value
    for seed, value in setting.test.items():
        yield study, name, seed, setting.experiment["training"]["epochs"], "test", value


def last(study: str, name: str, setting: Setting) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the last epoch alone."""
    epochs = setting.experiment["training"]["epochs"]
    return (row for row in long(study, name, setting) if row[3] == epochs)


if __name__ == "__main__":
    run(studies)

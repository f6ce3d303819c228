"""The tables of a sweep: one row per configuration, and one per run."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from pipeline.base.console import plain_table
from pipeline.base.files import write_csv
from pipeline.base.paths import Paths
from pipeline.records.record import Finished, Unfinished
from pipeline.results.evaluation import recorded_accuracy
from pipeline.results.statistics import NEW_SEEDS, percents, summarise

RUNS_CSV = "runs.csv"
Configuration = tuple[str, Mapping[int, Finished | Unfinished]]
"""A name, and the record of every seed."""


def write_tables(
    configurations: Sequence[Configuration], folder: Path, *, test: bool, noun: str = "images"
) -> Table:
    """Write `summary.csv` and `runs.csv`; return the summary as a table for the terminal.

    Args:
        configurations: of the sweep.
        folder: of the sweep.
        test: whether to include test accuracy.
        noun: the data set's word for its examples.
    """
    parts = ("validation", "test") if test else ("validation",)
    question = NEW_SEEDS.replace("images", noun)
    table = plain_table(
        "configuration",
        "seeds",
        *(head for part in parts for head in (f"{part} accuracy", f"95 %, {question}")),
    )
    summary, runs = [], []
    for name, records in configurations:
        values = {
            part: {seed: recorded_accuracy(record, part) for seed, record in records.items()}
            for part in parts
        }
        known = [summarise(values[part], share=True) for part in parts]
        finished, declared = known[0].n, known[0].declared
        texts = (text for each in known for text in (each.short(), percents(each.ci95)))
        table.add_row(name, f"{finished} of {declared}", *texts)
        numbers = [(each.mean, each.sd, *(each.ci95 or (None, None))) for each in known]
        summary.append([name, finished, declared, *(value for row in numbers for value in row)])
        for seed, record in records.items():
            state = "complete" if isinstance(record, Finished) else "failed"
            accuracies = (values[part][seed] for part in parts)
            runs.append([name, seed, record.folder.name, state, *accuracies])
    columns = ("mean", "sd", "ci95_low", "ci95_high")
    header = [f"{part}_accuracy_{column}" for part in parts for column in columns]
    write_csv(folder / "summary.csv", ["configuration", "n", "declared", *header], summary)
    header = ["configuration", "seed", "record", "state", *(f"{part}_accuracy" for part in parts)]
    write_csv(folder / RUNS_CSV, header, runs)
    return table


def recorded_runs(folder: Path, paths: Paths) -> list[Path]:
    """Return the folder of each run's record, in the order of a sweep's `runs.csv`."""
    with (folder / RUNS_CSV).open(newline="") as file:
        return [paths.records / row["record"] for row in csv.DictReader(file)]

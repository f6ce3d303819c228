"""Write the tables of a sweep: one row per configuration, and one per run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from pipeline.base.console import plain_table
from pipeline.base.files import write_csv
from pipeline.records.record import Finished, Unfinished
from pipeline.results.statistics import NEW_SEEDS, percents, summarise


class Run(NamedTuple):
    """A run of a sweep: its configuration's name, its seed, and its record."""

    configuration: str
    seed: int
    record: Finished | Unfinished

    def accuracies(self) -> dict[str, float | None]:
        """Return validation and test accuracy; None if there is none yet."""
        if isinstance(self.record, Unfinished):
            return {"validation": None, "test": None}
        test = self.record.test
        return {
            "validation": self.record.validation_accuracy,
            "test": None if test is None else test["accuracy"],
        }


def write_tables(configurations: Sequence[Sequence[Run]], folder: Path, *, test: bool) -> Table:
    """Write `summary.csv` and `runs.csv`; return the summary as a table for the terminal.

    Args:
        configurations: the runs of each configuration.
        folder: of the sweep.
        test: whether to include test accuracy.
    """
    parts = ("validation", "test") if test else ("validation",)
    table = plain_table(
        "configuration",
        "seeds",
        *(head for part in parts for head in (f"{part} accuracy", f"95 %, {NEW_SEEDS}")),
    )
    summary, runs = [], []
    for members in configurations:
        name = members[0].configuration
        accuracies = {run.seed: run.accuracies() for run in members}
        finished = sum(of["validation"] is not None for of in accuracies.values())
        numbers: list[float | None] = []
        texts: list[str] = []
        for part in parts:
            statistics = summarise({seed: of[part] for seed, of in accuracies.items()}, share=True)
            numbers += [statistics.mean, statistics.sd, *(statistics.ci95 or (None, None))]
            texts += [statistics.short(), percents(statistics.ci95)]
        table.add_row(name, f"{finished} of {len(accuracies)}", *texts)
        summary.append([name, finished, len(accuracies), *numbers])
        for run in members:
            state = "complete" if isinstance(run.record, Finished) else "failed"
            of = run.accuracies()
            runs.append(
                [name, run.seed, run.record.folder.name, state, *(of[part] for part in parts)]
            )
    columns = ("mean", "sd", "ci95_low", "ci95_high")
    header = [f"{part}_accuracy_{column}" for part in parts for column in columns]
    write_csv(folder / "summary.csv", ["configuration", "n", "declared", *header], summary)
    header = ["configuration", "seed", "record", "state", *(f"{part}_accuracy" for part in parts)]
    write_csv(folder / "runs.csv", header, runs)
    return table

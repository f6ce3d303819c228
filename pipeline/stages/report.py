"""Write reports/index.html (one file with all results), reports/summary.md and their figures."""

from __future__ import annotations

import math

from pipeline.base.command import run
from pipeline.base.config import Config, experiment
from pipeline.base.errors import UserError
from pipeline.base.files import canonical_json, read_json, write_bytes
from pipeline.base.paths import Paths
from pipeline.data.catalogue import dataset_of
from pipeline.data.prepared import load
from pipeline.records.gather import declared
from pipeline.records.names import configuration_names
from pipeline.records.record import Finished, read_record
from pipeline.results.evaluation import evaluate_all, summaries
from pipeline.results.report import Results, draw, page, summary
from pipeline.results.style import png

SAMPLE = 2000  # training images in the figure of preprocessing


def report(config: Config, paths: Paths) -> Results:
    """Draw every figure, write the page and the text; return what they show."""
    records = declared(config, paths)
    finished = [record for record in records.values() if record]
    if not finished:
        raise UserError(f"{paths.runs}: no declared seed finished, so there is nothing to show")
    results = read(config, paths, records)
    pictures = {name: png(figure) for name, figure in draw(results).items()}
    for name, content in pictures.items():
        write_bytes(paths.figures / f"{name}.png", content)
    write_bytes(paths.learning_curves, pictures["learning_curves"])
    write_bytes(paths.page, page(results, pictures).encode())
    write_bytes(paths.summary, summary(results).encode())
    print_tried_before(config, paths, finished)
    return results


def read(config: Config, paths: Paths, records: dict[int, Finished | None]) -> Results:
    """Return the results of the earlier stages."""
    (name,) = configuration_names([experiment(config)])
    data = load(config, paths)
    answers = evaluate_all(records, data.test, config.training.cost)
    return Results(
        config=config,
        name=name,
        dataset=data.dataset,
        records=[record for record in records.values() if record],
        summaries=summaries(records, answers),
        answers=answers,
        preprocess=read_json(paths.preprocess_summary),
        test_pixels=data.test.raw,
        sample=data.train.raw[:SAMPLE],
    )


def print_tried_before(config: Config, paths: Paths, records: list[Finished]) -> None:
    """Print how many other configurations of the study were trained before these records.

    It depends on what was trained here, so it is printed beside the report and is no part of it.
    """
    started = [record.origin["started"] for record in records if "started" in record.origin]
    if not started:
        return
    tried = {
        canonical_json(state.description["experiment"])
        for state in map(read_record, paths.records.glob("*"))
        if state.description is not None
        and config.study in state.origin.get("studies", [])
        and state.origin.get("started", math.inf) < min(started)
    } - {canonical_json(records[0].description["experiment"])}
    print(
        f"{len(tried)} other configurations of the study {config.study!r} were trained here, and "
        f"seen on the validation {dataset_of(config.data).noun}, before this one"
    )


if __name__ == "__main__":
    run(report)

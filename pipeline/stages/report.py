"""Stage `report`: figures of the results, a page that needs no other file, a text to paste."""

from __future__ import annotations

import math

from pipeline.base.command import run
from pipeline.base.config import Config, experiment
from pipeline.base.errors import UserError
from pipeline.base.files import canonical_json, read_json, write_bytes
from pipeline.base.paths import Paths
from pipeline.data import prepared
from pipeline.records.gather import declared
from pipeline.records.names import configuration_names
from pipeline.records.provenance import made_by
from pipeline.records.record import Finished, read_record
from pipeline.results import tables
from pipeline.results.report import Experiment, draw, page
from pipeline.results.style import png

PARTS, METRICS = ("train", "validation", "test"), ("accuracy", "loss")
SAMPLE = 2000  # training images in the figure of preprocessing


def report(config: Config, paths: Paths) -> None:
    """Draw every figure, and write the page and the text."""
    records = [record for record in declared(config, paths).values() if record]
    if not records:
        raise UserError(f"{paths.runs}: no declared seed finished, so there is nothing to show")
    shown = read(config, paths, records)
    pictures = {name: png(figure) for name, figure in draw(shown).items()}
    for name, content in pictures.items():
        write_bytes(paths.figures / f"{name}.png", content)
    made = page(shown, pictures, made_by(paths.root))
    write_bytes(paths.page, made.html().encode())
    write_bytes(paths.summary, made.markdown().encode())


def read(config: Config, paths: Paths, records: list[Finished]) -> Experiment:
    """Return what the stages before have left."""
    (name,) = configuration_names([experiment(config)])
    images = prepared.training_file(paths, config.data.name)
    train = prepared.split_for(config, paths, images.labels).train
    return Experiment(
        config=config,
        configuration=name,
        summaries={
            part: {metric: tables.read_summary(paths.metrics, part, metric) for metric in METRICS}
            for part in PARTS
        },
        curves=tables.read_curves(paths.history, "accuracy"),
        predictions=tables.read_predictions(paths.predictions),
        confusion=tables.read_confusion(paths.confusion),
        f1=tables.read_class_scores(paths.classes)["f1"],
        preprocess=read_json(paths.preprocess_summary),
        test_pixels=prepared.test_file(paths, config.data.name).pixels[: config.split.test],
        sample=images.pixels[train[:SAMPLE]],
        model=records[0].model(),
        split=read_json(paths.split_summary),
        descriptions=[record.description for record in records],
        manifests={record.seed: record.manifest for record in records},
        origins=[record.origin for record in records],
        tried_before=tried_before(config, paths, records),
    )


def tried_before(config: Config, paths: Paths, records: list[Finished]) -> int | None:
    """Return how many other configurations of the study were trained before these records.

    None if it is not recorded when these were trained.
    """
    started = [record.origin["started"] for record in records if "started" in record.origin]
    if not started:
        return None
    tried = {
        canonical_json(state.description["experiment"])
        for state in map(read_record, paths.records.glob("*"))
        if state.description is not None
        and config.study in state.origin.get("studies", [])
        and state.origin.get("started", math.inf) < min(started)
    }
    return len(tried - {canonical_json(records[0].description["experiment"])})


if __name__ == "__main__":
    run(report)

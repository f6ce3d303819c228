"""Write reports/draw.html: a page on which the networks in runs/ recognise the digit that you draw.

This is not a DVC stage, since the page names the commit that it was made from.
"""

from __future__ import annotations

from pipeline.base.command import run
from pipeline.base.config import Config, experiment
from pipeline.base.errors import UserError
from pipeline.base.files import write_bytes
from pipeline.base.paths import Paths
from pipeline.data.prepared import load
from pipeline.draw.page import page
from pipeline.records.gather import declared
from pipeline.records.names import configuration_names
from pipeline.records.provenance import made_by


def draw(config: Config, paths: Paths) -> None:
    """Write the page."""
    records = {seed: record for seed, record in declared(config, paths).items() if record}
    if not records:
        raise UserError(f"{paths.runs}: no declared seed finished, so there is no network")
    (name,) = configuration_names([experiment(config)])
    models = {seed: record.model() for seed, record in records.items()}
    manifests = [
        (f"seed {seed}: manifest, SHA-256", record.manifest) for seed, record in records.items()
    ]
    provenance = [*made_by(paths.root), *manifests]
    made = page(config, name, models, load(config, paths).test, provenance)
    write_bytes(paths.draw_page, made.encode())
    print(paths.draw_page)


if __name__ == "__main__":
    run(draw)

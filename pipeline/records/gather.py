"""Copy the published runs in `runs/`, with their test results, into `records/`.

`runs/` may come from DVC (`dvc pull`, `dvc exp apply`) and hold runs that were never trained here.
DVC trusts its cache, so the files are checked before they are used.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from pipeline.base.config import Config, experiment
from pipeline.base.errors import UserError
from pipeline.base.files import fits, read_json
from pipeline.base.paths import Paths
from pipeline.records.identity import identity
from pipeline.records.record import (
    SCORES,
    Finished,
    Test,
    Unfinished,
    add_test,
    adopt,
    copy_record,
    is_older,
    read_record,
)


def gather(config: Config, paths: Paths, *, training: bool = False) -> dict[str, Finished]:
    """Copy published runs and their test results into the records.

    A damaged published run is restored from its record.

    Args:
        config: says which study the published runs belong to.
        paths: where runs, results and records are.
        training: whether the runs will be published again, so that damage is no error.

    Returns:
        The records of the published runs that finished, by the name of the run's folder.

    Raises:
        UserError: a published run is damaged and has no record, or the test results are damaged.
    """
    tests = read_tests(paths.tests)
    gathered = {}
    for folder in sorted(paths.runs.glob("seed-*")):
        published = read_record(folder)
        if isinstance(published, Finished):
            record = _take(published, paths.records / published.identity, config.study)
        elif published.failure is not None or is_older(folder) or training:
            continue
        else:
            record = _put_back(published, paths.records)
        test = tests.get(record.manifest)
        if test is not None and test != record.test:
            record = add_test(record, test)
        gathered[folder.name] = record
    return gathered


def declared(config: Config, paths: Paths) -> dict[int, Finished | None]:
    """Return the record of every declared seed, or None if it failed.

    Raises:
        UserError: a run is missing, damaged, or of another experiment.
    """
    gathered = gather(config, paths)
    records: dict[int, Finished | None] = {}
    for seed in config.seeds:
        folder = paths.run(seed)
        record = gathered.get(folder.name)
        if record is None:
            state = read_record(folder)
            if not isinstance(state, Unfinished) or state.failure is None:
                raise UserError(
                    f"{folder} is missing or of an earlier format; `dvc repro` makes it"
                )
        elif record.seed != seed or record.description["experiment"] != experiment(config):
            raise UserError(f"{folder} is of another experiment; `dvc repro` trains this one")
        records[seed] = record
    return records


def read_tests(path: Path) -> dict[str, Test]:
    """Return the test results of each run that was evaluated, by its record's manifest.

    Raises:
        UserError: the file holds something else.
    """
    entries = read_json(path) if path.exists() else []
    if not fits(entries, [{"seed": int, "manifest": str, **SCORES}]):
        raise UserError(f"{path} holds no test results; `dvc repro` makes it again")
    for entry in entries:
        del entry["seed"]  # for readers
    return {entry.pop("manifest"): entry for entry in entries}


def _take(published: Finished, folder: Path, study: str) -> Finished:
    """Return the record of a published run in `folder`; make it if there is none."""
    if record := _same(published, folder):
        return record  # without writing: the folder may be read-only
    folder.mkdir(parents=True, exist_ok=True)
    # No other process may train it meanwhile; one may have just finished it.
    with FileLock(folder / ".lock"):
        record = _same(published, folder)
        return record or adopt(replace(published, test=None), folder, {"studies": [study]})


def _same(published: Finished, folder: Path) -> Finished | None:
    """Return the record in `folder` if it is that of a published run."""
    record = read_record(folder)
    if isinstance(record, Finished) and record.manifest == published.manifest:
        return record
    return None


def _put_back(published: Unfinished, records: Path) -> Finished:
    """Restore a damaged published run from its record; return the record."""
    described = published.description
    record = None if described is None else read_record(records / identity(described))
    if not isinstance(record, Finished):
        damage = published.damage or f"{published.folder} is not complete"
        again = "`dvc repro --force train` trains what is missing and publishes it"
        raise UserError(f"{damage}; {again}")
    copy_record(record, published.folder)
    return record

"""Taking into `records/` what lies in `runs/` and among the results: every run, with its test.

`runs/` may come from DVC (`dvc pull`, `dvc exp apply`) and hold runs that were never trained here.
DVC also trusts its cache, so what it puts there is checked before it is used.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from filelock import FileLock

from pipeline.base.config import Config, experiment
from pipeline.base.errors import UserError
from pipeline.base.files import read_json
from pipeline.base.paths import Paths
from pipeline.records.identity import identity
from pipeline.records.record import (
    Finished,
    Record,
    Test,
    Unfinished,
    add_origin,
    add_test,
    are_scores,
    completed,
    copy_record,
    is_older,
    read_record,
)

AGAIN = "`dvc repro --force train` trains what is missing, and hands it on"


def gather(config: Config, paths: Paths, *, training: bool = False) -> dict[str, Finished]:
    """Take published runs and their test results into the records.

    A published run that is damaged is put back from its record.

    Args:
        config: says which study the published runs belong to.
        paths: where runs, results and records are.
        training: whether what is damaged will be published anew, and so is no error.

    Returns:
        The published runs that finished, with what their records add, by their folder's name.

    Raises:
        UserError: a published run is damaged and there is no record of it, or the file of test
            results is.
    """
    tests = _read_tests(paths.tests)
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
            in_records = dataclasses.replace(record, folder=paths.records / record.identity)
            add_test(in_records, test)
            record = dataclasses.replace(record, test=test)
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


def _read_tests(path: Path) -> dict[str, Test]:
    """Return test results by the manifest of the record that they belong to."""
    if not path.exists():
        return {}
    tests: dict[str, Test] = {}
    try:
        for entry in read_json(path):
            scores = {k: v for k, v in entry.items() if k not in ("seed", "manifest")}
            if not are_scores(scores):
                raise TypeError
            tests[str(entry["manifest"])] = scores
    except (AttributeError, KeyError, TypeError):
        raise UserError(f"{path} holds no test results; `dvc repro` makes it again") from None
    return tests


def _take(published: Finished, folder: Path, study: str) -> Finished:
    """Return a published run with what its record adds; the record is made if there is none."""
    record = completed(published, folder)
    if record is None:
        folder.mkdir(parents=True, exist_ok=True)
        # Nobody else may be training it meanwhile.
        with FileLock(folder / ".lock"):
            for name in ("origin.json", "test.json"):
                (folder / name).unlink(missing_ok=True)
            copy_record(published, folder)
            Record(folder).forget_progress()
            record = dataclasses.replace(published, origin={"studies": [study]})
            add_origin(dataclasses.replace(record, folder=folder), record.origin)
    return record


def _put_back(published: Unfinished, records: Path) -> Finished:
    """Return the record of a damaged published run, which is copied from there again."""
    described = published.description
    record = None if described is None else read_record(records / identity(described))
    if not isinstance(record, Finished):
        raise UserError(f"{published.damage or f'{published.folder} is not complete'}; {AGAIN}")
    copy_record(record, published.folder)
    return record

"""What the train stage has handed on, checked: DVC may have put it there from its cache.

Convention: DVC trusts an object in its cache as long as the file is read-only, and a copy of it as
long as nobody has touched that; so a damaged object would come back again and again.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator

from pipeline.config import Config, experiment
from pipeline.errors import UserError
from pipeline.paths import Paths
from pipeline.records.record import Record


def refuse_damaged(paths: Paths) -> None:
    """Check every published record; nothing is published before the first training.

    Raises:
        UserError: one is damaged. It is removed, and DVC made to check its cache, so that the next
            `dvc repro` makes it again.
    """
    for folder in sorted(paths.runs.glob("seed-*")):
        record = Record(folder)
        damage = None if record.failure() is not None else record.damage()
        if damage is not None:
            _distrust(paths)
            shutil.rmtree(folder)
            raise UserError(
                f"{damage}; removed, and DVC made to check its cache: `dvc repro` makes it again"
            )


def declared(config: Config, paths: Paths) -> Iterator[tuple[int, Record | None]]:
    """Yield every declared seed with its record, or with None if it failed.

    Raises:
        UserError: a record is missing, damaged, or of another experiment.
    """
    refuse_damaged(paths)
    for seed in config.seeds:
        record = Record(paths.run(seed))
        if record.failure() is not None:
            yield seed, None
            continue
        record.require()
        described = record.description
        if described["experiment"] != experiment(config) or described["seed"] != seed:
            raise UserError(
                f"{record.folder} is of another experiment; `dvc repro` trains this one"
            )
        yield seed, record


def _distrust(paths: Paths) -> None:
    """Make the cache's objects writable: DVC hashes those, and drops what does not fit its name."""
    for path in paths.cache.glob("*/*"):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)

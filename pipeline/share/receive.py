"""Take the records of a share in, marked as somebody else's.

Everything in it is computed again first, but for trainings, which `pipeline verify result.zip`
repeats. Imported records stand in comparisons and in MLflow beside one's own, and no training ever
hands them on as its own.
"""

from __future__ import annotations

import pipeline.stages  # isort: skip  # noqa: F401  # before NumPy: chooses its kernels

import tempfile
from pathlib import Path

from filelock import FileLock

from pipeline.base.command import Words, given
from pipeline.base.errors import UserError, one_line_errors
from pipeline.base.paths import Paths, find_root
from pipeline.records.agreement import Level
from pipeline.records.record import Finished, add_origin, add_test, copy_record, read_record
from pipeline.share.check import Checked, check


def main() -> None:
    """Import the file that the command line names."""
    with one_line_errors(), tempfile.TemporaryDirectory() as folder:
        words = Words()
        words.prog = "pipeline import"
        words.add_argument("zip", type=Path, help="the file that `pipeline share` has written")
        path, here = words.parse_args(given()).zip, Paths(find_root())
        checked = check(path, here, Path(folder))
        if checked.level not in (Level.SAME_BYTES, Level.WITHIN_TOLERANCE):
            raise UserError(f"{path}: its results are not what its records give; nothing imported")
        take_in(checked, here)


def take_in(checked: Checked, here: Paths) -> None:
    """Copy records that were checked into those of a checkout; tells what it did.

    Raises:
        UserError: a record here has the same name and other bytes; nothing is imported then.
    """
    missing = []
    for record in checked.records:
        folder = here.records / record.identity
        known = read_record(folder)
        if not isinstance(known, Finished):
            missing.append(record)
        elif known.manifest != record.manifest:
            raise UserError(f"{folder} is of the same run and has other bytes; nothing imported")
        else:
            print(f"seed {record.seed}: {folder} has the same bytes already")
    for record in missing:
        folder = here.records / record.identity
        folder.mkdir(parents=True, exist_ok=True)
        # Nobody else may be training it meanwhile.
        with FileLock(folder / ".lock"):
            copy_record(record, folder)
            imported = read_record(folder)
            assert isinstance(imported, Finished)
            add_origin(imported, {"studies": [checked.study], "shared": checked.source})
            if record.test is not None:
                add_test(imported, record.test)
        print(f"seed {record.seed}: imported into {folder}")


if __name__ == "__main__":
    main()

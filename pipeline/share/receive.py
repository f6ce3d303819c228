"""Copy the records of a shared result into records/, marked with the names of its authors.

Before that, everything in the zip is computed again, except the trainings; `pipeline verify
result.zip` repeats those, too. Comparisons and MLflow show imported records next to your own. If
you train the same seed, it is really trained and not taken from an import.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from filelock import FileLock

from pipeline.base.command import Words
from pipeline.base.errors import UserError, one_line_errors
from pipeline.base.paths import Paths, find_root
from pipeline.records.agreement import Level
from pipeline.records.record import Finished, adopt, read_record, shared_by
from pipeline.share.check import Checked, check


def main() -> None:
    """Import the file that the command line names."""
    with one_line_errors(), tempfile.TemporaryDirectory() as folder:
        words = Words()
        words.prog = "pipeline import"
        words.add_argument("zip", type=Path, help="a file written by `pipeline share`")
        path, here = words.parse_args().zip, Paths(find_root())
        checked = check(path, here, Path(folder))
        if checked.level not in (Level.SAME_BYTES, Level.WITHIN_TOLERANCE):
            raise UserError(
                f"{path}: its results do not follow from its records; nothing was imported"
            )
        take_in(checked, here)


def take_in(checked: Checked, here: Paths) -> None:
    """Copy checked records into those of a checkout; print what was done.

    Raises:
        UserError: a record here has the same name and other bytes; nothing is imported then.
    """
    for record in checked.made.results.records:
        folder = here.records / record.identity
        known = read_record(folder)
        if isinstance(known, Finished) and known.manifest != record.manifest:
            raise UserError(
                f"{folder} is of the same run but has different bytes; nothing was imported"
            )
    for record in checked.made.results.records:
        folder = here.records / record.identity
        folder.mkdir(parents=True, exist_ok=True)
        # No other process may train it meanwhile.
        with FileLock(folder / ".lock"):
            print(f"seed {record.seed}: {_import(record, folder, checked)} {folder}")


def _import(record: Finished, folder: Path, checked: Checked) -> str:
    """Write a record to `folder` if there is none; returns what was done."""
    known = read_record(folder)
    if isinstance(known, Finished):
        return "the same bytes are already in"
    if known.description is not None and shared_by(known) is None:
        return "not imported, since your own run is not complete in"
    adopt(
        record, folder, {"studies": [checked.made.results.config.study], "shared": checked.source}
    )
    return "imported into"


if __name__ == "__main__":
    main()

"""Write the result of `params.yaml` as one zip file that others can check and cite.

The zip holds the runs of all seeds, their results and report, the code, and instructions for the
receiver. Equal results of the same commit give equal bytes, whoever writes the zip.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline.base.command import Words
from pipeline.base.errors import UserError, one_line_errors, refuse
from pipeline.base.files import sha256, write_bytes
from pipeline.base.paths import Paths, find_root
from pipeline.share.archive import pack
from pipeline.share.computed import METADATA, Contradiction, compute
from pipeline.share.contents import LOCK, given, holds


def main() -> None:
    """Write the file that the command line names."""
    with one_line_errors():
        words = Words()
        words.prog = "pipeline share"
        words.add_argument(
            "output", nargs="?", default="result.zip", type=Path, help="default: result.zip"
        )
        output = words.parse_args().output
        if output.suffix != ".zip":
            refuse("output", output, "the name of a file that ends in .zip")
        content = share(Paths(find_root()))
        try:
            write_bytes(output, content)
        except OSError as error:
            raise UserError(f"{output} cannot be written ({error.strerror})") from None
        print(f"{output}: {len(content) / 1e6:.1f} MB, SHA-256 {sha256(content)}")


def share(paths: Paths) -> bytes:
    """Return the zip file of the result in a checkout.

    Everything is computed from the records, even what stages have already written.

    Raises:
        UserError: a file is missing, or a result does not follow from the records.
    """
    files, commit = given(paths)
    renewed = "`dvc repro` makes it again"
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = compute(files, commit, paths, Path(folder))
        except Contradiction as error:
            raise UserError(f"{error}; {renewed}") from None
        files |= made.files
        wrong = made.misfits(files)
    for name, content in made.files.items():
        path = paths.root / name
        if name.startswith(("results/", "reports/")) and not holds(path, content):
            raise UserError(f"{path} does not follow from the records; {renewed}")
    if wrong:
        raise UserError(f"{paths.root / LOCK} does not fit {wrong[0]}; {renewed}")
    return pack({**files, METADATA: made.metadata(files)})


if __name__ == "__main__":
    main()

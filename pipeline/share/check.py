"""Check a share: compute again everything that follows from its records.

Convention: what is wrong with the file itself raises; a result that differs from what the
records give is reported in one line, and lowers the level of agreement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.base.errors import UserError
from pipeline.base.files import content_of, parse_json, sha256
from pipeline.base.git import FULL_HASH
from pipeline.base.masking import one_line
from pipeline.base.paths import Paths
from pipeline.records.agreement import TOLERANCE, Level
from pipeline.share.archive import unpack
from pipeline.share.citation import names
from pipeline.share.computed import COMPUTED, METADATA, Computed, compute
from pipeline.share.contents import CHANGES, FILES, LOCK, Commit, holds, is_given
from pipeline.share.crate import PROJECT, WORKFLOW

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
NUMBER = re.compile(rb"-?\d+\.\d+(?:e[+-]?\d+)?")
MOST_NAMES = 3
LARGEST_TEXT = 2**22  # bytes of a file that is parsed


class Checked(NamedTuple):
    """A share whose numbers were computed again.

    Attributes:
        made: what follows from its records.
        source: authors, title, commit, date and SHA-256 of the file.
        level: how far the share's results agree with what its records give.
    """

    made: Computed
    source: dict[str, str]
    level: Level


def check(path: Path, here: Paths, root: Path) -> Checked:
    """Compute a share's results again; print a line for each file that differs.

    Args:
        path: of the zip file.
        here: the checkout whose code computes.
        root: an empty folder for the share's files. Data that are missing here are downloaded.

    Raises:
        UserError: it is no share, or the share contradicts itself.
    """
    content = content_of(path)
    files = unpack(content, path.name)
    _refuse_large(files, path.name)
    commit = _commit(files, path.name)
    given = {name: files[name] for name in files if not name.startswith(COMPUTED)}
    try:
        _refuse_files(given)
        made = compute(given, commit, here, root)
        wrong = made.misfits(files)
        # Metadata and lock are about the share's own files, which may differ in rounding.
        shared = {name: files.get(name, content) for name, content in made.files.items()}
        expected = {**made.files, METADATA: made.metadata({**given, **shared})}
    except UserError as error:
        raise UserError(f"{path.name}: {error}") from None
    _compare_code(given, here, commit)
    level = Level.SAME_BYTES
    if wrong:
        print(f"  {LOCK}: does not fit the share's files: {_some(wrong)}")
        level = Level.DIFFERENT
    levels = [
        _compare(files.get(name), expected.get(name), name)
        for name in sorted({*expected, *files} - {*given})
    ]
    level = max(level, *levels, key=lambda each: each.value)
    citation = made.citation
    source = {"by": names(citation.authors), "title": citation.title, "commit": commit.hash,
              "date": commit.date, "sha256": sha256(content)}  # fmt: skip
    return Checked(made, source, level)


def _refuse_large(files: Mapping[str, bytes], name: str) -> None:
    for file, content in files.items():
        is_compared = file.startswith(("results/", "reports/"))
        if len(content) > LARGEST_TEXT and not (is_compared or file.endswith(".npz")):
            raise UserError(f"{name}: {file} is larger than {LARGEST_TEXT} bytes")


def _commit(files: Mapping[str, bytes], name: str) -> Commit:
    if METADATA not in files:
        raise UserError(f"{name}: {METADATA} is missing")
    graph = parse_json(files[METADATA], name=f"{name}: {METADATA}")
    try:
        entities = {entity["@id"]: entity for entity in graph["@graph"]}
        commit = Commit(entities[WORKFLOW]["version"], entities["./"]["datePublished"])
        if FULL_HASH.fullmatch(commit.hash) and DATE.fullmatch(commit.date):
            return commit
    except (KeyError, TypeError):
        pass
    raise UserError(f"{name}: {METADATA} names no valid commit and date")


def _refuse_files(given: Mapping[str, bytes]) -> None:
    for name in given:
        if not is_given(name):
            raise UserError(
                f"{name} does not belong in a share: `pipeline share` writes no such file"
            )
    for name in (*FILES, WORKFLOW, PROJECT):
        if name not in given:
            raise UserError(f"{name} is missing")


def _compare_code(given: Mapping[str, bytes], here: Paths, commit: Commit) -> None:
    """Print which files of the code differ from those here, and where to get the share's code."""
    names = [name.removeprefix("code/") for name in given if name.startswith("code/")]
    other = [name for name in names if not holds(here.root / name, given[f"code/{name}"])]
    compared = f"{len(other)} differ from those here: {_some(other)}"
    print(f"  code: {len(names)} files, {compared if other else 'all the same as here'}")
    if other:
        print(f"  results may differ for that reason: commit {commit.hash} has the share's code")
    if CHANGES in given:
        print(f"  {CHANGES}: holds uncommitted changes of the code, which were not run")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return one_line(f"{', '.join(names[:MOST_NAMES])}{more}")


def _compare(shared: bytes | None, made: bytes | None, name: str) -> Level:
    """Return how far a file agrees with what the records give; print a line if it differs."""
    if shared == made:
        return Level.SAME_BYTES
    if shared is None:
        print(f"  {name}: is missing")
    elif made is not None and name.startswith("results/") and _are_close(shared, made):
        print(f"  {name}: the same numbers up to rounding")
        return Level.WITHIN_TOLERANCE
    else:
        print(f"  {name}: does not follow from the records")
    return Level.DIFFERENT


def _are_close(first: bytes, second: bytes) -> bool:
    """Tell whether two texts differ by no more than the rounding of the numbers in them."""
    return NUMBER.split(first) == NUMBER.split(second) and all(
        math.isclose(float(a), float(b), rel_tol=TOLERANCE["float64"])
        for a, b in zip(NUMBER.findall(first), NUMBER.findall(second), strict=True)
    )

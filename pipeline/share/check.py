"""Check a share: compute again everything that follows from its records.

Convention: what is wrong with the file itself raises; a result that differs from what the
records give is reported in one line, and lowers the level of agreement.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.base.config import compose
from pipeline.base.errors import UserError
from pipeline.base.files import content_of, parse_json, read_bytes, sha256
from pipeline.base.git import FULL_HASH
from pipeline.base.paths import Paths
from pipeline.data.prepared import load
from pipeline.engine import VERSION
from pipeline.engine.canary import canary
from pipeline.records.agreement import TOLERANCE, Level
from pipeline.records.code import code_digest
from pipeline.records.gather import declared
from pipeline.records.record import Finished
from pipeline.results.evaluation import evaluate, scores
from pipeline.share.archive import unpack
from pipeline.share.citation import names, read_citation
from pipeline.share.contents import (
    CHANGES,
    CITATION,
    COMPUTED,
    FILES,
    METADATA,
    RUNS,
    Commit,
    computed,
    is_given,
    lay_out,
)
from pipeline.share.crate import PROJECT, WORKFLOW

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
NUMBER = re.compile(rb"-?\d+\.\d+(?:e[+-]?\d+)?")
MOST_NAMES = 3


class Checked(NamedTuple):
    """A share whose numbers were computed again.

    Attributes:
        records: of the seeds that finished.
        study: that they belong to.
        source: authors, title, commit, date and SHA-256 of the file.
        level: how far the share's results agree with what its records give.
    """

    records: list[Finished]
    study: str
    source: dict[str, str]
    level: Level


def check(path: Path, here: Paths, root: Path) -> Checked:
    """Compute a share's results again; print a line for each file that differs.

    Args:
        path: of the zip file.
        here: the checkout whose code computes.
        root: an empty folder; nothing is written elsewhere.

    Raises:
        UserError: it is no share, or the share contradicts itself.
    """
    content = content_of(path)
    files = unpack(content, path.name)
    commit = _commit(files, path.name)
    given = {name: files[name] for name in files if not name.startswith(COMPUTED)}
    try:
        _refuse_files(given)
        checkout = lay_out(given, here, root)
        _refuse_records(given, checkout)
        made = computed(given, commit, checkout)
        records = _finished(checkout)  # by now with their test results
        citation = read_citation(root / CITATION)
    except UserError as error:
        # The temporary folder means nothing to the user.
        text = str(error).replace(f"{root}{os.sep}", "")
        raise UserError(f"{path.name}: {text}") from None
    _compare_code(given, here)
    level = max(
        (_compare(files.get(name), made.get(name), name)
         for name in sorted({*made, *files} - {*given})),
        key=lambda level: level.value,
    )  # fmt: skip
    source = {"by": names(citation.authors), "title": citation.title, "commit": commit.hash,
              "date": commit.date, "sha256": sha256(content)}  # fmt: skip
    return Checked(records, compose(checkout).study, source, level)


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


def _finished(checkout: Paths) -> list[Finished]:
    records = declared(compose(checkout), checkout).values()
    return [record for record in records if record is not None]


def _refuse_records(given: Mapping[str, bytes], checkout: Paths) -> None:
    """Refuse records that were changed, or that contradict the share's other files."""
    config = compose(checkout)
    for name in given:
        seed = RUNS.fullmatch(name)
        if seed and int(seed[1]) not in config.seeds:
            raise UserError(f"{name} is of a seed that params.yaml does not declare")
        if seed and seed[2] == "failure.json" and f"runs/seed-{seed[1]}/manifest.json" in given:
            raise UserError(f"{name} is of a run that finished")
    code = None if CHANGES in given else _digest(checkout.root / "code" / "pipeline")
    validation = load(config, checkout).validation
    for record in _finished(checkout):
        run, described = checkout.run(record.seed), record.description
        ours = {"version": VERSION, "canary": canary(config.training.dtype)}
        if described["arithmetic"] != ours:
            raise UserError(
                f"{run} was computed with a different version of the arithmetic than here"
            )
        if code is not None and described["code"] != code:
            raise UserError(f"{run} was trained by different code than code/ in the share")
        answers = scores(evaluate(record.model(), validation, config.training.cost))
        claims = record.history[-1]["validation"]
        if not all(
            math.isclose(claims[name], answers.get(name, math.nan), rel_tol=1e-6) for name in claims
        ):
            raise UserError(
                f"{run}: its model's scores on the validation images differ from those it records"
            )


def _digest(package: Path) -> str:
    """Return the digest of code, which is never run; "" if it is no valid code."""
    try:
        return code_digest(package)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def _compare_code(given: Mapping[str, bytes], here: Paths) -> None:
    """Print which files of the code differ from those here."""
    names = [name.removeprefix("code/") for name in given if name.startswith("code/")]
    other = [name for name in names if _content(here.root / name) != given[f"code/{name}"]]
    more = f" and {len(other) - MOST_NAMES} more" if len(other) > MOST_NAMES else ""
    compared = f"{len(other)} differ from those here: {', '.join(other[:MOST_NAMES])}{more}"
    print(f"  code: {len(names)} files, {compared if other else 'all the same as here'}")
    if CHANGES in given:
        print(f"  {CHANGES}: holds uncommitted changes of the code; they were not applied")


def _content(path: Path) -> bytes | None:
    try:
        return read_bytes(path)
    except OSError:
        return None


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

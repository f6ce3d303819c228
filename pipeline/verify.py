"""Compute a result again, and report how closely the two agree.

  pipeline verify               the committed results: every stage, every byte
  pipeline verify runs/seed-0   one training run: the folder of its record, or its name in records/
  pipeline verify 3f2b...       a run of the MLflow store, by its id
  pipeline verify result.zip    a shared result: every number, and the training of one seed

A record may come from a stranger, so none of its code is run. `verify` trains the run again in a
fresh checkout of the commit that the record names, if that commit is in the history of one of your
branches or tags. It shows uncommitted changes that the record holds, and applies them only with
`--apply-changes`. With `--code-here` it trains with the code in this folder instead. SECURITY.md
says what `verify` detects and what it cannot.

Exit codes: 0 the same bytes, 3 within tolerance, 4 statistically the same, 5 different (see
`pipeline.records.agreement`); 1 it could not be computed again; 2 invalid input.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.base.command import Words, params_bytes
from pipeline.base.config import Config, compose, from_experiment
from pipeline.base.errors import Failed, UserError, one_line_errors
from pipeline.base.files import read_yaml, sha256, write_bytes
from pipeline.base.git import GitError, apply, clone, git, head, reachable
from pipeline.base.masking import one_line, printable
from pipeline.base.paths import Paths, find_root
from pipeline.base.processes import CODE, copy_code, python
from pipeline.data.prepared import Prepared, load
from pipeline.records.agreement import (
    Level,
    Scores,
    causes,
    claims,
    first_difference,
    level,
)
from pipeline.records.identity import Description
from pipeline.records.model import Model
from pipeline.records.names import configuration_names
from pipeline.records.provenance import diff_bytes
from pipeline.records.record import (
    SEALED,
    Finished,
    Unfinished,
    is_older,
    read_finished,
    read_record,
)
from pipeline.results.evaluation import evaluate, scores
from pipeline.stages.download import download

# The first digits of a record's name, or the id of a run in MLflow.
NAME = re.compile(r"[0-9a-f]{1,32}")
RUN_ID_LENGTH = 32
# The largest number of lines of a recorded change that are printed.
MOST_LINES = 200
# What each option is for.
COMMITTED, RECORD, SHARE = "the committed results", "a record", "a shared zip"
OPTIONS = {"lecture": COMMITTED, "apply_changes": RECORD, "code_here": RECORD, "all_seeds": SHARE}
_CODE_HERE = "--code-here trains with the code in this folder"


def main() -> None:
    """Verify what the command line names; the exit code is the level reached."""
    with one_line_errors():
        words = Words()
        words.add_argument(
            "what", nargs="?", help="a record's folder or name, an MLflow run id, or a shared zip"
        )
        code = words.add_mutually_exclusive_group()
        code.add_argument(
            "--apply-changes",
            action="store_true",
            help="apply the uncommitted changes that the record holds: read them first",
        )
        code.add_argument(
            "--code-here",
            action="store_true",
            help="train with the code in this folder, whatever commit the record names",
        )
        words.add_argument(
            "--lecture", action="store_true", help="the lecture's results, too (about ten minutes)"
        )
        words.add_argument(
            "--all-seeds", action="store_true", help="train all seeds of a shared zip, not one"
        )
        options = words.parse_args()
        paths = Paths(find_root())
        with tempfile.TemporaryDirectory() as folder:
            if options.what is None:
                _refuse_options(options, COMMITTED)
                reached = verify_committed(paths, Path(folder), lecture=options.lecture)
            elif options.what.endswith(".zip") or _is_file(options.what):
                _refuse_options(options, SHARE)
                reached = verify_share(Path(options.what), paths, Path(folder), options)
            else:
                _refuse_options(options, RECORD)
                record = find(options.what, paths, Path(folder))
                reached = verify_record(record, paths, Path(folder), options)
        print(f"\n{reached}")
        raise SystemExit(reached.value)


def _refuse_options(options: argparse.Namespace, what: str) -> None:
    for name, meant in OPTIONS.items():
        if getattr(options, name) and what != meant:
            raise UserError(f"--{name.replace('_', '-')}: allowed for {meant}, not for {what}")


def _is_file(what: str) -> bool:
    """Tell whether a file is meant: whoever receives a share may call it anything."""
    return not NAME.fullmatch(what) and os.path.isfile(what)


# --- a record ----------------------------------------------------------------------------------


def find(what: str, paths: Paths, folder: Path) -> Finished:
    """Return the record that a user means.

    Raises:
        UserError: there is none, several fit, or it is damaged.
    """
    if not NAME.fullmatch(what):
        if what and os.path.isdir(what):
            return read_finished(Path(what))
        raise UserError(
            f"{one_line(what)!r} is neither a record's folder or name nor an MLflow run id"
        )
    fitting = [path.parent for path in paths.records.glob(f"{what}*/description.json")]
    if len(fitting) > 1:
        raise UserError(f"{what}: {len(fitting)} records match; allowed is the name of one")
    if fitting:
        return read_finished(fitting[0])
    if len(what) == RUN_ID_LENGTH:
        # Imported only now: it takes seconds.
        from pipeline.tracking.fetch import fetch

        fetch(what, compose(paths).tracking.uri, paths, folder / "run")
        return read_finished(folder / "run")
    raise UserError(f"{what}: no such record in {paths.records} or elsewhere")


def verify_record(
    record: Finished, paths: Paths, folder: Path, options: argparse.Namespace
) -> Level:
    """Train a record again, and report how closely the two agree.

    Raises:
        UserError: it names code that runs only if the user allows it.
    """
    described = record.description
    known = read_record(paths.records / record.identity)
    if not record.origin and isinstance(known, Finished) and known.manifest == record.manifest:
        record = known  # a published run has no origin
    (name,) = configuration_names([described["experiment"]])
    print(f"{name}, seed {record.seed}: record {record.identity}")
    record.model()  # raises for an invalid model, before any training
    checkout = Paths(folder / "checkout")
    code, description = _code_of(record, paths, folder / "code", options)
    # Not more of a commit: it may hold records, data or modules that would be used instead.
    copy_code(code, checkout.root, "requirements.lock")
    print(f"  trained in {description}")
    again = _train_again(described, paths, checkout)
    data = load(from_experiment(described["experiment"], record.seed), checkout)
    answers, answers_again = (_scores(each.model(), data) for each in (record, again))
    reached = level(record, again, answers, answers_again)
    _print(record, again, answers, answers_again)
    differing = causes(record, again)
    if reached is not Level.SAME_BYTES and not differing:
        print("  cause: no known difference; was the record changed?")
    for cause in differing:
        word = "cause" if reached is not Level.SAME_BYTES else "different, but without effect"
        print(f"  {word}: {cause}")
    return reached


def _code_of(
    record: Finished, paths: Paths, folder: Path, options: argparse.Namespace
) -> tuple[Path, str]:
    """Return a folder with the code to train with, and a readable description of it."""
    commit, diff = record.origin.get("commit"), diff_bytes(record.origin)
    if commit is None or options.code_here:
        why = "" if options.code_here else ", since the record names no commit"
        return paths.root, f"a copy of the code in this folder{why}"
    changed = record.origin.get("changed") or ["files that it does not name"]
    names = one_line(", ".join(changed))
    try:
        if not reachable(paths.root, commit):
            raise UserError(
                f"the record names commit {one_line(commit)}, which is in the history of no "
                f"branch or tag here, so nothing of it is run; {_CODE_HERE}"
            )
        clone(paths.root, folder, commit)
        if not (record.origin.get("dirty") or diff):
            return folder, f"a fresh checkout of commit {commit}"
        if not options.apply_changes:
            lines = printable(diff.decode(errors="backslashreplace")).splitlines()
            print("\n".join(f"  | {line}" for line in lines[:MOST_LINES]))
            if len(lines) > MOST_LINES:
                print(f"  | ... and {len(lines) - MOST_LINES} lines more, in its origin.json")
            raise UserError(
                f"the record was made with uncommitted changes of {names}, shown above as "
                f"far as they were kept; --apply-changes runs them, {_CODE_HERE}"
            )
        if not diff or record.origin.get("masked"):
            raise UserError(
                f"the uncommitted changes of {names} were not kept as they were (they are "
                f"too large, or held a password); {_CODE_HERE}"
            )
        apply(folder, diff)
    except GitError as error:
        raise UserError(f"the record's code cannot be obtained: {error}; {_CODE_HERE}") from None
    made = f"a fresh checkout of commit {commit}"
    return folder, f"{made}, with the uncommitted changes that were recorded"


def _train_again(described: Description, paths: Paths, checkout: Paths) -> Finished:
    config = from_experiment(described["experiment"], described["seed"])
    write_bytes(checkout.params, params_bytes(config))
    python(checkout.root, "pipeline.stages.download", env=_data(config, paths))
    python(
        checkout.root,
        "pipeline.stages.train",
        *("hydra/launcher=basic", "tracking.live=false", f"seed={config.seed}"),
    )
    made = [path.parent for path in checkout.records.glob("*/manifest.json")]
    if len(made) != 1 or is_older(made[0]):
        raise UserError(
            f"the commit that the record names makes records of another format; {_CODE_HERE}"
        )
    return read_finished(made[0])


def _data(config: Config, paths: Paths) -> dict[str, str]:
    """Return the environment variable that names the data's folder to another checkout."""
    download(config, paths)
    return {"MNIST_MIRROR": str(paths.raw(config.data.name).parent)}


def _scores(model: Model, data: Prepared) -> Scores:
    """Return a model's scores on every part of the data."""
    cost = data.config.training.cost
    return {name: scores(evaluate(model, part, cost)) for name, part in data.parts.items()}


def _print(record: Finished, again: Finished, answers: Scores, answers_again: Scores) -> None:
    """Print how files, accuracies and weights compare."""
    for name in SEALED:
        same = record.hashes[name] == again.hashes[name]
        print(f"  {name}: {'the same bytes' if same else 'different bytes'}")
    claimed = claims(record)
    for part in answers:
        recorded, its_model, trained_again = (
            f"{100 * scored[part]['accuracy']:.4f} %" if part in scored else "nothing"
            for scored in (claimed, answers, answers_again)
        )
        print(
            f"  {part} accuracy: {recorded} in the record, {its_model} by its model, "
            f"{trained_again} trained again"
        )
    epoch = first_difference(record.history, again.history)
    if epoch is not None:
        print(f"  weights differ from epoch {epoch} on")


def verify_share(path: Path, paths: Paths, folder: Path, options: argparse.Namespace) -> Level:
    """Compute every number of a shared zip again, and train one of its seeds or all.

    Seeds that the share says failed are always trained. Only the code in this folder is run.
    """
    from pipeline.share.check import check  # takes seconds

    checked = check(path, paths, folder / "share")
    options.code_here = True
    reached = [checked.level]
    records = checked.made.results.records
    for record in records if options.all_seeds else records[:1]:
        reached.append(verify_record(record, paths, folder / f"seed-{record.seed}", options))
    for failed in checked.made.failed:
        reached.append(verify_failure(failed, paths, Paths(folder / failed.folder.name)))
    return max(reached, key=lambda level: level.value)


def verify_failure(record: Unfinished, paths: Paths, checkout: Paths) -> Level:
    """Train a seed again that did not finish, and report whether it fails in the same way."""
    assert record.description is not None
    print(f"{record.folder.name} is said to have failed: {one_line(record.failure)}")
    copy_code(paths.root, checkout.root)
    try:
        _train_again(record.description, paths, checkout)
    except Failed:
        failed = [read_record(path.parent) for path in checkout.records.glob("*/failure.json")]
        if [each.failure for each in failed if isinstance(each, Unfinished)] == [record.failure]:
            print("  trained again, it fails in the same way")
            return Level.SAME_BYTES
    print("  trained again, it does not fail, or not in the same way")
    return Level.DIFFERENT


# --- the committed results ---------------------------------------------------------------------

# The lecture's results have a pipeline of their own, which takes ten minutes.
PIPELINE, LECTURE = "dvc.yaml", "studies/dvc.yaml"
# What is copied beside the code: not records, runs and data, since all is computed again.
COPIED = ("params.yaml", "dvc.lock", ".dvc/config", "requirements.lock", "results", "reports",
          "studies")  # fmt: skip
# It has no outputs.
NOT_RUN = "track"


def verify_committed(paths: Paths, folder: Path, *, lecture: bool) -> Level:
    """Compute every result again from the raw data, and compare.

    All files that stages write are compared with the commit (by their hashes in `dvc.lock` if git
    does not keep them), and with the files in the user's checkout.
    """
    checkout = Paths(folder / "checkout")
    try:
        commit, code = head(paths.root), folder / "code"
        clone(paths.root, code, commit)
        copy_code(code, checkout.root, *COPIED, ".git", ".gitignore")
        print(f"the results of commit {commit}, in a fresh checkout")
    except GitError as error:
        commit = None
        copy_code(paths.root, checkout.root, *COPIED)
        python(checkout.root, "dvc", "config", "--local", "core.no_scm", "true")
        print(f"the results in this folder, in a copy ({error})")
    lock = _lock(checkout)
    data = _data(compose(checkout), paths)
    pipelines = [PIPELINE, LECTURE] if lecture else [PIPELINE]
    for file in pipelines:
        # The stages of dvc.yaml, not of dvc.lock, which is to be checked.
        stages = [name for name in read_yaml(checkout.root / file)["stages"] if name != NOT_RUN]
        targets = stages if file == PIPELINE else [f"{file}:{name}" for name in stages]
        python(checkout.root, "dvc", "repro", "--force", *targets, env=data)
    again = _contents(checkout, pipelines)
    for path, digest in sorted(again.items()):
        print(f"  {digest}  {path}")
    wrong = []
    if commit is not None:
        words = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--")
        status = git(checkout.root, *words, *CODE, *COPIED)
        changed = [entry[3:].decode(errors="backslashreplace") for entry in status.split(b"\0")]
        wrong += [f"{path} differs from the commit" for path in changed if path]
    if _lock(paths) == lock:
        here = {path: paths.root / path for path in again if (paths.root / path).is_file()}
        others = [path for path in here if sha256(here[path].read_bytes()) != again[path]]
        wrong += [f"{path} differs in this folder" for path in others]
    else:
        print("  not compared with this folder, whose dvc.lock is not the committed one")
    print("\n".join(f"  {one_line(line)}" for line in wrong) or "  all as committed")
    if not lecture:
        print(f"  not made again: the results of {LECTURE}; --lecture does, in ten minutes")
    return Level.DIFFERENT if wrong else Level.SAME_BYTES


def _lock(checkout: Paths) -> bytes | None:
    path = checkout.root / "dvc.lock"
    return path.read_bytes() if path.exists() else None


def _contents(checkout: Paths, pipelines: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of every file that stages have written, by path."""
    files: list[Path] = []
    for file in pipelines:
        lock = (checkout.root / file).with_suffix(".lock")
        stages = read_yaml(lock)["stages"].values()
        outs = [checkout.root / out["path"] for stage in stages for out in stage.get("outs", [])]
        files += [lock, *outs, *(path for out in outs for path in out.rglob("*"))]
    return {
        str(path.relative_to(checkout.root)): sha256(path.read_bytes())
        for path in files
        if path.is_file()
    }


if __name__ == "__main__":
    main()

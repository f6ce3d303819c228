"""Make a result again, and say how far it came back.

  pipeline verify               the committed results, from raw data to every byte
  pipeline verify runs/seed-0   a record: its folder, or its name in records/
  pipeline verify 3f2b...       a run of the MLflow store, by its id

A record may come from a stranger, so it is data and never code. It is trained again from the
commit that it names, if that is in the history of a branch or tag here, in a fresh checkout.
Uncommitted changes that it recorded are shown, and applied with `--apply-changes` alone.
`--code-here` trains with the code that lies here instead. SECURITY.md says what verifying finds
and what it cannot.

Exit codes: 0 the same bytes, 3 within tolerance, 4 statistically the same, 5 different (see
`pipeline.records.agreement`); 1 it could not be made again; 2 bad input.
"""

from __future__ import annotations

import pipeline.stages  # isort: skip  # noqa: F401  # before NumPy: chooses its kernels

import csv
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from pipeline.base.command import Words, given
from pipeline.base.config import Config, compose, from_experiment
from pipeline.base.errors import UserError, one_line_errors
from pipeline.base.files import read_json, read_yaml, sha256, write_bytes
from pipeline.base.git import GitError, apply, clone, git, head, reachable
from pipeline.base.masking import one_line, printable
from pipeline.base.paths import Paths, find_root
from pipeline.base.processes import DVC_VARIABLES, python
from pipeline.data.prepared import load
from pipeline.records.agreement import (
    Level,
    Scores,
    causes,
    claims,
    first_difference,
    level,
    statistical_level,
)
from pipeline.records.environment import one_blas_thread
from pipeline.records.names import configuration_names
from pipeline.records.provenance import diff_bytes
from pipeline.records.record import SEALED, Finished, is_older, read_finished, read_record
from pipeline.results.evaluation import evaluate
from pipeline.results.evaluation import scores as scores_of
from pipeline.stages.download import download

# What a checkout without git consists of.
COPIED = ("pipeline", "conf", "dvc.yaml", "dvc.lock", "params.yaml", ".dvcignore", ".dvc/config",
          "requirements.lock", "results", "reports", "studies")  # fmt: skip
# Of a record, from its first digits on, or of MLflow's.
NAME = re.compile(r"[0-9a-f]{1,32}")
RUN_ID_LENGTH = 32
# What is shown of a recorded change, in lines.
MOST_LINES = 200
_OLDER = "the commit that the record names makes records of an earlier format, or none"
_CODE_HERE = "--code-here trains with the code that lies here"


class Choices(NamedTuple):
    """What the command line allows: to run recorded changes, or the code that lies here."""

    apply_changes: bool
    code_here: bool


def main() -> None:
    """Verify what the command line names; the exit code is the level reached."""
    with one_line_errors():
        parser = Words()
        parser.add_argument(
            "what", nargs="?", help="a record's folder or name, or an MLflow run id"
        )
        code = parser.add_mutually_exclusive_group()
        code.add_argument(
            "--apply-changes",
            action="store_true",
            help="run the uncommitted changes that the record holds: look at them first",
        )
        code.add_argument(
            "--code-here",
            action="store_true",
            help="train with the code that lies here, whatever the record says it was made with",
        )
        parser.add_argument(
            "--lecture", action="store_true", help="the lecture's results, too (some ten minutes)"
        )
        arguments = parser.parse_args(given())
        choices = Choices(arguments.apply_changes, arguments.code_here)
        paths = Paths(find_root())
        for name in DVC_VARIABLES:
            os.environ.pop(name, None)  # they speak of a stage that this may run in
        with tempfile.TemporaryDirectory() as folder:
            if arguments.what is None:
                reached = verify_committed(paths, Path(folder), lecture=arguments.lecture)
            else:
                record = find(arguments.what, paths, Path(folder))
                reached = verify_record(record, paths, Path(folder), choices)
        print(f"\n{reached}")
        raise SystemExit(reached.value)


# --- a record ----------------------------------------------------------------------------------


def find(what: str, paths: Paths, folder: Path) -> Finished:
    """Return the record that a user means.

    Raises:
        UserError: there is none, several fit, or it is damaged.
    """
    if not NAME.fullmatch(what):
        if what and os.path.isdir(what):
            return read_finished(Path(what))
        raise UserError(f"{one_line(what)!r} is no record's folder or name, and no MLflow run id")
    fitting = [
        path.parent
        for path in sorted(paths.records.glob("*/description.json"))
        if path.parent.name.startswith(what)
    ]
    if len(fitting) > 1:
        raise UserError(f"{what}: allowed is a name of one record; these are {len(fitting)}")
    if fitting:
        return read_finished(fitting[0])
    if len(what) == RUN_ID_LENGTH:
        # Imported only now: it takes seconds.
        from pipeline.tracking.fetch import fetch

        fetch(what, compose(paths).tracking.uri, paths, folder / "run")
        return read_finished(folder / "run")
    raise UserError(f"{what}: there is no such record in {paths.records} or elsewhere")


def verify_record(record: Finished, paths: Paths, folder: Path, choices: Choices) -> Level:
    """Train a record again, and say what came of it.

    Raises:
        UserError: it names code that is not run without being asked for.
    """
    described = record.description
    known = read_record(paths.records / record.identity)
    if not record.origin and isinstance(known, Finished) and known.manifest == record.manifest:
        record = known  # of a published run, which is only what is the same for everybody
    (name,) = configuration_names([described["experiment"]])
    print(f"{name}, seed {record.seed}: record {record.identity}")
    record.model()  # which is no model of this network is not trained
    checkout = Paths(folder / "checkout")
    print(f"  trained in {_check_out(record, paths, checkout.root, choices)}")
    again = _train_again(record, paths, checkout)
    config = from_experiment(described["experiment"], record.seed)
    answers, answers_again = _answers((record, again), config, checkout)
    reached = level(record, again, answers, answers_again)
    _compare(record, again, answers, answers_again)
    epoch = first_difference(record.history, again.history)
    if epoch is not None:
        print(f"  weights differ from epoch {epoch} on")
    differing = causes(described, again.description, record.origin, again.origin)
    if reached is not Level.SAME_BYTES and not differing:
        print("  cause: nothing that is known differs; was the record changed?")
    for cause in differing:
        word = "cause" if reached is not Level.SAME_BYTES else "though it differs"
        print(f"  {word}: {cause}")
    return reached


def _check_out(record: Finished, paths: Paths, folder: Path, choices: Choices) -> str:
    """Make a checkout to train in; returns what it is, for a person to read."""
    commit = record.origin.get("commit")
    if commit is None or choices.code_here:
        _copy(paths, folder)
        why = "" if choices.code_here else ", since the record names no commit"
        return f"a copy of the code that lies here{why}"
    try:
        known = reachable(paths.root, str(commit))
    except GitError as error:
        raise UserError(f"the record names a commit, and {error}; {_CODE_HERE}") from None
    if not known:
        raise UserError(
            f"the record names commit {one_line(commit)}, which is in the history of no "
            f"branch or tag here, so nothing of it is run; {_CODE_HERE}"
        )
    _clone(paths, folder, str(commit))
    diff = diff_bytes(record.origin)
    if not (record.origin.get("dirty") or diff):
        return f"a fresh checkout of commit {commit}"
    names = one_line(", ".join(record.origin.get("changed") or ["files that it does not name"]))
    if not choices.apply_changes:
        _show(diff)
        raise UserError(
            f"the record was made with uncommitted changes of {names}, shown above as "
            f"far as they were kept; --apply-changes runs them, {_CODE_HERE}"
        )
    if not diff or record.origin.get("masked"):
        raise UserError(
            f"the uncommitted changes of {names} were not kept as they were (they are "
            f"too large, or held a password); {_CODE_HERE}"
        )
    try:
        apply(folder, diff)
    except GitError as error:
        raise UserError(f"the recorded changes do not apply: {error}; {_CODE_HERE}") from None
    return f"a fresh checkout of commit {commit}, with the uncommitted changes that were recorded"


def _show(diff: bytes) -> None:
    lines = printable(diff.decode(errors="backslashreplace")).splitlines()
    print("\n".join(f"  | {line}" for line in lines[:MOST_LINES]))
    if len(lines) > MOST_LINES:
        print(f"  | ... and {len(lines) - MOST_LINES} lines more, in the record's origin.json")


def _train_again(record: Finished, paths: Paths, checkout: Paths) -> Finished:
    described = record.description
    if not checkout.params.exists():
        raise UserError(f"{_OLDER}; {_CODE_HERE}")
    values = OmegaConf.load(checkout.params)
    params = OmegaConf.merge(values, described["experiment"], {"seeds": [record.seed]})
    write_bytes(checkout.params, OmegaConf.to_yaml(params).encode())
    data = _data(from_experiment(described["experiment"], record.seed), paths)
    python(checkout.root, "pipeline.stages.download", env=data)
    python(
        checkout.root,
        "pipeline.stages.train",
        *("hydra/launcher=basic", "tracking.live=false", f"seed={record.seed}"),
    )
    (again,) = (path.parent for path in checkout.records.glob("*/manifest.json"))
    if is_older(again):
        raise UserError(f"{_OLDER}; {_CODE_HERE}")
    return read_finished(again)


def _data(config: Config, paths: Paths) -> dict[str, str]:
    """Return the variable that tells another checkout where the data are."""
    download(config, paths)
    return {"MNIST_MIRROR": str(paths.raw(config.data.name).parent)}


def _answers(records: Sequence[Finished], config: Config, paths: Paths) -> list[Scores]:
    """Return what each record's model answers on the validation and the test images."""
    data = load(config, paths)
    parts = {"validation": data.validation, "test": data.test}
    scores: list[Scores] = []
    with one_blas_thread():
        for model in (record.model() for record in records):
            answers = {
                name: evaluate(model, part.raw, part.one_hot, config.training.cost)
                for name, part in parts.items()
            }
            scores.append({part: scores_of(each) for part, each in answers.items()})
    return scores


def _compare(record: Finished, again: Finished, answers: Scores, answers_again: Scores) -> None:
    """Print what is compared, and how each compares."""
    same = {True: "the same bytes", False: "other bytes"}
    for name in SEALED:
        print(f"  {name}: {same[record.hashes[name] == again.hashes[name]]}")
    claimed = claims(record)
    for part in answers:
        said = f"{claimed[part]['accuracy']:.4%}" if part in claimed else "nothing"
        print(
            f"  {part} images: the record says {said}, its model answers "
            f"{answers[part]['accuracy']:.4%}, trained again {answers_again[part]['accuracy']:.4%}"
        )


# --- the committed results ---------------------------------------------------------------------

# The lecture's results have a pipeline of their own, which takes ten minutes.
FILES, LECTURE = ("dvc.yaml",), "studies/dvc.yaml"
# It has no outputs.
NOT_RUN = "track"


def verify_committed(paths: Paths, folder: Path, *, lecture: bool) -> Level:
    """Make every result again from the raw data, and compare what comes of it.

    Compared are the contents of all files that stages write: with what is committed, by
    `dvc.lock` where git does not keep them, and with what lies in the checkout of whoever asks.
    """
    checkout = Paths(folder / "checkout")
    try:
        commit = head(paths.root)
    except GitError as error:
        _copy(paths, checkout.root)
        python(checkout.root, "dvc", "config", "--local", "core.no_scm", "true")
        print(f"the results that lie here, in a copy ({error})")
    else:
        _clone(paths, checkout.root, commit)
        print(f"the results of commit {commit}, in a fresh checkout")
    files = [*FILES, LECTURE] if lecture else FILES
    before, locked, accuracies = _contents(checkout), _locked(checkout), _accuracies(checkout)
    data = _data(compose(checkout), paths)
    for file in files:
        # The stages of dvc.yaml, which is code: dvc.lock is a claim that is to be checked.
        names = [name for name in read_yaml(checkout.root / file)["stages"] if name != NOT_RUN]
        targets = names if file in FILES else [f"{file}:{name}" for name in names]
        python(checkout.root, "dvc", "repro", "--force", *targets, env=data)
    again = _contents(checkout)
    skipped = _outs(checkout, LECTURE) if LECTURE not in files else ()
    for path, digest in sorted(again.items()):
        if not path.startswith(skipped):
            print(f"  {digest}  {path}")
    wrong = [f"{path} is not what is committed" for path in _changed(checkout, before, again)]
    if _locked(paths) == locked:
        here = _contents(paths)
        wrong += [f"{path} here is another" for path in here if here[path] != again.get(path)]
    else:
        print("  what lies here is of another experiment, by dvc.lock, and is not compared")
    print("\n".join(f"  {line}" for line in wrong) or "  all as committed")
    if skipped:
        print(f"  not made again: the results of {LECTURE}; --lecture does, in ten minutes")
    if not wrong:
        return Level.SAME_BYTES
    if locked == _locked(checkout):
        # The same runs give the same results, to the byte: somebody has changed these.
        return Level.DIFFERENT
    return _level_of(accuracies, _accuracies(checkout), compose(checkout))


def _outs(checkout: Paths, file: str) -> tuple[str, ...]:
    """Return the paths that the stages of a file of DVC's write to; none if there is no file."""
    if not (checkout.root / file).exists():
        return ()
    stages = read_yaml(checkout.root / file)["stages"].values()
    return tuple(path for stage in stages for out in stage["outs"] for path in out)


def _changed(checkout: Paths, before: Mapping[str, str], again: Mapping[str, str]) -> list[str]:
    """Return what differs from the commit, by git; in a copy without git, from before."""
    try:
        status = git(checkout.root, "status", "--porcelain", "-z", "--untracked-files=all")
    except GitError:
        known = (path for path in {**before, **again} if not path.startswith("runs/"))
        return sorted(path for path in known if before.get(path) != again.get(path))
    return [entry[3:].decode(errors="backslashreplace") for entry in status.split(b"\0") if entry]


def _contents(checkout: Paths) -> dict[str, str]:
    """Return the SHA-256 of every file in the folders that stages write to, by path."""
    folders = (checkout.runs, checkout.results, checkout.root / "reports")
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(checkout.root)): sha256(path.read_bytes())
        for path in [*files, checkout.root / "dvc.lock"]
        if path not in (checkout.page, checkout.lecture_page)  # they name commit and time
    }


def _locked(checkout: Paths) -> Any:
    """Return the hash that `dvc.lock` has of the runs; None if it has none."""
    try:
        stages = read_yaml(checkout.root / "dvc.lock")["stages"]
        return {out["path"]: out["md5"] for out in stages["train"]["outs"]}
    except (OSError, KeyError, TypeError):
        return None


def _accuracies(checkout: Paths) -> dict[str, float]:
    """Return every accuracy in the results, by a name that begins with the part of the data."""
    try:
        accuracies = {
            f"test seed {entry['seed']}": float(entry["accuracy"])
            for entry in read_json(checkout.tests)
        }
        with checkout.history.open(newline="") as file:
            return accuracies | {
                f"{row['split']} seed {row['seed']} epoch {row['epoch']}": float(row["value"])
                for row in csv.DictReader(file)
                if row["metric"] == "accuracy"
            }
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{checkout.results} holds no results that can be read ({error})") from None


def _level_of(recorded: Mapping[str, float], again: Mapping[str, float], config: Config) -> Level:
    if recorded.keys() != again.keys():
        return Level.DIFFERENT
    return statistical_level(
        recorded, again, {name: getattr(config.split, name.split()[0]) for name in recorded}
    )


# --- both --------------------------------------------------------------------------------------


def _copy(paths: Paths, folder: Path) -> None:
    for name in COPIED:
        source, target = paths.root / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _clone(paths: Paths, folder: Path, commit: str) -> None:
    try:
        clone(paths.root, folder, commit)
    except GitError as error:
        raise UserError(f"git could not check out {commit}: {error}") from None


if __name__ == "__main__":
    main()

"""Make a result again, and say how far it came back: `python -m pipeline.verify`.

    python -m pipeline.verify                  the committed results, from raw data to dvc.lock
    python -m pipeline.verify runs/seed-0      a record: its folder, or its name in records/
    python -m pipeline.verify 3f2b...          a run of the MLflow store, by its id

A record is trained again from what it says of itself, in a fresh checkout of its commit where git
has that, with its uncommitted changes where it kept them; else from the code that lies here.

Exit codes: 0 the same bytes, 3 within tolerance, 4 statistically the same, 5 different (see
`pipeline.records.agreement`); 1 it could not be made again; 2 bad input.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from pipeline import numerics
from pipeline.config import compose
from pipeline.errors import UserError, one_line_errors
from pipeline.files import read_json, read_yaml, write_bytes
from pipeline.paths import Paths, find_root
from pipeline.processes import python
from pipeline.records.agreement import PARTS, Level, causes, level, statistical_level
from pipeline.records.identity import identity
from pipeline.records.record import Record
from pipeline.sweep.naming import configuration_names

# What a checkout without git consists of.
COPIED = ("pipeline", "conf", "dvc.yaml", "dvc.lock", "params.yaml", ".dvcignore", ".dvc/config",
          "requirements.lock", "results", "reports")  # fmt: skip
RUN_ID = re.compile(r"[0-9a-f]{32}")


def main() -> None:
    """Verify what the command line names; the exit code is the level reached."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.verify", description="Make a result again and compare."
    )
    parser.add_argument("what", nargs="?", help="a record's folder or name, or an MLflow run id")
    asked = parser.parse_args()
    with one_line_errors():
        paths = Paths(find_root())
        with tempfile.TemporaryDirectory() as folder:
            if asked.what is None:
                reached = verify_committed(paths, Path(folder))
            else:
                reached = verify_record(find(asked.what, paths, Path(folder)), paths, Path(folder))
        print(f"\n{reached}")
        raise SystemExit(reached.value)


# --- a record ----------------------------------------------------------------------------------


class Found(NamedTuple):
    """A record, and what is known of where it came from."""

    record: Record
    origin: Mapping[str, Any]


def find(what: str, paths: Paths, folder: Path) -> Found:
    """Return the record that a user means.

    Raises:
        UserError: there is none, several fit, or it is damaged.
    """
    if (Path(what) / "description.json").exists():
        record = Record(Path(what))
    else:
        fitting = sorted(path for path in paths.records.glob(f"{what}*") if path.is_dir())
        if len(fitting) > 1:
            raise UserError(f"{what}: allowed is a name of one record; these are {len(fitting)}")
        if not fitting and RUN_ID.fullmatch(what):
            return _from_mlflow(what, paths, folder / "run")
        if not fitting:
            raise UserError(f"{what}: there is no such record in {paths.records} or elsewhere")
        record = Record(fitting[0])
    record.require()
    known = Record(paths.records / identity(record.description)).origin()
    return Found(record, record.origin() or known)


def _from_mlflow(run_id: str, paths: Paths, folder: Path) -> Found:
    # Imported only now: it takes seconds.
    from pipeline.tracking.fetch import fetch

    origin = fetch(run_id, compose(paths).tracking.uri, paths, folder)
    record = Record(folder)
    record.require()
    return Found(record, origin)


def verify_record(found: Found, paths: Paths, folder: Path) -> Level:
    """Train a record again, and tell what came of it."""
    record, origin = found.record, found.origin
    described = record.description
    (name,) = configuration_names([described["experiment"]])
    print(f"{name}, seed {described['seed']}: record {identity(record.description)}")
    checkout = Paths(folder / "checkout")
    for line in _check_out(paths, checkout.root, origin):
        print(f"  {line}")
    profile = _profile(described["environment"], checkout)
    _set_params(checkout, described, profile)
    dataset = described["experiment"]["data"]["name"]
    mirror = {"MNIST_MIRROR": str(paths.raw(dataset))} if paths.raw(dataset).exists() else {}
    python(checkout.root, "pipeline.stages.download", env=mirror)
    python(
        checkout.root,
        "pipeline.stages.train",
        *("hydra/launcher=basic", "tracking.live=false", f"seed={described['seed']}"),
        env={numerics.VARIABLE: profile},
    )
    (again,) = (Record(path.parent) for path in checkout.records.glob("*/manifest.json"))
    reached = level(record, again)
    print(f"  recorded  {_told(record)}\n  again     {_told(again)}")
    if reached is not Level.SAME_BYTES:
        differing = causes(described, again.description, origin, again.origin())
        for cause in differing or ["nothing that is known differs"]:
            print(f"  cause     {cause}")
    return reached


def _told(record: Record) -> str:
    last = record.history()[-1]
    accuracies = ", ".join(f"{part} {last[part]['accuracy']:.4%}" for part in PARTS)
    return f"{accuracies}, manifest {record.manifest_digest()[:16]}"


def _check_out(paths: Paths, folder: Path, origin: Mapping[str, Any]) -> list[str]:
    """Make a checkout to train in; returns what it is, for a person to read."""
    commit, diff = origin.get("commit"), origin.get("diff")
    if commit is None or not _git(paths.root, "cat-file", "-e", f"{commit}^{{commit}}"):
        _copy(paths, folder)
        why = "the record names no commit" if commit is None else f"git has no commit {commit}"
        return [f"in a copy of the code that lies here: {why}"]
    _clone(paths, folder, str(commit))
    told = [f"in a fresh checkout of commit {commit}"]
    if diff:
        patch = folder.with_name("uncommitted.diff")
        patch.write_text(f"{diff}\n")
        applied = _git(folder, "apply", str(patch))
        told.append(
            "with the uncommitted changes that were recorded"
            if applied
            else "WITHOUT the uncommitted changes that were recorded: they do not apply"
        )
    return told


def _profile(environment: Mapping[str, Any], checkout: Paths) -> str:
    """Return the numeric profile that gives the record's kernels, if one does."""
    code = (
        "import json; from pipeline import numerics; numerics.start(); "
        "from pipeline.records.environment import numeric_environment; "
        "print(json.dumps(numeric_environment()))"
    )
    for profile in numerics.PROFILES:
        told = subprocess.run(  # noqa: S603 - no shell
            [sys.executable, "-c", code],
            cwd=find_root(),
            env={**os.environ, numerics.VARIABLE: profile},
            capture_output=True,
            text=True,
            check=True,
        )
        if json.loads(told.stdout) == environment:
            return profile
    return numerics.PROFILES[0]


def _set_params(checkout: Paths, described: Mapping[str, Any], profile: str) -> None:
    values = OmegaConf.load(checkout.params)
    params = OmegaConf.merge(values, described["experiment"], {"seeds": [described["seed"]]})
    if "numerics" in params:
        params = OmegaConf.merge(params, {"numerics": profile})
    write_bytes(checkout.params, OmegaConf.to_yaml(params).encode())


# --- the committed results ---------------------------------------------------------------------


def verify_committed(paths: Paths, folder: Path) -> Level:
    """Run every stage again from the raw data, and compare with what `dvc.lock` says."""
    checkout = Paths(folder / "checkout")
    if _git(paths.root, "rev-parse", "HEAD"):
        _clone(paths, checkout.root, "HEAD")
        print("the committed results, in a fresh checkout of HEAD")
    else:
        _copy(paths, checkout.root)
        python(checkout.root, "dvc", "config", "--local", "core.no_scm", "true")
        print("the results that lie here, in a copy without git")
    stages = _stages(checkout)
    before, metrics = _outputs(stages), read_json(checkout.metrics)
    dataset = compose(paths).data.name
    mirror = {"MNIST_MIRROR": str(paths.raw(dataset))} if paths.raw(dataset).exists() else {}
    python(checkout.root, "dvc", "repro", "--force", *stages, env=mirror)
    after = _outputs(_stages(checkout))
    width = max(len(path) for path in before)
    for path, digest in before.items():
        told = "the same" if after.get(path) == digest else f"now {after.get(path)}"
        print(f"  {path:{width}}  {digest}  {told}")
    if before == after:
        return Level.SAME_BYTES
    return _level_of_metrics(metrics, read_json(checkout.metrics), compose(paths).split)


def _stages(checkout: Paths) -> dict[str, Any]:
    """Return what `dvc.lock` says of every stage but `track`, which has no outputs."""
    stages = read_yaml(checkout.root / "dvc.lock")["stages"]
    return {name: stage for name, stage in stages.items() if name != "track"}


def _outputs(stages: Mapping[str, Any]) -> dict[str, str]:
    """Return DVC's hash of the stages' outputs, by path."""
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def _level_of_metrics(recorded: Any, again: Any, split: Any) -> Level:
    """Return the weakest level over all seeds; the bytes are known to differ."""
    sizes = {part: getattr(split, part) for part in (*PARTS, "test")}
    weakest = Level.STATISTICALLY_THE_SAME
    for seed in map(str, recorded["seeds"]):
        first, second = (
            {part: found[part]["accuracy"]["per_seed"].get(seed) for part in sizes}
            for found in (recorded, again)
        )
        if None in first.values() or None in second.values():
            same = first == second
        else:
            same = statistical_level(first, second, sizes) is not Level.DIFFERENT
        if not same:
            weakest = Level.DIFFERENT
    return weakest


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
    done = _git(paths.root, "clone", "--quiet", "--shared", "--no-checkout", ".", str(folder))
    if not (done and _git(folder, "checkout", "--quiet", "--detach", commit)):
        raise UserError(f"git could not check out {commit} of {paths.root}")


def _git(folder: Path, *words: str) -> bool:
    """Run git; returns whether it could do it. Only a checkout of its own counts."""
    if not (folder / ".git").exists():
        return False
    done = subprocess.run(  # noqa: S603 - no shell
        ["git", *words],  # noqa: S607 - the user's own git
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


if __name__ == "__main__":
    main()

"""The files of a share that are computed from the given ones, by whoever shares or checks it."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.base.command import params_bytes
from pipeline.base.config import Config, compose
from pipeline.base.errors import UserError
from pipeline.base.files import json_bytes, write_bytes
from pipeline.base.git import GitError, apply
from pipeline.base.params import read_params
from pipeline.base.paths import Paths
from pipeline.data.prepared import PREPROCESS, Prepared, digests, load
from pipeline.records.code import code_digest
from pipeline.records.identity import description
from pipeline.records.provenance import LARGEST_DIFF
from pipeline.records.record import Finished, Unfinished, read_record
from pipeline.results.card import mistakes, model_card
from pipeline.results.evaluation import evaluate as answer
from pipeline.results.evaluation import scores
from pipeline.results.page import render
from pipeline.results.report import Results
from pipeline.share.citation import Citation, names, read_citation
from pipeline.share.contents import (
    CHANGES,
    CITATION,
    FAILED,
    LOCK,
    PARAMS,
    RUNS,
    Commit,
    files_below,
    is_given,
)
from pipeline.share.crate import WORKFLOW, metadata
from pipeline.share.lock import Declared, misfits
from pipeline.stages.download import download
from pipeline.stages.encode import encode
from pipeline.stages.evaluate import evaluate
from pipeline.stages.preprocess import preprocess
from pipeline.stages.report import report
from pipeline.stages.split import split

CARD, README, METADATA = "MODEL_CARD.md", "README.md", "ro-crate-metadata.json"
COMPUTED = ("results/", "reports/", CARD, README, METADATA)
# What a record's description may contradict; see `pipeline.records.identity`.
CONTRADICTIONS = {
    "format": "is of another format",
    "experiment": "is of another experiment than params.yaml",
    "seed": "is of another seed than its folder",
    "data": "was trained on other data",
    "code": "was trained by different code than code/ and changes.patch in the share",
    "preparation": "was trained on another split, or preprocessed otherwise",
    "arithmetic": "was computed with a different version of the arithmetic than here",
}
LOAD = """import json, zipfile
from pipeline.records.model import parse_model

with zipfile.ZipFile("result.zip") as share:
    described = json.loads(share.read("runs/seed-{seed}/description.json"))
    content = share.read("runs/seed-{seed}/model.npz")
model = parse_model(content, described["experiment"], name="seed {seed}")
model.predict(raw)  # of shape (N, {features}), as in the files; returns classes, of shape (N,)"""


class Contradiction(UserError):
    """Files of a share contradict each other; the text says which."""


class Computed(NamedTuple):
    """What follows from the given files of a share.

    Attributes:
        files: results, report, model card and README.
        results: what they show, with the records of the seeds that finished.
        failed: the records of the others.
        citation: who publishes it.
        commit: of the code.
        declared: what `dvc.lock` says, and what it has to fit.
        checkout: what the given files, and the data, were laid out in.
    """

    files: Mapping[str, bytes]
    results: Results
    failed: Sequence[Unfinished]
    citation: Citation
    commit: Commit
    declared: Declared
    checkout: Paths

    def metadata(self, files: Mapping[str, bytes]) -> bytes:
        """Return the metadata of a share that holds `files` beside them."""
        return json_bytes(metadata(files, self.results, self.citation, self.commit))

    def misfits(self, files: Mapping[str, bytes]) -> list[str]:
        """Return what the share's `dvc.lock` says otherwise than its files do; see `misfits`."""
        root = self.checkout.root
        # LAPACK computes a whitening, so the preprocessor fitted here may have other bytes.
        preprocessor = self.results.model.preprocessor
        data = load(self.results.config, self.checkout)
        data.save(self.checkout.preprocessor, PREPROCESS, preprocessor.arrays())
        known = {**files, **files_below(root / "code", "."), **files_below(root, "data")}
        return misfits(self.declared, known)


def compute(files: Mapping[str, bytes], commit: Commit, here: Paths, root: Path) -> Computed:
    """Compute what follows from the given files of a share; none of them is run.

    Args:
        files: what was given; not trusted.
        commit: of the code.
        here: the checkout whose configuration groups and data are used; it may download data.
        root: an empty folder for the share's files.

    Raises:
        Contradiction: files contradict each other.
        UserError: a file is invalid, or the data cannot be obtained.
    """
    print("computing all results again from the runs", flush=True)
    try:
        return _compute(files, commit, here, Paths(root))
    except UserError as error:
        # The temporary folder means nothing to the user.
        raise type(error)(str(error).replace(f"{root}{os.sep}", "")) from None


def _compute(files: Mapping[str, bytes], commit: Commit, here: Paths, checkout: Paths) -> Computed:
    for name, content in files.items():
        write_bytes(checkout.root / name, content)
    shutil.copytree(here.conf, checkout.conf)
    config, citation = compose(checkout), read_citation(checkout.root / CITATION)
    if params_bytes(config) != files[PARAMS]:
        raise UserError(
            f"{PARAMS}: allowed is the experiment as `pipeline share` writes it, with plain values "
            "and without data_folder and tracking"
        )
    declared = Declared(
        *(read_params(checkout.root / name).values for name in (LOCK, WORKFLOW, PARAMS))
    )
    _change_code(checkout.root / "code", files.get(CHANGES, b""))
    download(config, here)
    shutil.copytree(here.raw(config.data.name), checkout.raw(config.data.name))
    failed = _check_runs(files, config, checkout)
    for stage in (split, preprocess, encode, evaluate):
        stage(config, checkout)
    results = report(config, checkout)
    test, dataset = results.accuracies["test"], results.dataset
    card = model_card(
        results.records,
        LOAD.format(seed=results.records[0].seed, features=dataset.features),
        test,
        mistakes(results.confusions, dataset.class_names),
    )
    readme = render(
        "share/README.md.j2", results=results, citation=citation, names=names, commit=commit,
        changed=CHANGES in files,
    )  # fmt: skip
    made = {
        **files_below(checkout.root, "results", "reports"),
        CARD: card.encode(),
        README: readme.encode(),
    }
    return Computed(made, results, failed, citation, commit, declared, checkout)


def _change_code(code: Path, patch: bytes) -> None:
    """Apply recorded changes to a copy of the code, which is only read."""
    if len(patch) > LARGEST_DIFF or re.search(rb"(?m)^GIT binary patch", patch):
        raise UserError(f"{CHANGES}: allowed are up to {LARGEST_DIFF} bytes of changes of text")
    try:
        apply(code, patch)
    except GitError as error:
        raise Contradiction(f"{CHANGES} does not fit code/ ({error})") from None
    for path in code.rglob("*"):
        name = f"code/{path.relative_to(code).as_posix()}"
        if path.is_symlink() or not (path.is_dir() or is_given(name)):
            raise UserError(f"{CHANGES} makes {name}, which cannot be in a share")


def _check_runs(files: Mapping[str, bytes], config: Config, checkout: Paths) -> list[Unfinished]:
    """Refuse runs that were changed, or that contradict other files; return those that failed."""
    data, code = load(config, checkout), _digest(checkout.root / "code/pipeline")
    runs, failed = {f"runs/seed-{seed}": seed for seed in config.seeds}, []
    for name in filter(RUNS.fullmatch, files):
        run, _, file = name.rpartition("/")
        if run not in runs:
            raise Contradiction(f"{name} is of a seed that params.yaml does not declare")
        if f"{run}/failure.json" in files and file not in FAILED:
            raise Contradiction(f"{name} is of a run that finished, {run}/failure.json of one not")
    for run, seed in runs.items():
        record, prepared = read_record(checkout.root / run), data.preparation
        if isinstance(record, Finished):
            # LAPACK computes a whitening, so the one fitted here may have other bytes.
            prepared = digests(data.split, record.model().preprocessor)
        elif record.failure is None or record.description is None:
            raise Contradiction(record.damage or f"{run} is missing or not complete")
        else:
            failed.append(record)
        described: Mapping[str, Any] = record.description or {}
        expected = {**description(replace(config, seed=seed), prepared), "code": code}
        for key in (*CONTRADICTIONS, *described):
            if key not in described or described[key] != expected.get(key):
                reason = CONTRADICTIONS.get(key, f"has a description with {key}")
                raise Contradiction(f"{run} {reason}")
        if isinstance(record, Finished):
            _check_scores(record, config, data)
    return failed


def _check_scores(record: Finished, config: Config, data: Prepared) -> None:
    """Refuse a model that does not score on the validation images as its history says."""
    scored = scores(answer(record.model(), data.validation, config.training.cost))
    claims = record.history[-1]["validation"]
    if not all(
        math.isclose(claims[key], scored.get(key, math.nan), rel_tol=1e-6) for key in claims
    ):
        raise Contradiction(
            f"{record.folder}: its model's scores on the validation data differ from those it "
            "records"
        )


def _digest(package: Path) -> str:
    """Return the digest of code, which is never run; "" if it is no valid code."""
    try:
        return code_digest(package)
    except (ImportError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ""

"""The files of a share: those that are given, and those that are computed from them.

Convention: a share is laid out as a checkout is, with the code in `code/`. It names no host, no
user and no time but the commit's, so everyone who reproduces a result writes the same share.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.base.config import compose
from pipeline.base.errors import UserError
from pipeline.base.files import content_of, json_bytes, read_bytes, write_bytes
from pipeline.base.git import GitError, clone, commit_date, head
from pipeline.base.masking import masked
from pipeline.base.params import read_params
from pipeline.base.paths import Paths
from pipeline.records.code import code_digest
from pipeline.records.gather import declared
from pipeline.records.provenance import diff_bytes, provenance
from pipeline.records.record import PUBLISHED
from pipeline.results.card import mistakes, model_card
from pipeline.results.page import render
from pipeline.share.citation import names, read_citation
from pipeline.share.crate import Subject, metadata
from pipeline.stages.download import download
from pipeline.stages.encode import encode
from pipeline.stages.evaluate import evaluate
from pipeline.stages.preprocess import preprocess
from pipeline.stages.report import report
from pipeline.stages.split import split

# Taken from the commit, without tests and documents.
CODE = (".dvc/config", ".dvcignore", "Makefile", "README.md", "conf", "dvc.yaml", "pipeline",
        "pyproject.toml")  # fmt: skip
CITATION = "CITATION.cff"
FILES = (CITATION, "LICENSE", "dvc.lock", "params.yaml", "requirements.lock")
CHANGES = "changes.patch"
RUNS = re.compile(rf"runs/seed-(\d+)/({'|'.join([*PUBLISHED, 'failure.json'])})")
CARD, README, METADATA = "MODEL_CARD.md", "README.md", "ro-crate-metadata.json"
COMPUTED = ("results/", "reports/", CARD, README, METADATA)
LOAD = """import json, zipfile
from pipeline.records.model import parse_model

with zipfile.ZipFile("result.zip") as share:
    described = json.loads(share.read("runs/seed-{seed}/description.json"))
    content = share.read("runs/seed-{seed}/model.npz")
model = parse_model(content, described["experiment"], name="seed {seed}")
model.predict(raw)  # of shape (N, {features}), as in the files; returns classes, of shape (N,)"""


class Commit(NamedTuple):
    """The commit of the code: its full hash, and its date in ISO 8601."""

    hash: str
    date: str


def given(paths: Paths) -> tuple[dict[str, bytes], Commit]:
    """Return the files that cannot be computed: declared runs, and what they were trained with.

    Raises:
        UserError: a file is missing, there is no commit, or runs and code do not fit each other.
    """
    for seed, record in declared(compose(paths), paths).items():
        if record is not None and record.description["code"] != code_digest():
            raise UserError(
                f"{paths.run(seed)}: the code has changed since it was trained; `dvc repro` trains "
                "it again"
            )
    made_with = provenance(paths.root)
    if made_with["dirty"] and made_with["diff"] is None:
        raise UserError("the uncommitted changes are too large to be shared; commit them first")
    try:
        commit = Commit(head(paths.root), commit_date(paths.root))
        with tempfile.TemporaryDirectory() as folder:
            clone(paths.root, Path(folder), commit.hash)
            for name in CODE:
                if not (Path(folder) / name).exists():
                    raise UserError(f"{name} is not in commit {commit.hash}; commit all code first")
            code = files_below(Path(folder), *CODE)
    except GitError as error:
        raise UserError(f"a share needs the commit of its code: {error}") from None
    files = {f"code/{name}": content for name, content in code.items()}
    files |= files_below(paths.root, *FILES, paths.runs.name)
    if made_with["diff"]:
        files[CHANGES] = diff_bytes(made_with)
    return {name: content for name, content in files.items() if is_given(name)}, commit


def is_given(name: str) -> bool:
    """Tell whether a share may hold this file as a given one."""
    return name in (*FILES, CHANGES) or name.startswith("code/") or bool(RUNS.fullmatch(name))


def files_below(root: Path, *names: str) -> dict[str, bytes]:
    """Return the content of files, and of all files in folders, by their path below `root`.

    Raises:
        UserError: one is missing, or cannot be read.
    """
    contents = {}
    for path in (root / name for name in names):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if not file.is_dir():
                contents[file.relative_to(root).as_posix()] = content_of(file)
    return contents


def lay_out(files: Mapping[str, bytes], here: Paths, root: Path) -> Paths:
    """Write the given files into a folder, as a checkout; none of them is run.

    Args:
        files: what was given.
        here: the checkout whose configuration groups and data are used.
        root: an empty folder.

    Raises:
        UserError: the parameters are invalid, or the data cannot be obtained.
    """
    checkout = Paths(root)
    for name, content in files.items():
        write_bytes(root / name, content)
    shutil.copytree(here.conf, checkout.conf)
    _refuse_secrets(checkout.params)
    config = compose(checkout)
    download(config, here)
    raw = checkout.raw(config.data.name)
    raw.parent.mkdir(parents=True)
    os.symlink(here.raw(config.data.name).resolve(), raw)
    return checkout


def _refuse_secrets(params: Path) -> None:
    """Refuse parameters that hold a password, or that are others on another machine.

    Text such as `${oc.env:NAME}` would be taken from whatever stands in the receiver's environment.
    """
    name, values = params.name, read_params(params).values
    if "${" in json.dumps(values, default=str):
        raise UserError(f"{name} refers to other values by ${{...}}; allowed are plain values")
    text = read_bytes(params).decode()
    if masked(text) != text:
        raise UserError(
            f"{name} holds a password; allowed in a share is tracking.uri = null, or an address "
            "without one"
        )


def computed(files: Mapping[str, bytes], commit: Commit, checkout: Paths) -> dict[str, bytes]:
    """Return the files of a share that are computed from the given ones.

    Args:
        files: what was given.
        commit: of the code.
        checkout: of the same files, as `lay_out` leaves it.

    Raises:
        UserError: a record or the citation is invalid.
    """
    config, citation = compose(checkout), read_citation(checkout.root / CITATION)
    for stage in (split, preprocess, encode, evaluate):
        stage(config, checkout)
    results = report(config, checkout)
    test, dataset = results.accuracies["test"], results.dataset
    confused = mistakes(results.confusions, dataset.class_names)
    load = LOAD.format(seed=results.records[0].seed, features=dataset.features)
    card = model_card(results.records, load, test, confused)
    readme = render(
        "share/README.md.j2", results=results, citation=citation, names=names, commit=commit,
        changed=CHANGES in files,
    )  # fmt: skip
    made = {
        **files_below(checkout.root, "results", "reports"),
        CARD: card.encode(),
        README: readme.encode(),
    }
    subject = Subject(
        name=f"{results.name} on {dataset.title}",
        headline=f"Test accuracy: {results.headline}",
        seeds=config.seeds,
        dataset=dataset,
        citation=citation,
        commit=commit.hash,
        date=commit.date,
    )
    return {**made, METADATA: json_bytes(metadata({**files, **made}, subject))}

"""The metadata of a share: a Workflow Run RO-Crate.

Convention: RO-Crate 1.1 with the profiles Process Run Crate 0.5, Workflow Run Crate 0.5 and
Workflow RO-Crate 1.0. The workflow is `dvc.yaml`; an action is the training of one seed, or the
evaluation of all. An identifier is a path, an address, or `#` with the kind and the name of a
thing. So the same share has the same metadata, and no name can stand for something else.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from rocrate.model import ContextEntity, DataEntity, Entity
from rocrate.rocrate import ROCrate

from pipeline.base.errors import UserError
from pipeline.base.files import parse_json, sha256
from pipeline.base.masking import one_line
from pipeline.results.report import Results
from pipeline.share.citation import Author, Citation
from pipeline.share.contents import Commit

WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    WORKFLOW_CRATE: "Workflow RO-Crate",
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
WORKFLOW, PROJECT = "code/dvc.yaml", "code/pyproject.toml"
FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".png": "image/png",
    ".py": "text/x-python",
    ".yaml": "application/yaml",
}


def metadata(
    files: Mapping[str, bytes], results: Results, citation: Citation, commit: Commit
) -> dict[str, Any]:
    """Return the metadata of a share, ready for JSON.

    Args:
        files: the share's other files.
        results: what it shows.
        citation: who publishes it.
        commit: of the code.
    """
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = "http://schema.org/sha256"
    profiles = (crate.metadata.profile, WORKFLOW_CRATE)
    _set(crate.metadata, conformsTo=[{"@id": profile} for profile in profiles])
    root = crate.root_dataset
    for path, content in sorted(files.items()):
        code = ("SoftwareSourceCode", "ComputationalWorkflow") if path == WORKFLOW else ()
        form = FORMATS.get(PurePosixPath(path).suffix, "text/plain")
        _add(crate, path, "File", *code, name=path, encodingFormat=form, sha256=sha256(content),
             contentSize=str(len(content)))  # fmt: skip
    _set(crate.get("README.md"), about=root)
    authors = [_author(crate, author) for author in citation.authors]
    _set(
        root,
        name=f"{citation.title}: {results.name} on {results.dataset.title}",
        description=f"Test accuracy: {results.headline}",
        datePublished=commit.date,
        keywords=", ".join(citation.keywords) or None,
        version=citation.version,
        license=_license(crate, citation.license),
        author=authors,
        citation=[
            _add(crate, work.address or f"#work-{number}", "CreativeWork", name=work.title,
                 author=[_author(crate, author) for author in work.authors])
            for number, work in enumerate(citation.references, start=1)
        ],
        conformsTo=[
            _add(crate, profile, "CreativeWork", name=title, version=profile.split("/")[-1])
            for profile, title in PROFILES.items()
        ],
        mainEntity=_workflow(crate, files, citation, commit),
        mentions=list(_actions(crate, files, results)),
    )  # fmt: skip
    for action in root["mentions"]:
        _set(action, instrument=crate.get(WORKFLOW), agent=authors)
    return dict(crate.metadata.generate())


def _add(crate: ROCrate, identifier: str, *kinds: str, **values: Any) -> Entity:
    made = DataEntity if {"File", "Dataset"} & {*kinds} else ContextEntity
    kind = kinds[0] if len(kinds) == 1 else list(kinds)
    return _set(crate.add(made(crate, identifier, {"@type": kind})), **values)


def _set(entity: Entity, **values: Any) -> Entity:
    """Set values that are not None; a list of one becomes its element, as RO-Crate asks."""
    for key, value in values.items():
        if isinstance(value, list):
            value = value[0] if len(value) == 1 else value or None
        if value is not None:
            entity[key] = value
    return entity


def _license(crate: ROCrate, identifier: str | None) -> Entity | None:
    if identifier is None:
        return None
    return _add(crate, f"https://spdx.org/licenses/{identifier}", "CreativeWork", name=identifier)


def _author(crate: ROCrate, author: Author) -> Entity:
    identifier = author.address or f"#author-{quote(author.name)}"
    kind = "Person" if author.person else "Organization"
    return _add(crate, identifier, kind, name=author.name, url=author.address)


def _workflow(
    crate: ROCrate, files: Mapping[str, bytes], citation: Citation, commit: Commit
) -> Entity:
    """Return `dvc.yaml` with its language, its version, and the software that it needs."""
    dvc = _add(crate, "https://dvc.org", "ComputerLanguage", name="DVC", url="https://dvc.org")
    software = [
        _add(crate, f"https://pypi.org/project/{name}/{version}/", "SoftwareApplication",
             name=name, softwareVersion=version, url=f"https://pypi.org/project/{name}/")
        for name, version in _packages(files)
    ]  # fmt: skip
    return _set(
        crate.get(WORKFLOW),
        description="from raw data to the report: the stages and their commands",
        version=commit.hash,
        url=citation.repository,
        license=_license(crate, citation.license),
        conformsTo={"@id": BIOSCHEMAS},
        programmingLanguage=dvc,
        softwareRequirements=software,
    )


def _packages(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Yield each package that the code itself depends on, with its version in the lock file."""
    try:
        needed = tomllib.loads(files[PROJECT].decode())["project"]["dependencies"]
        names = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in needed}
        locked = re.findall(r"(?m)^([\w.-]+)==([\w.]+)", files["requirements.lock"].decode())
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{PROJECT} or requirements.lock: {one_line(error)}") from None
    yield from ((name, version) for name, version in locked if name.lower() in names)


def _actions(crate: ROCrate, files: Mapping[str, bytes], results: Results) -> Iterator[Entity]:
    """Yield the actions: the training of each seed, and the evaluation."""
    dataset = results.dataset
    # The data files are not in the share; their hashes identify them.
    parts = [
        _add(crate, f"#file-{quote(name)}", "File", name=name, sha256=digest,
             encodingFormat="application/octet-stream")
        for name, digest in dataset.files.items()
    ]  # fmt: skip
    data = _add(crate, f"#data-{dataset.name}", "Dataset", name=dataset.title, hasPart=parts,
                description=dataset.source, license=_license(crate, dataset.license))  # fmt: skip

    def below(pattern: str) -> list[Entity]:
        return [crate.get(path) for path in sorted(files) if re.fullmatch(pattern, path)]

    for seed in results.config.seeds:
        number = _add(crate, f"#seed-{seed}", "PropertyValue", name="seed", value=str(seed))
        failure = files.get(f"runs/seed-{seed}/failure.json")
        state = "Failed" if failure else "Completed"
        yield _add(
            crate,
            f"#training-{seed}",
            "CreateAction",
            name=f"training of seed {seed}",
            description="one network, trained on the training part of the data",
            object=[crate.get("params.yaml"), data, number],
            result=below(rf"runs/seed-{seed}/.*"),
            actionStatus=f"http://schema.org/{state}ActionStatus",
            error=failure
            and str(parse_json(failure, name="failure.json")["content"].get("reason")),
        )
    yield _add(
        crate,
        "#evaluation",
        "CreateAction",
        name="evaluation and report",
        description="every model's answers to the test part of the data, and statistics over seeds",
        object=[data, *below(r"runs/.*/model\.npz")],
        result=below(r"(results|reports)/.*"),
        actionStatus="http://schema.org/CompletedActionStatus",
    )

"""The metadata of a share: a Workflow Run RO-Crate.

Convention: RO-Crate 1.1 with the profiles Process Run Crate 0.5, Workflow Run Crate 0.5 and
Workflow RO-Crate 1.0. The workflow is `dvc.yaml`; an action is the training of one seed, or the
evaluation of all. An identifier is a path or a fixed name, so the same share has the same metadata.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from rocrate.model import ContextEntity, DataEntity, Entity
from rocrate.rocrate import ROCrate

from pipeline.base.files import parse_json, sha256
from pipeline.data.catalogue import Dataset
from pipeline.share.citation import Author, Citation

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
WORKFLOW = "code/dvc.yaml"
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


class Subject(NamedTuple):
    """What a share is about.

    Attributes:
        name: of the result.
        headline: what came out.
        seeds: the declared ones; the folder of each in `runs/` tells whether it finished.
        dataset: what was trained on.
        citation: who publishes it.
        commit: of the code, the full hash.
        date: of the commit, as in ISO 8601.
    """

    name: str
    headline: str
    seeds: Sequence[int]
    dataset: Dataset
    citation: Citation
    commit: str
    date: str


def metadata(files: Mapping[str, bytes], subject: Subject) -> dict[str, Any]:
    """Return the metadata of a share, as JSON has it; `files` is all else that is in it."""
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = "http://schema.org/sha256"
    for path, content in sorted(files.items()):
        _file(crate, path, content)
    data = _data(crate, subject.dataset)
    workflow = _workflow(crate, files, subject)
    root, citation = crate.root_dataset, subject.citation
    authors = [_author(crate, author) for author in citation.authors]
    _set(
        root,
        name=f"{citation.title}: {subject.name}",
        description=subject.headline,
        datePublished=subject.date,
        keywords=", ".join(citation.keywords) or None,
        version=citation.version,
        license=_license(crate, citation.license),
        author=authors,
        citation=[
            _entity(crate, each.address or f"#work-{number}", "CreativeWork", name=each.title,
                    author=[_author(crate, author) for author in each.authors])
            for number, each in enumerate(citation.references, start=1)
        ],
        conformsTo=[
            _entity(crate, profile, "CreativeWork", name=title, version=profile.split("/")[-1])
            for profile, title in PROFILES.items()
        ],
        mainEntity=workflow,
        mentions=[
            *(_training(crate, files, seed, data) for seed in subject.seeds),
            _evaluation(crate, files, data),
        ],
    )  # fmt: skip
    for action in root["mentions"]:
        _set(action, instrument=workflow, agent=authors)
    _set(crate.get("README.md"), about=root)
    descriptor = (crate.metadata.profile, "https://w3id.org/workflowhub/workflow-ro-crate/1.0")
    _set(crate.metadata, conformsTo=[{"@id": profile} for profile in descriptor])
    return dict(crate.metadata.generate())


def _set(entity: Entity, **values: Any) -> None:
    """Set what is known; one of a kind stands without a list, as RO-Crate asks."""
    for key, value in values.items():
        if isinstance(value, list):
            value = value[0] if len(value) == 1 else value or None
        if value is not None:
            entity[key] = value


def _entity(crate: ROCrate, identifier: str, kind: str | list[str], **values: Any) -> Entity:
    kinds = [kind] if isinstance(kind, str) else kind
    made = DataEntity if {"File", "Dataset"} & {*kinds} else ContextEntity
    entity = crate.add(made(crate, identifier, {"@type": kind}))
    _set(entity, **values)
    return entity


def _file(crate: ROCrate, path: str, content: bytes) -> Entity:
    kind = ["File", "SoftwareSourceCode", "ComputationalWorkflow"] if path == WORKFLOW else "File"
    return _entity(
        crate,
        path,
        kind,
        name=path,
        sha256=sha256(content),
        contentSize=str(len(content)),
        encodingFormat=FORMATS.get(PurePosixPath(path).suffix, "text/plain"),
    )


def _license(crate: ROCrate, identifier: str) -> Entity:
    return _entity(
        crate, f"https://spdx.org/licenses/{identifier}", "CreativeWork", name=identifier
    )


def _author(crate: ROCrate, author: Author) -> Entity:
    def slug(name: str) -> str:
        return "#" + re.sub(r"\W+", "-", name).strip("-")

    place = author.affiliation
    return _entity(
        crate,
        author.address or slug(author.name),
        "Person" if author.person else "Organization",
        name=author.name,
        affiliation=place and _entity(crate, slug(place), "Organization", name=place),
    )


def _data(crate: ROCrate, dataset: Dataset) -> Entity:
    """Return the data set, which is not in the share: its files are known by their hashes."""
    files = [
        _entity(crate, f"#{name}", "File", name=name, sha256=digest,
                encodingFormat="application/octet-stream")
        for name, digest in dataset.files.items()
    ]  # fmt: skip
    return _entity(
        crate,
        f"#{dataset.name}",
        "Dataset",
        name=dataset.title,
        description=dataset.source,
        license=dataset.license and _license(crate, dataset.license),
        hasPart=files,
    )


def _workflow(crate: ROCrate, files: Mapping[str, bytes], subject: Subject) -> Entity:
    """Return `dvc.yaml` with its language, its version, and the software that it needs."""
    workflow = crate.get(WORKFLOW)
    dvc = {"name": "DVC", "url": "https://dvc.org"}
    _set(
        workflow,
        description="from raw data to the report: the stages and their commands",
        version=subject.commit,
        url=subject.citation.repository,
        conformsTo={"@id": BIOSCHEMAS},
        license=_license(crate, subject.citation.license),
        programmingLanguage=_entity(crate, "https://dvc.org", "ComputerLanguage", **dvc),
        softwareRequirements=[
            _entity(crate, f"https://pypi.org/project/{name}/{version}/", "SoftwareApplication",
                    name=name, softwareVersion=version, url=f"https://pypi.org/project/{name}/")
            for name, version in _packages(files)
        ],
    )  # fmt: skip
    examples = {
        ("input", "#parameters", "File"): [crate.get("params.yaml")],
        ("input", "#data", "Dataset"): [crate.get(f"#{subject.dataset.name}")],
        ("input", "#seed", "Integer"): [
            _entity(crate, f"#seed-{seed}", "PropertyValue", name="seed", value=str(seed))
            for seed in subject.seeds
        ],
        ("output", "#model", "File"): _below(crate, files, r"runs/.*/model\.npz"),
        ("output", "#metrics", "File"): _below(crate, files, r"results/metrics\.json"),
    }
    for (_, identifier, kind), entities in examples.items():
        parameter = _entity(crate, identifier, "FormalParameter", name=identifier[1:],
                            additionalType=kind, workExample=entities)  # fmt: skip
        for entity in entities:
            _set(entity, exampleOfWork=parameter)
    for way in ("input", "output"):
        _set(workflow, **{way: [crate.get(name) for side, name, _ in examples if side == way]})
    return workflow


def _packages(files: Mapping[str, bytes]) -> Iterable[tuple[str, str]]:
    """Return what the package depends on by itself, with the version that the lock file names."""
    project = tomllib.loads(files["code/pyproject.toml"].decode())["project"]
    names = {re.split(r"[^\w.-]", each, maxsplit=1)[0].lower() for each in project["dependencies"]}
    locked = re.findall(rb"^([\w.-]+)==([\w.]+)", files["requirements.lock"], re.MULTILINE)
    return [(n.decode(), v.decode()) for n, v in locked if n.decode().lower() in names]


def _below(crate: ROCrate, files: Mapping[str, bytes], pattern: str) -> list[Entity]:
    return [crate.get(path) for path in sorted(files) if re.fullmatch(pattern, path)]


def _training(crate: ROCrate, files: Mapping[str, bytes], seed: int, data: Entity) -> Entity:
    failure = files.get(f"runs/seed-{seed}/failure.json")
    state = "Failed" if failure else "Completed"
    return _entity(
        crate,
        f"#training-{seed}",
        "CreateAction",
        name=f"training of seed {seed}",
        description="one network, trained on the training part of the data",
        object=[crate.get("params.yaml"), data, crate.get(f"#seed-{seed}")],
        result=_below(crate, files, rf"runs/seed-{seed}/.*"),
        actionStatus=f"http://schema.org/{state}ActionStatus",
        error=failure and str(parse_json(failure, name="failure.json")["content"]["reason"]),
    )


def _evaluation(crate: ROCrate, files: Mapping[str, bytes], data: Entity) -> Entity:
    return _entity(
        crate,
        "#evaluation",
        "CreateAction",
        name="evaluation and report",
        description="every model's answers to the test part of the data, and statistics over seeds",
        object=[data, *_below(crate, files, r"runs/.*/model\.npz")],
        result=_below(crate, files, r"(results|reports)/.*"),
        actionStatus="http://schema.org/CompletedActionStatus",
    )

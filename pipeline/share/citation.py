"""Read authors, licence and references of a result from `CITATION.cff`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.base.errors import UserError
from pipeline.base.masking import one_line
from pipeline.base.params import read_params


class Author(NamedTuple):
    """A person or an organisation, with an ORCID or a web address if one is given."""

    name: str
    person: bool
    address: str | None


class Reference(NamedTuple):
    """A work that this one builds on, with its address if it has one."""

    title: str
    authors: Sequence[Author]
    address: str | None


class Citation(NamedTuple):
    """What a citation needs; the licence is an SPDX identifier."""

    title: str
    version: str
    license: str
    authors: Sequence[Author]
    keywords: Sequence[str]
    references: Sequence[Reference]
    repository: str | None


def names(authors: Sequence[Author]) -> str:
    """Return authors in one line."""
    return ", ".join(author.name for author in authors)


def read_citation(path: Path) -> Citation:
    """Return what a file in the Citation File Format says.

    Raises:
        UserError: it cannot be read, or lacks what a share needs.
    """
    values = read_params(path).values
    try:
        citation = Citation(
            title=str(values["title"]),
            version=str(values["version"]),
            license=str(values["license"]),
            authors=[_author(author) for author in values["authors"]],
            keywords=[str(keyword) for keyword in values.get("keywords", [])],
            references=[_reference(work) for work in values.get("references", [])],
            repository=_address("repository-code", values.get("repository-code")),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: allowed is the Citation File Format 1.2.0 with title, version, license and "
            f"authors ({type(error).__name__}: {one_line(error)})"
        ) from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if not citation.authors:
        raise UserError(f"{path}: authors = []: allowed is a list of at least one")
    return citation


def _address(key: str, value: object) -> str | None:
    """Return a value that has to be an address: in a share's metadata it names something else."""
    if value is None or (isinstance(value, str) and re.fullmatch(r"https?://\S+", value)):
        return value
    raise UserError(
        f"{key} = {one_line(value)}: allowed is an address, such as https://doi.org/..."
    )


def _author(values: Mapping[str, Any]) -> Author:
    keys = ("given-names", "name-particle", "family-names")
    parts = [str(values[key]) for key in keys if key in values]
    address = _address("orcid or website", values.get("orcid") or values.get("website"))
    return Author(" ".join(parts) or str(values["name"]), bool(parts), address)


def _reference(values: Mapping[str, Any]) -> Reference:
    doi = f"https://doi.org/{values['doi']}" if "doi" in values else None
    address = _address("doi or url", doi or values.get("url"))
    return Reference(str(values["title"]), [_author(a) for a in values["authors"]], address)

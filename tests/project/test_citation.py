"""`CITATION.cff` is what its format says, and says what the package says."""

import json
import tomllib
from pathlib import Path

import jsonschema
import yaml

from pipeline.base.paths import find_root

# Of the Citation File Format 1.2.0 (S. Druskat et al., CC BY 4.0), as it was published.
SCHEMA = Path(__file__).with_name("cff-1.2.0.schema.json")


def test_the_citation_file_is_valid() -> None:
    citation = yaml.safe_load((find_root() / "CITATION.cff").read_text())
    jsonschema.validate(citation, json.loads(SCHEMA.read_text()))


def test_the_citation_file_is_of_this_package() -> None:
    citation = yaml.safe_load((find_root() / "CITATION.cff").read_text())
    project = tomllib.loads((find_root() / "pyproject.toml").read_text())["project"]
    assert citation["title"].startswith(f"{project['name']}: ")
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])

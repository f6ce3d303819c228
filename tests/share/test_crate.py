"""The metadata of a share, by the public validator and as a receiver reads them."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_cache
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from pipeline.base.files import sha256
from pipeline.share.archive import pack, unpack
from pipeline.share.computed import METADATA

# RO-Crate 1.1's context, as it was published (CC0).
CONTEXT = Path(__file__).with_name("ro-crate-1.1-context.jsonld")
ADDRESS = "https://w3id.org/ro/crate/1.1/context"
VALIDATOR = shutil.which("rocrate-validator", path=str(Path(sys.executable).parent))


class Kept(BaseAdapter):
    """Answers every request with the context."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        headers = {"Content-Type": "application/ld+json"}
        response = requests.Response()
        response.status_code, response.url, response.request = 200, ADDRESS, request
        response.headers.update(headers)
        body = io.BytesIO(CONTEXT.read_bytes())
        response.raw = HTTPResponse(body, headers, status=200, preload_content=False)
        return response

    def close(self) -> None:
        """Close nothing."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache of the validator's that holds the context; it asks no network."""
    path = tmp_path_factory.mktemp("cache") / "http"
    with requests_cache.CachedSession(str(path), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Kept())
        assert session.get(ADDRESS).json()["@id"] == ADDRESS
    return path


def validate(crate: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    assert VALIDATOR is not None
    options = ["--offline", "--cache-path", str(cache), "--no-paging", "--verbose"]
    profile = ["--profile-identifier", "workflow-run-crate", "--requirement-severity", "required"]
    return subprocess.run(
        [VALIDATOR, "--no-interactive", "--disable-color", "validate", *options, *profile, crate],
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_public_validator_passes_a_share(shared: Path, cache: Path) -> None:
    done = validate(shared, cache)
    assert done.returncode == 0, done.stdout
    assert "RO-Crate is a valid workflow-run-crate-0.5" in done.stdout


@pytest.mark.slow
def test_the_validator_would_see_a_mistake(shared: Path, cache: Path, tmp_path: Path) -> None:
    files = unpack(shared.read_bytes(), "result.zip")
    files[METADATA] = files[METADATA].replace(b'"instrument"', b'"image"')
    (tmp_path / "wrong.zip").write_bytes(pack(files))
    assert validate(tmp_path / "wrong.zip", cache).returncode == 1


@pytest.fixture
def entities(shared: Path) -> dict[str, dict[str, Any]]:
    files = unpack(shared.read_bytes(), "result.zip")
    return {entity["@id"]: entity for entity in json.loads(files[METADATA])["@graph"]}


@pytest.mark.slow
def test_every_file_stands_in_it_with_its_hash(
    shared: Path, entities: dict[str, dict[str, Any]]
) -> None:
    files = unpack(shared.read_bytes(), "result.zip")
    del files[METADATA]
    for name, content in files.items():
        assert entities[name]["sha256"] == sha256(content)
        assert entities[name]["contentSize"] == str(len(content))
    parts = [part["@id"] for part in entities["./"]["hasPart"]]
    assert parts == [*dict.fromkeys(parts)]
    assert {part for part in parts if not part.startswith("#")} == files.keys()


@pytest.mark.slow
def test_each_seeds_run_has_its_inputs_and_outputs(entities: dict[str, dict[str, Any]]) -> None:
    for seed in (0, 1):
        run = entities[f"#training-{seed}"]
        assert [each["@id"] for each in run["object"]] == [
            "params.yaml", "#data-digits", f"#seed-{seed}"
        ]  # fmt: skip
        assert {"@id": f"runs/seed-{seed}/model.npz"} in run["result"]
        assert run["actionStatus"] == "http://schema.org/CompletedActionStatus"
    data = entities["#data-digits"]
    assert data["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert all(len(entities[part["@id"]]["sha256"]) == 64 for part in data["hasPart"])


@pytest.mark.slow
def test_what_a_repository_asks_for_is_there(entities: dict[str, dict[str, Any]]) -> None:
    root = entities["./"]
    assert root["datePublished"] == "2026-01-02T03:04:05+01:00"
    assert root["license"] == {"@id": "https://spdx.org/licenses/MIT"}
    assert entities[root["author"]["@id"]]["@type"] == "Organization"
    assert entities[root["citation"]["@id"]]["name"].startswith("Introduction to Neural Networks")
    assert "reproducibility" in root["keywords"]
    assert root["version"] == "0.1.0"
    software = entities["code/dvc.yaml"]["softwareRequirements"]
    numpy = next(each["@id"] for each in software if "/numpy/" in each["@id"])
    assert entities[numpy]["softwareVersion"] in numpy

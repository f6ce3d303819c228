"""docs/extending.md, followed literally: its diffs in a copy of the checkout, its commands."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.paths import find_root
from tests.conftest import NOT_LIVE, Checkout
from tests.declared import declared

ROOT = find_root()
PAGE = (ROOT / "docs" / "extending.md").read_text()
SECTIONS = {
    part.partition("\n")[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
}


def apply(diff: str, root: Path) -> None:
    """Apply a diff without line numbers: what it keeps stands once in the file."""
    name, _, body = diff.partition("\n")
    path = root / name.removeprefix("+++ ")
    lines = body.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    if not before:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(after)
        return
    text = path.read_text()
    assert text.count(before) == 1, f"{name}: the context stands {text.count(before)} times there"
    path.write_text(text.replace(before, after))


def prepare(checkout: Checkout) -> None:
    """Add what the page's commands need beside the code."""
    for name in ("tests", "pyproject.toml", "studies", "Makefile"):
        source, target = ROOT / name, checkout.paths.root / name
        ignored = shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)


def follow(section: str, checkout: Checkout) -> str:
    """Do what a section says; returns what its commands print."""
    prepare(checkout)
    printed = ""
    for kind, block in re.findall(r"^```(diff|bash)\n(.*?)^```$", SECTIONS[section], re.M | re.S):
        if kind == "diff":
            apply(block, checkout.paths.root)
            continue
        for command in block.splitlines():
            done = subprocess.run(
                shlex.split(command),
                cwd=checkout.paths.root,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            printed += done.stdout
    return printed


def trained(checkout: Checkout) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the experiment and the history of the only record."""
    (manifest,) = checkout.paths.records.glob("*/manifest.json")
    experiment = json.loads((manifest.parent / "description.json").read_text())["experiment"]
    history = (manifest.parent / "history.jsonl").read_text().splitlines()
    return experiment, [json.loads(line) for line in history]


@pytest.mark.parametrize(
    ("section", "key", "name"),
    [
        pytest.param(
            "An activation function", "network.activation", "softplus", marks=pytest.mark.slow
        ),
        pytest.param("A cost function", "training.cost", "absolute_error", marks=pytest.mark.slow),
        ("A way of preprocessing", "preprocess.method", "centre"),
    ],
)
def test_an_entry_of_a_registry_is_added_as_the_page_says(
    section: str, key: str, name: str, checkout: Checkout
) -> None:
    printed = follow(section, checkout)
    assert ("passed" in printed) == ("pytest" in SECTIONS[section])
    experiment, history = trained(checkout)
    part, _, setting = key.partition(".")
    assert experiment[part][setting] == name
    assert history[1]["train"]["loss"] < history[0]["train"]["loss"]


def test_a_hyperparameter_is_added_as_the_page_says(checkout: Checkout) -> None:
    follow("A hyperparameter", checkout)
    experiment, history = trained(checkout)
    assert experiment["training"]["warmup"] == 2
    rate = experiment["training"]["learning_rate"]
    shares = [entry["learning_rate"] / rate for entry in history]
    assert shares == pytest.approx([1 / 3, 2 / 3, 1, 1])


@pytest.mark.slow
def test_a_metric_is_added_as_the_page_says(checkout: Checkout) -> None:
    checkout.declare(training={"epochs": 2}, seeds=[0, 1], tracking=NOT_LIVE)
    assert "top_two" in follow("A metric", checkout)
    shown = json.loads(checkout.paths.metrics.read_text())["test"]
    assert shown["accuracy"] < shown["top_two"] <= 100


@pytest.mark.slow
def test_a_stage_is_added_as_the_page_says(checkout: Checkout) -> None:
    assert "passed" in follow("A stage", checkout)
    counts = json.loads((checkout.paths.results / "label_counts.json").read_text())
    assert len(counts) == 10
    assert sum(counts) == 360


def test_every_diff_of_the_page_fits_the_code(tmp_path: Path) -> None:
    """Also those of sections that no test above follows."""
    for section in SECTIONS.values():
        root = tmp_path / section.partition("\n")[0]
        for diff in re.findall(r"^```diff\n(.*?)^```$", section, re.M | re.S):
            name = diff.partition("\n")[0].removeprefix("+++ ")
            if (ROOT / name).exists() and not (root / name).exists():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, root / name)
            apply(diff, root)


def test_nothing_takes_more_than_three_places() -> None:
    for name, section in SECTIONS.items():
        files = re.findall(r"^\+\+\+ (\S+)$", section, re.M)
        assert len(set(files)) <= 3, name


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_unit_tests_pass_with_all_extensions_of_the_page(checkout: Checkout) -> None:
    prepare(checkout)
    shutil.copyfile(declared().params, checkout.paths.params)
    for section in SECTIONS.values():
        for diff in re.findall(r"^```diff\n(.*?)^```$", section, re.M | re.S):
            apply(diff, checkout.paths.root)
    folders = (f"tests/{room}" for room in ("base", "network", "engine", "data", "records", "draw"))
    words = ("tests/project/test_architecture.py", "-m", "not slow and not checkout")
    checkout.run("pytest", "-q", "-p", "no:cacheprovider", *folders, *words, timeout=500)

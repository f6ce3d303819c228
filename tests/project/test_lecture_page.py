"""docs/lecture.md says where each equation is, and what the committed results say."""

import ast
import importlib
import inspect
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.paths import Paths, find_root
from pipeline.data.preprocessing import label
from pipeline.lecture.lecture import TIMED, lecture_page
from tests.declared import committed, versions

PATHS = Paths(find_root())
TEXT = (PATHS.root / "docs" / "lecture.md").read_text()
TEMPLATE = PATHS.root / "pipeline" / "lecture" / "page.html.j2"
ROWS = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\| [^|]+ \| \(\d+\) \|", line)
]


def test_every_equation_has_a_row() -> None:
    assert [row[1] for row in ROWS] == [f"({number})" for number in range(1, 24)]


@pytest.mark.parametrize("row", ROWS, ids=[row[1] for row in ROWS])
def test_the_function_cites_its_equation(row: list[str]) -> None:
    module, _, name = row[2].rpartition(".")
    docstring = inspect.getdoc(getattr(importlib.import_module(module), name))
    assert docstring is not None
    assert row[1] in docstring, f"{row[2]} does not cite {row[1]}"


@pytest.mark.parametrize("row", ROWS, ids=[row[1] for row in ROWS])
def test_the_test_is_there(row: list[str]) -> None:
    path, _, name = row[3].partition("::")
    tree = ast.parse((PATHS.root / path).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=[row[1] for row in ROWS])
def test_the_exercise_is_there_and_cites_its_equation(row: list[str]) -> None:
    (link,) = re.findall(r"^\[[^\]]+\]\((\S+)\)$", row[4])
    page = (PATHS.root / "docs" / link).resolve()
    docstring = ast.get_docstring(ast.parse(committed(page)))
    assert docstring is not None
    assert row[1] in docstring, f"{link} does not cite {row[1]}"


def test_every_exercise_is_linked() -> None:
    pages = {f"../{path.relative_to(PATHS.root)}" for path in exercise_pages()}
    assert set(re.findall(r"\]\((\.\./exercises/\S+)\)", TEXT)) == pages


def exercise_pages() -> list[Path]:
    found = (PATHS.root / "exercises").glob("[0-9]*/*.py")
    return [path for path in found if not path.name.startswith("test_")]


def test_everything_named_in_the_code_is_there() -> None:
    for name in re.findall(r"`(pipeline\.[\w.]+)`", TEXT):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            module, _, attribute = name.rpartition(".")
            assert hasattr(importlib.import_module(module), attribute), name


def test_every_figure_has_its_slide() -> None:
    named = set(re.findall(r"\| `(\w+)` \|$", TEXT, re.MULTILINE))
    demonstrations = {path.stem for path in PATHS.lecture_figures.glob("*.png")}
    assert named == {*demonstrations, "five_runs"}
    studies = {path.stem for path in PATHS.studies_figures.glob("*.png")}
    shown = set(re.findall(r"pictures\.(\w+)", TEMPLATE.read_text()))
    assert shown == demonstrations | studies
    for path in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT):
        assert (PATHS.root / "docs" / path).exists(), path


# --- tables and numbers: those of the page that `make lecture` writes ---


def parts(results: dict[str, Any]) -> set[str]:
    """Return the page's paragraphs, and its tables in Markdown, with single spaces."""
    images = (*PATHS.lecture_figures.glob("*.png"), *PATHS.studies_figures.glob("*.png"))
    html = lecture_page({path.stem: path.read_bytes() for path in images}, results,
                        {label(chosen): (1.0, 0.5) for chosen in TIMED}, [])  # fmt: skip
    found = {text(paragraph) for paragraph in re.findall(r"<p[^>]*>(.*?)</p>", html, re.DOTALL)}
    for table in re.findall(r"<table>.*?</table>", html, re.DOTALL):
        lines = table.split("</tr>")[:-1]
        rows = [re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", line) for line in lines]
        rows[1:1] = [["---"] * len(row) for row in rows[:1]]
        found.add(" ".join(f"| {' | '.join(map(text, row))} |" for row in rows))
    return found


def text(html: str) -> str:
    """Return a part of a page in Markdown."""
    return " ".join(unescape(re.sub(r"</?code>", "`", html)).split())


def test_what_is_quoted_of_the_page_is_what_it_says() -> None:
    """With the committed results, or with those that lie there."""
    quoted = re.findall(r"<!-- the page: -->\n(.*?)\n<!-- / -->", TEXT, re.DOTALL)
    assert len(quoted) == TEXT.count("<!-- the page: -->") > 8
    said = set().union(*(parts(json.loads(results)) for results in versions(PATHS.studies)))
    for part in quoted:
        assert " ".join(part.split()) in said

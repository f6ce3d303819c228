"""docs/lecture.md says where each equation is, and what the committed results say."""

import ast
import importlib
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.files import read_json
from pipeline.base.paths import Paths, find_root
from pipeline.data.preprocessing import label
from pipeline.results.crossed import Crossed
from pipeline.results.page import deviation, percent
from pipeline.results.statistics import NEW_IMAGES, NEW_SEEDS, Summary, percents, points

PARTS = ("test", "validation")
PATHS = Paths(find_root())
TEXT = (PATHS.root / "docs" / "lecture.md").read_text()
TEMPLATE = PATHS.root / "pipeline" / "lecture" / "page.html.j2"
RESULTS = read_json(PATHS.studies)
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
    docstring = ast.get_docstring(ast.parse((PATHS.root / "docs" / link).read_text()))
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


# --- tables: the committed results ---


def cosine() -> list[list[str]]:
    named = {
        "own": ("output, for the noisy cosine it was trained on (as on the slide)", "output"),
        "fresh": ("output, for 100 noisy cosines it was not trained on", ""),
        "nothing": ("output, for zeros", ""),
        "noise": ("the noisy cosine itself", "noise"),
    }
    found = RESULTS["cosine"]
    rows = [["mean squared error against the cosine", "slide", "mean", "smallest", "largest"]]
    for name, (told, slide) in named.items():
        error = found["mean_squared_error"][name]
        published = f"{found['slide'][slide]:.2e}" if slide else "–"
        rows.append([told, published, *(f"{error[k]:.2e}" for k in ("mean", "min", "max"))])
    return rows


def five_runs() -> list[list[str]]:
    rows = [["accuracy", "published", "ours", "interval", "verdict"]]
    for point in RESULTS["five_runs"]["points"]:
        low, high = point["ci95"]
        rows.append(
            [
                f"{point['part']}, epoch {point['epoch']}",
                percent(point["published"]),
                percent(point["ours"]),
                f"{percent(low)} to {percent(high)}",
                "agrees" if point["agrees"] else "differs",
            ]
        )
    return rows


def author() -> list[list[str]]:
    found = RESULTS["author"]
    test = Summary.of_shares(found["test"])
    header = ["test accuracy", "published", "ours", NEW_SEEDS, NEW_IMAGES, "smallest", "largest"]
    return [
        [*header, "where ours should lie", "verdict"],
        [
            f"784-256-128-10, {test.n} seeds",
            percent(found["published"]),
            f"{percent(test.mean or 0)} ± {100 * (test.sd or 0):.2f}",
            *(percents(limits) for limits in (test.ci95, test.ci95_new_images) if limits),
            *(percent(value) for value in (test.min, test.max) if value),
            percents(found["ci95"]),
            "agrees" if found["agrees"] else "differs",
        ],
    ]


def splits() -> list[list[str]]:
    rows = [["source", "on test images", "on validation images"]]
    both = [Crossed(**RESULTS["splits"][part]) for part in PARTS]
    for name, source in (("split", "row"), ("seed", "column"), ("both", "rest")):
        rows.append([name, *(deviation(getattr(each, source)) for each in both)])
    return rows


def preprocessing() -> list[list[str]]:
    rows = [
        [
            *("inputs", "validation", "test ± sd", "difference", NEW_SEEDS, NEW_IMAGES),
            *("p (Holm)", "verdict"),
            *("weakest deviation", "largest input, training", "test"),
        ]
    ]
    for row in RESULTS["preprocessing"]:
        rows.append(
            [
                label(row["preprocess"]),
                percent(row["validation"]["mean"]),
                f"{percent(row['test']['mean'])} ± {100 * row['test']['sd']:.2f}",
                *difference(row.get("against_baseline")),
                f"{row['weakest_deviation']:.1e}",
                *(f"{row['largest_input'][part]:.3g}" for part in ("train", "test")),
            ]
        )
    return rows


def difference(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return ["–"] * 5
    limits = (points(found[f"ci95_new_{what}"]) for what in ("seeds", "images"))
    mean = f"{100 * found['mean_difference']:+.2f}"
    return [mean, *limits, f"{found['p_holm']:.3g}", found["verdict"]]


@pytest.mark.parametrize("table", [cosine, five_runs, author, preprocessing, splits])
def test_the_tables_are_the_committed_results(table: Any) -> None:
    header, *rows = table()
    first, *others = ("| " + " | ".join(line) + " |" for line in (header, *rows))
    expected = "\n".join([first, "|" + "---|" * len(header), *others])
    mark = table.__name__.replace("_", " ")
    stated = re.search(rf"<!-- {mark} -->\n(.*?)\n?<!-- /{mark} -->", TEXT, re.DOTALL)
    assert stated is not None
    assert stated.group(1) == expected, f"put this there:\n{expected}"

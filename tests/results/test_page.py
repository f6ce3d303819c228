"""Templates: what a user names is shown as it is, not as Markdown or HTML."""

from html import escape

import numpy as np
import pytest

from pipeline.base.config import compose
from pipeline.base.files import npz_bytes, sha256, write_bytes
from pipeline.base.paths import find_root
from pipeline.records.gather import declared
from pipeline.results.card import model_card
from pipeline.results.page import as_markdown, code_span, render
from pipeline.share.citation import read_citation
from pipeline.share.contents import Commit
from pipeline.stages.report import read
from tests.conftest import NOT_LIVE, Checkout
from tests.hostile_names import NAME, READER, assert_text_in

ODD = (
    "<script>alert(1)</script>",
    "a|b",
    "[here](javascript:alert(1))",
    "![](https://example.org/seen.png)",
    "**loud** _so_ ~~no~~ `code`",
    "&lt; &#60;",
    "back\\slash\\|",
    "he_normal 98.15 ± 0.08 %",
)


@pytest.mark.parametrize("name", ODD)
def test_markdown_shows_a_name_as_it_is(name: str) -> None:
    assert READER.render(f"Named {as_markdown(name)}.") == f"<p>Named {escape(name)}.</p>\n"
    row = READER.render(f"| name |\n| --- |\n| {as_markdown(name)} |")
    assert row.count("<td>") == 1
    assert f"<td>{escape(name)}</td>" in row


def test_a_name_stays_in_its_line_and_its_code() -> None:
    assert as_markdown("a\n\n# b") == "a # b"
    assert as_markdown(", ") == ", "
    assert as_markdown("\x1b[2J") == "\\\\x1b\\[2J"
    assert READER.render(code_span("a`<b>`")) == "<p><code>a'&lt;b&gt;'</code></p>\n"


def test_plain_names_and_numbers_stay_readable() -> None:
    assert as_markdown("standardise · 784-256-128-10 · he_normal") == (
        "standardise · 784-256-128-10 · he_normal"
    )


@pytest.mark.slow
def test_what_a_user_names_is_text_in_report_summary_card_and_readme(checkout: Checkout) -> None:
    paths, rng = checkout.paths, np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for part in ("train", "test"):
        arrays[f"x_{part}"] = rng.integers(0, 256, (60, 8, 8), np.uint8)
        arrays[f"y_{part}"] = np.arange(60) % 2
    content = npz_bytes(arrays)
    write_bytes(paths.given("own") / "own.npz", content)
    checkout.declare(
        study=NAME,
        data={"name": "own", "classes": ["no", NAME], "shape": [8, 8],
              "files": {"own.npz": sha256(content)}},
        split={"train": 40, "validation": 20, "test": 60},
        training={"epochs": 1},
        seeds=[0, 1],
        tracking=NOT_LIVE,
    )  # fmt: skip
    checkout.run("dvc", "repro", "report")
    config = compose(paths)
    results = read(config, paths, declared(config, paths))
    citation = read_citation(find_root() / "CITATION.cff")
    readme = render(
        "share/README.md.j2",
        results=results,
        citation=citation._replace(title=NAME, keywords=[NAME], repository=NAME),
        names=lambda authors: NAME,
        commit=Commit("0" * 40, "2026-01-01T00:00:00Z"),
        changed=False,
    )
    card = model_card(results.records, "", results.accuracies["test"])
    assert_text_in(paths.page.read_text())
    for text in (paths.summary.read_text(), card, readme):
        assert_text_in(READER.render(text))

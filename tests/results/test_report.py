"""The report's page, in a real browser: complete, offline, readable by everybody."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import Chrome

from pipeline.files import sha256
from pipeline.records.record import Record
from pipeline.results.evaluation import calibration
from pipeline.results.page import training_flops
from tests.browser import chromium, log, needs_chromium, problems, requested, show
from tests.conftest import NOT_LIVE, Checkout, copy_of


@pytest.fixture(scope="module")
def reported(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with a report on five seeds of three epochs."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("report"))
    checkout.declare(training={"epochs": 3}, tracking=NOT_LIVE)
    checkout.run("dvc", "repro", "report")
    return checkout


@pytest.fixture(scope="module")
def failed(reported: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout in which one declared seed of five has failed."""
    checkout = copy_of(reported.paths.root, tmp_path_factory.mktemp("failed"))
    folder = checkout.paths.run(3)
    for path in folder.iterdir():
        if path.name != "description.json":
            path.unlink()
    Record(folder).fail("the loss is nan")
    for stage in ("evaluate", "report"):
        checkout.run(f"pipeline.stages.{stage}")
    return checkout


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium(1100, 900) as started:
        yield started


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (1100, "dark"), (390, "light")])
def test_the_page_is_whole_offline_and_accessible(
    width: int, scheme: str, reported: Checkout, browser: Chrome
) -> None:
    show(browser, reported.paths.page, width=width, scheme=scheme)
    assert log(browser, "browser") == []
    addresses = requested(browser)
    assert {url.partition(":")[0] for url in addresses} <= {"file", "data"}
    assert len([url for url in addresses if url.startswith("file:")]) == 1
    images: list[Any] = browser.execute_script(
        "return [...document.images].map(i => [i.complete && i.naturalWidth > 0, i.alt])"
    )
    assert len(images) == 8
    assert all(loaded and len(alt) > 40 for loaded, alt in images)
    assert problems(browser) == []


@needs_chromium
def test_a_failed_seed_is_shown_as_failed(failed: Checkout, browser: Chrome) -> None:
    show(browser, failed.paths.page)
    text = browser.find_element("tag name", "body").text.replace("\N{NO-BREAK SPACE}", " ")
    assert "n = 4 of 5 seeds" in text
    assert "1 of 5 declared seeds did not finish: seed 3" in text
    assert re.search(r"^3 failed failed failed$", text, re.MULTILINE)
    assert "n = 4 of 5 seeds" in failed.paths.summary.read_text()


def test_a_page_without_any_result_is_refused(failed: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(failed.paths.root, tmp_path)
    checkout.declare(seeds=[3])
    checkout.run("pipeline.stages.evaluate")
    done = checkout.run("pipeline.stages.report", check=False)
    assert done.returncode == 2
    assert "no declared seed finished" in done.stderr


def test_one_seed_has_no_interval_and_says_so(reported: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(reported.paths.root, tmp_path)
    checkout.declare(seeds=[2])
    for stage in ("evaluate", "report"):
        checkout.run(f"pipeline.stages.{stage}")
    assert "n = 1 seed, so no interval" in checkout.paths.summary.read_text()


def test_figures_and_page_have_the_same_bytes_when_drawn_again(reported: Checkout) -> None:
    def hashes() -> dict[str, str]:
        files = [*reported.paths.figures.iterdir(), reported.paths.page, reported.paths.summary]
        return {path.name: sha256(path.read_bytes()) for path in files}

    before = hashes()
    assert len(before) == 10
    reported.run("pipeline.stages.report")
    assert hashes() == before


def test_the_arithmetic_of_a_training_worked_by_hand() -> None:
    """2-3-1: forward 2·2·3 + 2·3·1 = 18; weights again 18; inputs of the second layer 6."""
    assert training_flops([2, 3, 1], train=10, evaluated=4, epochs=2) == 2 * (10 * 42 + 4 * 18)


def test_calibration_worked_by_hand() -> None:
    """Two bins: (0.2, 0.4) half right, (0.9, 1.0) all right; error (2·0.2 + 2·0.05) / 4."""
    found = calibration(np.array([0.2, 0.4, 0.9, 1.0]), np.array([True, False, True, True]), bins=2)
    np.testing.assert_allclose(found.confidence, [0.3, 0.95])
    np.testing.assert_allclose(found.accuracy, [0.5, 1.0])
    assert found.error == pytest.approx(0.125)

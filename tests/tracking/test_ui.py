"""The UI in a real browser: what a person sees after a sweep."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from pipeline.base.files import read_json
from tests.browser import chromium, needs_chromium
from tests.conftest import Checkout, copy_of
from tests.sweep.runs import wait_until_nobody_trains
from tests.tracking.conftest import bring_up_to_date
from tests.tracking.stores import wait_for

pytestmark = [
    needs_chromium,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SECONDS = 60


@pytest.fixture(scope="module")
def tracked(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with two configurations in its store, one of them evaluated."""
    checkout = copy_of(finished.paths.root, tmp_path_factory.mktemp("ui"))
    checkout.train("preprocess=raw", "seed=0,1")
    bring_up_to_date(checkout)
    return checkout


@contextmanager
def served(checkout: Checkout) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `pipeline ui`; yield its process and the address that it prints, once that answers."""
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", "ui"],
        cwd=checkout.paths.root,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+/#\S+", process.stdout.readline())
        assert address is not None
        try:
            wait_for(address.group(0).partition("/#")[0] + "/health", process)
            yield process, address.group(0)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


@pytest.fixture(scope="module")
def page(tracked: Checkout) -> Iterator[str]:
    """Return the address that `make ui` prints, while its server runs."""
    with served(tracked) as (process, address):
        yield address
    assert process.returncode == 130


def test_the_server_listens_to_this_machine_alone_and_ends_with_a_command_that_is_killed(
    tracked: Checkout,
) -> None:
    with served(tracked) as (process, _):
        servers = psutil.Process(process.pid).children(recursive=True)
        sockets = [socket for server in servers for socket in server.net_connections("inet")]
        assert {each.laddr.ip for each in sockets if each.status == "LISTEN"} == {"127.0.0.1"}
        process.kill()
    wait_until_nobody_trains(tracked)


@pytest.fixture
def browser() -> Iterator[Chrome]:
    with chromium() as started:
        yield started


def wait_for_text(browser: Chrome, *expected: str) -> str:
    """Wait until the page shows all of it; returns the page's text."""
    text = ""

    def shows(browser: Chrome) -> bool:
        nonlocal text
        text = browser.find_element(By.TAG_NAME, "body").text
        return all(words in text for words in expected)

    try:
        WebDriverWait(browser, SECONDS).until(shows)
    except Exception as error:
        raise AssertionError(f"expected {expected}, got:\n{text}") from error
    return text


def test_a_person_finds_accuracies_curves_and_words(
    tracked: Checkout, page: str, browser: Chrome
) -> None:
    """In one test, since two servers that start at once would want the same port."""
    the_runs_table_shows_parents_and_seeds_with_their_test_accuracies(tracked, page, browser)
    the_chart_page_begins_with_learning_curves(page, browser)
    a_run_says_what_it_is(tracked, page, browser)


def the_runs_table_shows_parents_and_seeds_with_their_test_accuracies(
    tracked: Checkout, page: str, browser: Chrome
) -> None:
    browser.get(page)
    wait_for_text(browser, "standardise", "raw", "test/accuracy", "test/sd", "test/n")
    parent = browser.find_element(By.PARTIAL_LINK_TEXT, "standardise")
    parent.find_element(By.XPATH, "ancestor::span[starts-with(@id, 'cell-')]//button").click()
    per_seed = {e["seed"]: e["accuracy"] for e in read_json(tracked.paths.tests)}
    text = wait_for_text(browser, *(f"seed {seed}" for seed in per_seed))
    # Beside the names, which need room; the score that may choose a configuration comes first.
    heads = sorted(
        browser.find_elements(By.CSS_SELECTOR, ".ag-header-cell"), key=lambda e: e.rect["x"]
    )
    shown = [(head.text, head.rect["width"]) for head in heads if head.text]
    assert [text for text, _ in shown][:5] == [
        "Run Name", "Created", "validation/accuracy", "test/accuracy", "test/sd"
    ]  # fmt: skip
    assert shown[0][1] > 190  # MLflow's own width
    for accuracy in per_seed.values():
        assert f"{round(100 * accuracy, 4)}".rstrip("0").rstrip(".") in text


def the_chart_page_begins_with_learning_curves(page: str, browser: Chrome) -> None:
    browser.get(page + "&compareRunsMode=CHART")
    text = wait_for_text(browser, "learning curves", "validation/accuracy")
    assert text.index("learning curves") < text.index("validation/accuracy")

    def curves(browser: Chrome) -> list[str]:
        lines = browser.find_elements(By.CSS_SELECTOR, "path.js-line")
        return [drawn for line in lines if "L" in (drawn := line.get_attribute("d") or "")]

    assert WebDriverWait(browser, SECONDS).until(curves)


def a_run_says_what_it_is(tracked: Checkout, page: str, browser: Chrome) -> None:
    browser.get(page)
    wait_for_text(browser, "standardise")
    browser.find_element(By.PARTIAL_LINK_TEXT, "standardise").click()
    mean = read_json(tracked.paths.metrics)["test"]["accuracy"] / 100
    wait_for_text(browser, f"Test accuracy: {100 * mean:.2f} ±", "n = 3 seeds", "digits-demo")

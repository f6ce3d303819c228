"""A real headless Chromium; tests that need one are skipped without it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_core_python
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

AXE = (Path(axe_core_python.__path__[0]) / "axe.min.js").read_text()
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="Debian's chromium and chromium-driver are not installed"
)


@contextmanager
def chromium(width: int = 1500, height: int = 900) -> Iterator[webdriver.Chrome]:
    """Start a browser of its own, with no window and nothing remembered."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    # No sandbox: containers, where tests run as root, offer it none.
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{word}")
    options.add_argument(f"--window-size={width},{height}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield browser
    finally:
        browser.quit()


def log(browser: webdriver.Chrome, kind: str) -> list[Any]:
    """Return what the browser has noted since the last call."""
    return list(browser.get_log(kind))  # type: ignore[no-untyped-call]


def show(
    browser: webdriver.Chrome, page: Path, *, width: int = 1100, scheme: str = "light"
) -> None:
    """Open a page in a window of some width, under a colour scheme."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    for kind in ("browser", "performance"):
        log(browser, kind)
    browser.get(page.as_uri())


def requested(browser: webdriver.Chrome) -> list[str]:
    """Return the addresses that were asked for since a page was shown."""
    messages = [json.loads(entry["message"])["message"] for entry in log(browser, "performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def problems(browser: webdriver.Chrome) -> list[tuple[str, list[str]]]:
    """Return what axe finds inaccessible on the page, and whether the page is too wide."""
    browser.execute_script(AXE)
    found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    listed = [(v["id"], [n["html"][:100] for n in v["nodes"]]) for v in found["violations"]]
    overflow = "return document.documentElement.scrollWidth - window.innerWidth"
    return [*listed, *([("too wide", [])] if browser.execute_script(overflow) > 0 else [])]

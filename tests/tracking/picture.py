"""Draw docs/mlflow.png anew: `python -m tests.tracking.picture`.

What `make ui` shows after three configurations of five seeds on the 8x8 digits.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from pipeline.base.paths import find_root
from pipeline.demo import prepare
from tests.browser import chromium
from tests.tracking.stores import end, wait_for

SWEEP = ("preprocess=raw,standardise,whiten", "seed=range(5)", "test=true")
WIDTH, HEIGHT, SECONDS = 1400, 760, 60


def main() -> None:
    """Train, mirror, open the page, and take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prepare(find_root(), root)
        for command in (["pipeline.stages.download"], ["pipeline.stages.train", *SWEEP]):
            subprocess.run([sys.executable, "-m", *command], cwd=root, check=True)
        with subprocess.Popen(
            [sys.executable, "-m", "pipeline.tracking.ui"],
            cwd=root,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as server:
            try:
                assert server.stdout is not None
                address = re.search(rb"http://\S+", server.stdout.readline())
                assert address is not None
                url = address.group().decode()
                wait_for(f"{url.partition('/#')[0]}/health", server)
                with chromium(WIDTH, HEIGHT) as browser:
                    take(browser, url)
            finally:
                end(server)


def take(browser: WebDriver, url: str) -> None:
    """Save the page with its first configuration unfolded and MLflow's assistant put away."""
    browser.get(url)
    wait = WebDriverWait(browser, SECONDS)
    parent = wait.until(lambda page: page.find_element(By.PARTIAL_LINK_TEXT, "standardise"))
    parent.find_element(By.XPATH, "ancestor::span[starts-with(@id, 'cell-')]//button").click()
    wait.until(lambda page: page.find_element(By.LINK_TEXT, "seed 0"))
    for button in browser.find_elements(By.CSS_SELECTOR, "[aria-label^='Close']"):
        button.click()
    time.sleep(2)  # until nothing moves any more
    browser.save_screenshot(str(find_root() / "docs" / "mlflow.png"))


if __name__ == "__main__":
    main()

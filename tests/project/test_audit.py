"""No locked package has a published vulnerability, where that can be looked up."""

import subprocess
import sys

import pytest
import requests

from pipeline.base.paths import find_root


@pytest.mark.slow
def test_no_locked_package_has_a_published_vulnerability() -> None:
    try:
        requests.get("https://pypi.org/pypi/pip/json", timeout=10).raise_for_status()
    except requests.RequestException as error:
        pytest.skip(f"the database of vulnerabilities cannot be reached: {type(error).__name__}")
    words = ["--requirement", "requirements.lock", "--no-deps", "--disable-pip"]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *words],
        cwd=find_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout

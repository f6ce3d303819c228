"""Relaxes the rules of the project's tests for the exercises."""

import pytest

from exercises.grader import FOLDER, SECONDS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ignore warnings and limit the time, in exercises alone."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            item.add_marker(pytest.mark.timeout(SECONDS))

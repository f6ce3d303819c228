"""What pytest needs to grade exercises: none of the rules that hold for the project's own tests."""

import pytest

from exercises.grader import FOLDER, SECONDS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let warnings pass, and end what does not end by itself, in exercises alone."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            item.add_marker(pytest.mark.timeout(SECONDS))

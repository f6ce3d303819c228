"""What undisturbed sweeps leave, to compare others with."""

from pathlib import Path

import pytest

from tests.conftest import copy_of
from tests.sweep.runs import IN_PROCESS, SHORT, records


@pytest.fixture(scope="session")
def undisturbed(
    prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Return the records of `SHORT`, trained one after the other in one process."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("undisturbed"))
    checkout.train(IN_PROCESS, *SHORT)
    found = records(checkout)
    assert len(found) == 3
    return found

"""Download a run's record from an MLflow store."""

from __future__ import annotations

from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.base.files import read_bytes, write_bytes
from pipeline.base.masking import one_line, printable
from pipeline.base.paths import Paths
from pipeline.tracking.models import NAME
from pipeline.tracking.plan import ARTIFACTS
from pipeline.tracking.store import SQLITE, address, connect

MODEL = f"{NAME}/data/model.npz"


def fetch(run_id: str, uri: str | None, paths: Paths, folder: Path) -> None:
    """Write the record of a seed's run to `folder`, without checking it.

    Raises:
        UserError: the store cannot be opened, there is no such run, or it is not the run of a
            finished seed.
    """
    where = address(uri, paths)
    if where.startswith(SQLITE) and not Path(where.removeprefix(SQLITE)).exists():
        raise UserError(f"MLflow's run {run_id}: there is no store {printable(where)}")
    parts = folder / "parts"
    parts.mkdir(parents=True)
    try:
        client = connect(uri, paths).client
        from mlflow.artifacts import download_artifacts

        names = {item.path for item in client.list_artifacts(run_id)}
        if "manifest.json" not in names:
            raise UserError(f"MLflow's run {run_id} is not the run of a finished seed")
        for artifact in (*(names & set(ARTIFACTS)), MODEL):
            # With this address MLflow searches the run and its logged model.
            stored = Path(download_artifacts(f"runs:/{run_id}/{artifact}", dst_path=str(parts)))
            write_bytes(folder / stored.name, read_bytes(stored))
    except UserError:
        raise
    except Exception as error:  # MLflow passes on the errors of its libraries
        raise UserError(f"MLflow's run {run_id}: {one_line(error)}") from None

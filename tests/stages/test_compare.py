"""Comparing configurations: paired by seed, and never more said than the seeds allow."""

import csv
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Checkout, copy_of

SHORT = ("training.epochs=2", "seed=range(6)")


@pytest.fixture(scope="module")
def swept(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with a sweep of two configurations by six seeds."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("compare"))
    checkout.train(*SHORT, "training.learning_rate=0.1,0.001", "test=true")
    return checkout


def sweep_of(checkout: Checkout) -> str:
    (folder,) = (path.parent for path in checkout.paths.sweeps.glob("*/runs.csv"))
    return str(folder)


def table(checkout: Checkout) -> list[dict[str, Any]]:
    with (checkout.paths.comparison / "comparison.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("part", ["validation", "test"])
def test_six_pairs_that_all_agree_are_called(part: str, swept: Checkout) -> None:
    """All six differences have one sign, so p is 2 / 2⁶."""
    words = ["--test"] if part == "test" else []
    done = swept.run("pipeline.stages.compare", sweep_of(swept), *words)
    first, second = table(swept)
    assert first["verdict"] == ""
    assert second["verdict"] == "smaller"
    assert float(second["p"]) == float(second["p_holm"]) == 2 / 2**6
    assert second["pairs"] == "6"
    difference = float(second["mean"]) - float(first["mean"])
    assert float(second["difference"]) == pytest.approx(difference)
    assert f"{part} accuracy" in done.stdout
    assert (swept.paths.comparison / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_five_pairs_are_too_few_to_call(swept: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(swept.paths.root, tmp_path)
    rows = Path(sweep_of(checkout)) / "runs.csv"
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:-1]))
    done = checkout.run("pipeline.stages.compare", str(rows.parent))
    assert "n too small to call (5 pairs; 6 are the fewest)" in done.stdout


def test_records_and_folders_of_records_may_be_named(swept: Checkout) -> None:
    records = sorted(swept.paths.records.glob("*/description.json"))
    swept.run("pipeline.stages.compare", *(str(path.parent) for path in records))
    named = table(swept)
    swept.run("pipeline.stages.compare", str(swept.paths.records))
    assert table(swept) == named
    assert [row["n"] for row in named] == ["6", "6"]


def test_what_cannot_be_compared_is_told(swept: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(swept.paths.root, tmp_path)
    one = next(checkout.paths.records.glob("*/description.json")).parent
    for words, told in (
        ([str(one)], "allowed are at least two configurations, this is 1"),
        ([str(checkout.paths.conf)], "allowed is the folder of a sweep"),
    ):
        done = checkout.run("pipeline.stages.compare", *words, check=False)
        assert done.returncode == 2
        assert told in done.stderr
        assert done.stderr.count("\n") == 1
    for path in checkout.paths.records.glob("*/test.json"):
        path.unlink()
    done = checkout.run("pipeline.stages.compare", sweep_of(checkout), "--test", check=False)
    assert "nobody has asked for its test accuracy" in done.stderr


def test_a_failed_seed_leaves_its_pair_out(swept: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(swept.paths.root, tmp_path)
    victim = min(checkout.paths.records.glob("*/manifest.json"))
    victim.unlink()
    checkout.run("pipeline.stages.compare", sweep_of(checkout))
    assert sorted(row["n"] for row in table(checkout)) == ["5", "6"]
    assert table(checkout)[1]["pairs"] == "5"

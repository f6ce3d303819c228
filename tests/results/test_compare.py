"""Comparisons of configurations, paired by seed, with a verdict only if there are enough seeds."""

import contextlib
import csv
import io
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from matplotlib.pyplot import imread

from pipeline.base.config import compose
from pipeline.base.errors import UserError
from pipeline.data.catalogue import DATASETS
from pipeline.data.raw import read_examples
from pipeline.records.record import add_origin, read_finished
from pipeline.results.compare import compare
from pipeline.results.crossed import crossed as analysis
from tests.conftest import Checkout, copy_of

ENDS = ("seeds_low", "seeds_high", "images_low", "images_high")
BASIC = "hydra/launcher=basic"
SHORT = ("training.epochs=2", "seed=range(6)", BASIC)


@pytest.fixture(scope="module")
def swept(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with a sweep of two configurations by six seeds."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("compare"))
    checkout.train(*SHORT, "training.learning_rate=0.1,0.001", "test=true")
    return checkout


@pytest.fixture(scope="module")
def crossed(swept: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with three splits by three seeds of one configuration."""
    checkout = copy_of(swept.paths.root, tmp_path_factory.mktemp("crossed"))
    shutil.rmtree(checkout.paths.sweeps)
    checkout.train("training.epochs=2", "split.seed=range(3)", "seed=range(3)", "test=true", BASIC)
    return checkout


class Printed(NamedTuple):
    stdout: str
    stderr: str


def compared(checkout: Checkout, *places: str, **options: Any) -> Printed:
    """Compare in this process, as `pipeline compare` does; return what it prints."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        compare(places, checkout.paths, **options)
    return Printed(out.getvalue(), err.getvalue())


def refusal(checkout: Checkout, *places: str, **options: Any) -> str:
    """Return the error of a comparison that is refused."""
    with pytest.raises(UserError) as error:
        compared(checkout, *places, **options)
    return str(error.value)


def sweep_of(checkout: Checkout) -> str:
    (folder,) = (path.parent for path in checkout.paths.sweeps.glob("*/runs.csv"))
    return str(folder)


def table(checkout: Checkout) -> list[dict[str, Any]]:
    with latest(checkout).open(newline="") as file:
        return list(csv.DictReader(file))


def latest(checkout: Checkout) -> Path:
    tables = checkout.paths.comparison.glob("*/comparison.csv")
    return max(tables, key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_six_pairs_that_all_agree_give_a_verdict(part: str, swept: Checkout) -> None:
    """All six differences have one sign, so p is 2 / 2⁶."""
    done = compared(swept, sweep_of(swept), test=part == "test")
    first, second = table(swept)
    assert first["verdict"] == ""
    assert second["verdict"] == "smaller"
    assert float(second["p"]) == float(second["p_holm"]) == 2 / 2**6
    assert second["pairs"] == "6"
    difference = float(second["mean"]) - float(first["mean"])
    assert float(second["difference"]) == pytest.approx(difference)
    images = compose(swept.paths).split
    assert f"these {getattr(images, part)} {part} images, new seeds" in done.stdout
    limits = [float(second[f"difference_ci95_new_{end}"]) for end in ENDS]
    assert limits[2] <= limits[0] < difference < limits[1] <= limits[3] < 0
    assert float(second["p_larger"]) == 0
    assert float(second["p_larger_high"]) == pytest.approx(1 - 0.025 ** (1 / 6))
    assert latest(swept).with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert latest(swept).parent.name == f"{Path(sweep_of(swept)).name}-{part}"


def test_means_and_intervals_are_those_of_the_models_answers(swept: Checkout) -> None:
    compared(swept, sweep_of(swept), test=True)
    records = map(read_finished, (p.parent for p in swept.paths.records.glob("*/manifest.json")))
    images = read_examples(DATASETS["digits"], swept.paths)["test"]
    by_rate: dict[float, list[Any]] = {}
    for record in records:
        rate = record.description["experiment"]["training"]["learning_rate"]
        by_rate.setdefault(rate, []).append(record.model().predict(images.raw) == images.labels)
    for row, rate in zip(table(swept), (0.1, 0.001), strict=True):
        expected = analysis(np.array(by_rate[rate]))
        assert float(row["mean"]) == pytest.approx(expected.mean)
        limits = [float(row[f"ci95_new_{end}"]) for end in ENDS]
        assert limits == pytest.approx([*expected.intervals()[0], *expected.intervals()[1]])


def test_any_configuration_can_be_the_baseline(swept: Checkout) -> None:
    done = compared(swept, sweep_of(swept), baseline="lr 0.001")
    first, second = table(swept)
    assert first["configuration"] == "lr 0.001"
    assert second["verdict"] == "larger"
    assert "Differences from lr 0.001 are in percentage points, paired" in done.stdout


def test_imported_records_are_compared_with_own_records(swept: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(swept.paths.root, tmp_path)
    for path in checkout.paths.records.glob("*/manifest.json"):
        record = read_finished(path.parent)
        if record.description["experiment"]["training"]["learning_rate"] == 0.001:
            add_origin(record, {**record.origin, "shared": {"by": "A. Author"}})
    compared(checkout, sweep_of(checkout))
    assert [row["configuration"] for row in table(checkout)] == [
        "lr 0.1",
        "lr 0.001 · shared by A. Author",
    ]


def test_a_plan_tells_what_more_seeds_would_give(swept: Checkout) -> None:
    printed = compared(swept, sweep_of(swept), plan=True).stdout
    assert re.search(r"seeds needed for +0\.05 +0\.10 +0\.20", printed)
    (line,) = re.findall(r"lr 0\.001, difference +(.+)", printed)
    widths = [
        [float(half) for half in cell.split(" / ")] for cell in re.split(r"  +", line.strip())
    ]
    assert len(widths) == 7
    assert widths == sorted(widths, reverse=True)
    assert all(same <= new for same, new in widths)


def test_a_single_configuration_has_intervals(swept: Checkout) -> None:
    one = next(swept.paths.records.glob("*/manifest.json")).parent
    done = compared(swept, str(one))
    assert "1 of 1" in done.stdout
    (row,) = table(swept)
    assert row["ci95_new_seeds_low"] == row["verdict"] == ""


@pytest.mark.slow
def test_crossed_splits_and_seeds_have_separate_variances(crossed: Checkout) -> None:
    for part in ("validation", "test"):
        done = compared(crossed, sweep_of(crossed), test=part == "test")
        assert "3 splits and 3 seeds" in done.stdout
        assert "every seed with every split" in done.stdout
        accuracies = np.zeros((3, 3))
        with (Path(sweep_of(crossed)) / "runs.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                record = read_finished(crossed.paths.records / row["record"])
                split = record.description["experiment"]["split"]["seed"]
                accuracies[split, record.seed] = float(row[f"{part}_accuracy"])
        expected = analysis(accuracies)
        variances = [float(row["variance"]) for row in table(crossed)]
        assert variances == pytest.approx([expected.row, expected.column, expected.rest])
        assert latest(crossed).with_suffix(".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_splits_that_are_not_crossed_are_refused(crossed: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(crossed.paths.root, tmp_path)
    rows = Path(sweep_of(checkout)) / "runs.csv"
    lines = rows.read_text().splitlines(keepends=True)
    rows.write_text("".join(lines[:-1]))
    told = refusal(checkout, str(rows.parent))
    assert "split.seed = 2, seed = 2 is missing or failed" in told
    folder = str(checkout.paths.records)
    told = refusal(checkout, folder)
    assert "split.seed = 0, 1, 2: several configurations can only be" in told
    told = refusal(checkout, folder, plan=True)
    assert "--plan: allowed is one split.seed, these are 3" in told


@pytest.mark.slow
def test_configurations_with_other_images_are_refused(swept: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(swept.paths.root, tmp_path)
    checkout.train(*SHORT, "split.validation=50", "test=true")
    folder = str(checkout.paths.records)
    assert "have different validation data, so" in refusal(checkout, folder)
    compared(checkout, folder, test=True)


@pytest.mark.slow
def test_of_two_versions_of_the_code_the_current_one_is_compared(
    swept: Checkout, tmp_path: Path
) -> None:
    checkout = copy_of(swept.paths.root, tmp_path)
    path = checkout.paths.root / "pipeline" / "network" / "descent.py"
    path.write_text(path.read_text() + "\nOTHER = 1\n")
    checkout.train("training.epochs=2", "seed=0", "training.learning_rate=0.1")
    done = checkout.run("pipeline.results.compare", str(checkout.paths.records))
    assert "runs left out, since other code made them: 1" in done.stderr


def test_five_pairs_are_too_few_for_a_verdict(swept: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(swept.paths.root, tmp_path)
    rows = Path(sweep_of(checkout)) / "runs.csv"
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:-1]))
    done = compared(checkout, str(rows.parent))
    assert "too few seeds (5 of at least 6)" in done.stdout


def test_records_and_folders_of_records_may_be_named(swept: Checkout) -> None:
    records = sorted(swept.paths.records.glob("*/description.json"))
    compared(swept, *(str(path.parent) for path in records))
    named = table(swept)
    compared(swept, str(swept.paths.records))
    assert table(swept) == named
    assert [row["n"] for row in named] == ["6", "6"]


@pytest.mark.slow
def test_what_cannot_be_compared_is_reported(swept: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(swept.paths.root, tmp_path)
    sweep = sweep_of(checkout)
    assert "allowed is the folder of a sweep" in refusal(checkout, str(checkout.paths.conf))
    assert "must match exactly one" in refusal(checkout, sweep, baseline="lr")
    assert "lr 0.001" in refusal(checkout, sweep, baseline="nix")
    for words, told in (
        (["nix"], "nix: neither a folder nor a git revision or DVC experiment"),
        ([sweep, "--nix"], "unrecognized arguments: --nix"),
    ):
        done = checkout.run("pipeline.results.compare", *words, check=False)
        assert done.returncode == 2
        assert told in done.stderr
        assert done.stderr.count("\n") == 1
    for path in checkout.paths.records.glob("*/test.json"):
        path.unlink()
    assert "has no test accuracy" in refusal(checkout, sweep, test=True)


def test_a_failed_seed_leaves_its_pair_out(swept: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(swept.paths.root, tmp_path)
    victim = min(checkout.paths.records.glob("*/manifest.json"))
    victim.unlink()
    compared(checkout, sweep_of(checkout))
    assert sorted(row["n"] for row in table(checkout)) == ["5", "6"]
    assert table(checkout)[1]["pairs"] == "5"


@pytest.mark.slow
def test_what_cannot_be_paired_is_named_with_its_seeds(swept: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(swept.paths.root, tmp_path)
    checkout.train("training.epochs=1", "seed=20,21")
    done = compared(checkout, str(checkout.paths.records), baseline="lr 0.001")
    assert "left out: no seed finished in both: " in done.stderr
    assert "epochs 1 · lr 0.1 [20, 21]" in done.stderr
    assert len(table(checkout)) == 2
    alone = max(checkout.paths.sweeps.glob("2*"))
    compared(checkout, sweep_of(swept), str(alone))


def test_a_figure_shows_long_names_whole(swept: Checkout) -> None:
    """Nothing is drawn on the outermost pixels."""
    compared(swept, sweep_of(swept))
    image = imread(latest(swept).with_suffix(".png"))[..., :3]
    edges = (image[0], image[-1], image[:, 0], image[:, -1])
    assert all((edge == 1).all() for edge in edges)

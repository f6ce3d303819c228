"""`dvc repro`, end to end, on embedded digits: what a DVC user expects of it."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.files import read_json
from tests.conftest import NOT_LIVE, Checkout, copy_of, hashes


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def snapshot(checkout: Checkout) -> dict[str, str]:
    """Return the hash of every result, by path."""
    return hashes(checkout.paths.root, "runs", "results", "reports")


@pytest.fixture(scope="module")
def reproduced(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    from pipeline.base.paths import Paths

    root = tmp_path_factory.mktemp("repro") / prepared_checkout.name
    shutil.copytree(prepared_checkout, root)
    shutil.rmtree(root / "data")
    checkout = Checkout(Paths(root))
    checkout.run("dvc", "repro")
    checkout.declare(tracking=NOT_LIVE)
    return checkout


def test_five_seeds_with_their_statistics(reproduced: Checkout) -> None:
    metrics = read(reproduced.paths.metrics)
    assert list(metrics) == ["test", "validation"]
    for known in metrics.values():
        assert list(known)[:5] == ["accuracy", "sd", "low", "high", "n"]
        assert known["n"] == 5
        assert known["low"] <= known["accuracy"] <= known["high"]
    assert metrics["test"]["accuracy"] > 90
    history = reproduced.paths.history.read_text().splitlines()
    assert history[0] == "seed,epoch,split,metric,value"
    assert len(history) == 1 + 5 * 20 * 2 * 2
    assert (reproduced.paths.figures / "learning_curves.png").read_bytes().startswith(b"\x89PNG")


def test_metrics_agree_with_predictions_and_confusions(reproduced: Checkout) -> None:
    """The three files are written apart; accuracy can be counted from each."""
    per_seed = {str(e["seed"]): e["accuracy"] for e in read_json(reproduced.paths.tests)}
    mean = sum(per_seed.values()) / len(per_seed)
    assert read(reproduced.paths.metrics)["test"]["accuracy"] == pytest.approx(100 * mean)
    rows = [row.split(",") for row in reproduced.paths.predictions.read_text().splitlines()[1:]]
    counts = [row.split(",") for row in reproduced.paths.confusion.read_text().splitlines()[1:]]
    for seed, accuracy in per_seed.items():
        right = [row[2] == row[3] for row in rows if row[0] == seed]
        assert sum(right) / len(right) == pytest.approx(accuracy)
        diagonal = sum(int(n) for s, a, p, n in counts if s == seed and a == p)
        assert diagonal / len(right) == pytest.approx(accuracy)


@pytest.mark.slow
def test_an_experiment_grows_by_a_seed_and_shrinks_again(reproduced: Checkout) -> None:
    """Nothing new trains nothing; a seed that is added trains alone, and is taken out again."""
    first = snapshot(reproduced)
    manifests = {p: p.stat().st_mtime_ns for p in reproduced.paths.records.glob("*/manifest.json")}
    told = reproduced.run("dvc", "repro").stdout
    assert "Stage 'train' didn't change, skipping" in told
    assert snapshot(reproduced) == first

    reproduced.declare(seeds=[0, 1, 2, 3, 4, 5])
    reproduced.run("dvc", "repro")
    six = list(reproduced.paths.records.glob("*/manifest.json"))
    assert len(six) == 6
    assert {p: p.stat().st_mtime_ns for p in manifests} == manifests
    assert read(reproduced.paths.metrics)["test"]["n"] == 6

    reproduced.declare(seeds=[0, 1, 2, 3, 4])
    reproduced.run("dvc", "repro")
    assert snapshot(reproduced) == first


@pytest.mark.slow
def test_results_come_back_byte_for_byte_when_all_is_made_again(reproduced: Checkout) -> None:
    first, lock = snapshot(reproduced), (reproduced.paths.root / "dvc.lock").read_bytes()
    for folder in ("records", "runs", "results", "reports", "data", "sweeps", ".dvc/cache"):
        shutil.rmtree(reproduced.paths.root / folder)
    reproduced.run("dvc", "repro", "--force")
    assert snapshot(reproduced) == first
    assert (reproduced.paths.root / "dvc.lock").read_bytes() == lock


@pytest.mark.slow
def test_dvc_shows_metrics_parameters_plots_and_the_graph(reproduced: Checkout) -> None:
    graph = reproduced.run("dvc", "dag", "--dot").stdout
    for edge in ('"train" -> "evaluate"', '"evaluate" -> "report"', '"encode" -> "train"'):
        assert edge in graph
    shown = json.loads(reproduced.run("dvc", "metrics", "show", "--json").stdout)
    assert "results/metrics.json" in shown[""]["data"]
    page = reproduced.run("dvc", "plots", "show").stdout
    assert "index.html" in page
    drawn = json.loads(reproduced.run("dvc", "plots", "show", "curves", "--show-vega").stdout)
    assert len(drawn["data"]["values"]) == 5 * 20 * 2 * 2
    assert "<DVC" not in json.dumps(drawn)
    drawn = json.loads(reproduced.run("dvc", "plots", "show", "confusion", "--show-vega").stdout)
    assert {"actual", "predicted"} <= set(drawn["data"]["values"][0])


def test_a_tampered_run_is_put_back_from_its_record(reproduced: Checkout) -> None:
    first = snapshot(reproduced)
    damaged(reproduced.paths.run(2) / "model.npz")
    reproduced.run("pipeline.stages.evaluate")
    assert snapshot(reproduced) == first


def damaged(path: Path) -> None:
    """Change the last byte of a file, and nothing of what is known about it."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    path.chmod(mode)


@pytest.mark.slow
@pytest.mark.parametrize("with_records", [True, False])
def test_a_damaged_object_in_dvcs_cache_is_found_and_made_again(
    with_records: bool, reproduced: Checkout, tmp_path: Path
) -> None:
    """DVC trusts its cache and checks the damaged model out; `track` looks at our own hashes."""
    checkout = copy_of(reproduced.paths.root, tmp_path)
    first = snapshot(checkout)
    model = checkout.paths.run(2) / "model.npz"
    name = hashlib.md5(model.read_bytes(), usedforsecurity=False).hexdigest()
    damaged(checkout.paths.root / ".dvc" / "cache" / "files" / "md5" / name[:2] / name[2:])
    shutil.rmtree(checkout.paths.runs)
    checkout.run("dvc", "checkout", "runs")
    if not with_records:
        shutil.rmtree(checkout.paths.records)
        done = checkout.run("pipeline.stages.track", check=False)
        assert done.returncode != 0
        assert "seed-2/model.npz was changed after it was written: SHA-256 expected" in done.stderr
        assert "`dvc repro --force train`" in done.stderr
        checkout.run("dvc", "repro", "--force", "train")
    checkout.run("pipeline.stages.track")
    assert snapshot(checkout) == first
    # What DVC keeps is still damaged; it is put back whenever it comes out.
    shutil.rmtree(checkout.paths.runs)
    checkout.run("dvc", "checkout", "runs")
    checkout.run("pipeline.stages.track")
    assert snapshot(checkout) == first

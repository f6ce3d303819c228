"""Sweeps: the same bytes however they are run, and every mistake told before any work."""

import csv
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.base.files import sha256
from pipeline.data.catalogue import DATASETS
from pipeline.data.raw import read_examples
from pipeline.records.record import read_finished
from tests.conftest import Checkout, forget_prepared_data, run_python
from tests.sweep.runs import IN_PROCESS, SHORT, records


@pytest.mark.parametrize(
    "workers", [2, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 3))]
)
def test_any_number_of_workers_gives_the_same_bytes(
    workers: int, checkout: Checkout, undisturbed: dict[str, str]
) -> None:
    checkout.train(f"hydra.launcher.n_jobs={workers}", *SHORT)
    assert records(checkout) == undisturbed


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores, and a system that pins processes to one of them",
)
def test_one_core_gives_the_bytes_of_several(
    checkout: Checkout, undisturbed: dict[str, str]
) -> None:
    """A job evaluates an epoch in a second thread, which may have a core of its own."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # children inherit it
    try:
        checkout.train(IN_PROCESS, *SHORT)
    finally:
        os.sched_setaffinity(0, cores)
    assert records(checkout) == undisturbed


@pytest.mark.slow
def test_another_working_directory_gives_the_same_bytes(
    checkout: Checkout, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    module = str(checkout.paths.root)
    code = (
        f"import sys; sys.path.insert(0, {module!r}); sys.argv[0] = 'train'; "
        "from pipeline.stages import train; train.main()"
    )
    run_python("-P", "-c", code, "tracking.live=false", *SHORT, cwd=tmp_path)
    assert records(checkout) == undisturbed


# Sets bits of x86's control register: results and inputs that are subnormal become zero. The GNU C
# library keeps this register at byte 28 of its floating-point environment.
FLUSH_TO_ZERO = """
import ctypes
libm, environment = ctypes.CDLL("libm.so.6"), (ctypes.c_uint32 * 8)()
libm.fegetenv(environment)
environment[7] |= 0x8040
libm.fesetenv(environment)
"""


@pytest.mark.skipif(
    (platform.machine(), platform.libc_ver()[0]) != ("x86_64", "glibc"), reason="x86's flags"
)
def test_a_machine_that_computes_otherwise_is_told_in_one_line(
    checkout: Checkout, undisturbed: dict[str, str]
) -> None:
    run_stage = "import sys; from pipeline.stages import train; train.main()"
    words = ["tracking.live=false", "training.epochs=2", "seed=0", "hydra/launcher=basic"]
    lines = {}
    for before in ("", FLUSH_TO_ZERO):
        done = run_python("-c", f"{before}\n{run_stage}", *words, cwd=checkout.paths.root)
        printed = (done.stdout + done.stderr).splitlines()
        lines[before] = [line for line in printed if "this machine computes differently" in line]
    assert lines[""] == []
    assert len(lines[FLUSH_TO_ZERO]) == 1
    assert len(records(checkout).keys() - undisturbed.keys()) == 1, "another identity"


@pytest.mark.slow
def test_what_the_stages_prepared_is_what_a_job_would_have_prepared(
    checkout: Checkout, undisturbed: dict[str, str]
) -> None:
    forget_prepared_data(checkout)
    checkout.train(*SHORT)
    assert records(checkout) == undisturbed


@pytest.mark.slow
def test_no_job_reads_data_prepared_for_another_configuration(
    make_checkout: Callable[[str], Checkout],
) -> None:
    """A swept whitening beside a prepared standardisation equals a whitening on its own."""
    both, alone = make_checkout("both"), make_checkout("alone")
    forget_prepared_data(alone)
    both.train("preprocess=standardise,whiten", "training.epochs=1", "seed=0")
    alone.train("preprocess=whiten", "training.epochs=1", "seed=0")
    assert len(records(both)) == 2
    assert records(alone).items() <= records(both).items()


def test_a_seed_that_is_added_trains_alone(checkout: Checkout, undisturbed: dict[str, str]) -> None:
    checkout.train(IN_PROCESS, "training.epochs=2", "seed=0,1")
    before = {path: path.stat().st_mtime_ns for path in checkout.paths.records.glob("*/model.npz")}
    told = checkout.train(IN_PROCESS, *SHORT, "dry_run=true").stdout
    assert told.count("be reused: complete") == 2
    assert told.count("be trained") == 1
    checkout.train(IN_PROCESS, *SHORT)
    assert records(checkout) == undisturbed
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_a_damaged_record_is_trained_again(checkout: Checkout, undisturbed: dict[str, str]) -> None:
    checkout.train(*SHORT)
    victim = checkout.paths.records / min(undisturbed) / "model.npz"
    content = bytearray(victim.read_bytes())
    content[-100] ^= 1
    victim.write_bytes(content)
    done = checkout.train(*SHORT)
    assert done.stderr.startswith(
        f"warning: {victim} was changed after it was written: SHA-256 expected"
    )
    assert done.stderr.endswith("; this seed is trained again\n")
    assert records(checkout) == undisturbed
    assert (
        sha256(victim.read_bytes())
        == json.loads((victim.parent / "manifest.json").read_bytes())["sha256"]["model.npz"]
    )


@pytest.mark.slow
def test_a_failing_configuration_does_not_take_the_others_down(checkout: Checkout) -> None:
    """Momentum so close to 1 that a large step size overflows for every seed."""
    done = checkout.train(
        "training.learning_rate=1e6,0.1", "training.momentum=0.9999,0", *SHORT, check=False
    )
    assert done.returncode == 1
    assert "the loss is nan after epoch 1 with step size 1e+06" in done.stderr
    assert done.stderr.count("\n") == 1
    (folder,) = checkout.paths.sweeps.iterdir()
    with (folder / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["declared"] for row in rows] == ["3"] * 4
    assert int(rows[0]["n"]) < 3
    assert rows[3]["n"] == "3"
    with (folder / "runs.csv").open(newline="") as file:
        states = [row["state"] for row in csv.DictReader(file)]
    failed = sum(3 - int(row["n"]) for row in rows)
    assert f"{12 - failed} of 12 seeds finished" in done.stderr
    assert states.count("failed") == failed


def test_test_images_are_read_only_on_request(checkout: Checkout) -> None:
    short = ("training.epochs=2", "training.batch_size=20,50", "seed=0,1")
    told = checkout.train(IN_PROCESS, *short).stdout
    assert "test accuracy" not in told
    assert list(checkout.paths.records.glob("*/test.json")) == []
    before = records(checkout)
    told = checkout.train(IN_PROCESS, *short, "test=true").stdout
    assert "test accuracy" in told
    assert "batch size 20" in told
    assert records(checkout) == before
    with (max(checkout.paths.sweeps.iterdir()) / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    images = read_examples(DATASETS["digits"], checkout.paths)["test"]
    for row in rows:
        model = read_finished(checkout.paths.records / row["record"]).model()
        right = model.predict(images.raw) == images.labels
        assert float(row["test_accuracy"]) == right.mean()


def test_publishing_hands_on_just_the_declared_seeds(checkout: Checkout) -> None:
    checkout.train(IN_PROCESS, "training.epochs=1", "seeds=[0,1,2]", "output=runs")
    assert sorted(path.name for path in checkout.paths.runs.iterdir()) == [
        "seed-0",
        "seed-1",
        "seed-2",
    ]
    checkout.train(IN_PROCESS, "training.epochs=1", "seeds=[2]", "output=runs")
    assert [path.name for path in checkout.paths.runs.iterdir()] == ["seed-2"]


@pytest.mark.slow
def test_records_of_an_earlier_format_are_named_and_stay(
    checkout: Checkout, undisturbed: dict[str, str]
) -> None:
    """As 0.1.0 left them: a description without a format."""
    old = checkout.paths.records / "0123456789abcdef0123"
    old.mkdir(parents=True)
    (old / "description.json").write_text('{"experiment": {}, "seed": 0}')
    (old / "manifest.json").write_text('{"sha256": {}}')
    before = {path: path.read_bytes() for path in old.iterdir()}
    done = checkout.train(*SHORT)
    assert f"1 records of an earlier format stay in {checkout.paths.records}, unused" in done.stdout
    assert {path: path.read_bytes() for path in old.iterdir()} == before
    assert records(checkout).items() >= undisturbed.items()
    checkout.run("pipeline.stages.track")
    checkout.run("pipeline.stages.track", "--status")

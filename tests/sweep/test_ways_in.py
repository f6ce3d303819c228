"""Command lines: all are checked, and every mistake or failure is explained in one line."""

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from pipeline.base.config import compose, started
from pipeline.records.record import Record, epoch_entry, read_record
from pipeline.sweep import watch
from pipeline.sweep.jobs import Job
from pipeline.sweep.lock import alone
from pipeline.sweep.search import _Trials
from tests.conftest import Checkout, copy_of, run_python
from tests.declared import declared
from tests.records.conftest import epoch
from tests.sweep.command_lines import command_line
from tests.sweep.runs import (
    ENDLESS,
    IN_PROCESS,
    SHORT,
    records,
    start,
    wait_for_records,
    wait_until_nobody_trains,
)

Answer = tuple[int, str, str]
Ask = Callable[..., Answer]
TRAIN = "pipeline.stages.train"
TINY = ("network.hidden=[4]", "training.epochs=1", "tracking.live=false", IN_PROCESS)


@pytest.fixture(scope="module")
def forked_in(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return the checkout that `ask` runs in."""
    return copy_of(prepared_checkout, tmp_path_factory.mktemp("forked"))


@pytest.fixture(scope="module")
def ask(forked_in: Checkout) -> Iterator[Ask]:
    """Return a function that runs words after `python -m pipeline.stages.train`, in a fork."""
    script = Path(__file__).with_name("forked.py")
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=forked_in.paths.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:

        def run(*words: str) -> Answer:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(json.dumps(words) + "\n")
            server.stdin.flush()
            code, out, err = json.loads(server.stdout.readline())
            return code, out, err

        yield run
        assert server.stdin is not None
        server.stdin.close()


UNGUARDED = "allowed of Hydra's own are one hydra/launcher, one hydra/sweeper"
REFUSED = {
    # ways around
    "hydra.mode=RUN": UNGUARDED,
    "hydra.mode='RUN' dry_run=true": UNGUARDED,
    "++hydra.mode=RUN": UNGUARDED,
    "hydra={mode: RUN}": UNGUARDED,
    "~hydra.callbacks": UNGUARDED,
    "hydra.callbacks=null": UNGUARDED,
    "~hydra.callbacks.around": UNGUARDED,
    "hydra.callbacks.around=null": UNGUARDED,
    "hydra.callbacks.around._target_=os.system": UNGUARDED,
    "--run": "unrecognized arguments: --run",
    "--experimental-rerun=x": "unrecognized arguments: --experimental-rerun=x",
    "--config-name=x": "unrecognized arguments: --config-name=x",
    "hydra.launcher._target_=os.system": UNGUARDED,
    "hydra.sweeper._target_=os.system": UNGUARDED,
    "hydra.searchpath=[x]": UNGUARDED,
    "hydra.verbose=maybe": UNGUARDED,
    "hydra/launcher=basic,local": UNGUARDED,
    "hydra/sweeper=nix": "hydra/sweeper=nix: allowed is one of basic,",
    "hydra/launcher=nix": "hydra/launcher=nix: allowed is one of basic,",
    # empty, nested, doubled and endless sweeps
    "seed=range(0)": "seed=range(0): allowed is at least one value to sweep over",
    "seed=glob(*)": "allowed is at least one value to sweep over",
    "training.epochs=range(5,1)": "allowed is at least one value to sweep over",
    "seeds=[0,1],[1,2]": "seed = 1: allowed is each seed once per configuration",
    "training.epochs=interval(1,3)": "allowed with hydra/sweeper=search",
    "training.momentum=0.5,5e-1": "allowed is each seed once per configuration",
    "study=a,b": "allowed is each seed once per configuration",
    "dry_run=true,false": "allowed is each seed once per configuration",
    "seed=1,01": "seed = 1: allowed is each seed once",
    "++seed=5": "++seed=5: allowed is seed=0,1,2",
    "seed=range(1,3,0)": "seed=range(1,3,0): range() arg 3 must not be zero",
    "seed=range(100000000)": "jobs: allowed are 10000 per sweep",
    "seeds=[range(3)]": "seeds=[range(3)]: allowed is range(), choice() and the like as the whole",
    "seed=1,range(3)": "seed=1,range(3): allowed is range(), choice() and the like as the whole",
    "study=[a,choice(b,c)]": "allowed is range(), choice() and the like as the whole value",
    # values: what each key allows is in tests/base/test_config.py
    "seed=1,1": "seed = 1: allowed is each seed once",
    "training.learning_rate=0.1,nan": "training.learning_rate = nan: allowed is a number above 0",
    "network.hidden=64,32": "network.hidden = 64: allowed is a list such as [256, 128]",
    "seeds=0,1,2": "seeds = 0: allowed is a list such as [0, 1, 2, 3, 4]",
    "study=a b": "'b': allowed is KEY=VALUE, such as training.epochs=5; quote a value with spaces",
    "data=kmnist split.train=1337": "download data=kmnist",
    "output=elsewhere": "output = elsewhere: allowed is one of runs",
    "training=null": "training=null: Config group override must be a string",
    "data=0": "data=0: Config group override must be a string",
    "training=[1]": "training=[1]: ",
    "training=${network}": "training=${network}: Hydra cannot use it",
    "''": "\"''\": allowed is KEY=VALUE, such as training.epochs=5",
    "seed": "'seed': allowed is KEY=VALUE, such as training.epochs=5",
    "study=Übung": "quote a value with spaces or special characters twice, as in study=",
    # engines
    "hydra.launcher.n_jobs=0": "hydra.launcher.n_jobs = 0: allowed is from 1, or -1 for one per "
    "core, -2 for one fewer",
    "hydra.launcher.n_jobs=abc seed=0,1,2": "hydra.launcher.n_jobs: Value 'abc'",
    "hydra.sweeper.params=${seeds}": "hydra.sweeper.params = [0, 1, 2, 3, 4]: allowed is a mapping",
    "hydra.sweeper.params=${study}": "hydra.sweeper.params = digits-demo: allowed is a mapping",
    "hydra/sweeper=search hydra.sweeper.storage=sqlite:///x.db": "hydra.sweeper.storage = sqlite",
    "hydra/sweeper=search hydra.sweeper.direction=up": "hydra.sweeper.direction = up: allowed is",
    "hydra.sweeper.max_batch_size=0": "hydra.sweeper.max_batch_size = 0: allowed is a whole",
}


def kept(checkout: Checkout) -> set[Path]:
    """Return the folders of all records and sweeps."""
    return {*checkout.paths.records.glob("*"), *checkout.paths.sweeps.glob("*")}


@pytest.mark.parametrize(("words", "expected"), REFUSED.items())
def test_what_cannot_work_is_refused_in_one_line(
    words: str, expected: str, ask: Ask, forked_in: Checkout
) -> None:
    split = words.split(" ") if "{" not in words else [words]
    if "hydra/sweeper=search" in split:
        pytest.importorskip("optuna")
    before = kept(forked_in)
    code, _, errors = ask(*split)
    assert code == 2, errors
    assert expected in errors
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert kept(forked_in) == before


def test_a_swept_experiment_keeps_its_own_seeds(ask: Ask) -> None:
    """Ten of each way of preprocessing, five of the lecture's."""
    words = ("experiment=preprocessing,lecture", "data.name=digits", "split.train=1000", *TINY)
    small = ("split.validation=100", "split.test=100", "training.batch_size=20", "dry_run=true")
    code, told, errors = ask(*words, *small)
    assert (code, errors) == (0, "")
    assert told.count("be trained") == 15


def test_a_swept_experiment_trains_with_the_seeds_that_are_named(ask: Ask) -> None:
    code, told, errors = ask(*TINY, "preprocess=raw,standardise", "seed=0,1", "dry_run=true")
    assert (code, errors) == (0, "")
    assert told.count("be trained") == 4


def test_an_unknown_option_of_a_stage_is_one_line(checkout: Checkout) -> None:
    done = checkout.run("pipeline.stages.evaluate", "--nix", check=False)
    assert done.returncode == 2
    assert done.stderr == "error: unrecognized arguments: --nix; --help shows what is allowed\n"


# --- asked again -------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_finished_sweep_launches_nothing_and_keeps_its_tables(checkout: Checkout) -> None:
    first = checkout.train(*TINY, "seed=0,1").stdout
    assert "seed 0: 1 epoch, validation" in first
    (swept,) = checkout.paths.sweeps.iterdir()
    before = records(checkout)
    again = checkout.train(
        *TINY[:3], "seed=0,1", "study=other", "hydra.launcher.pre_dispatch=none can start"
    ).stdout
    assert "nothing to train: all seeds are complete" in again
    assert records(checkout) == before
    for record in map(read_record, checkout.paths.records.glob("[0-9a-f]*")):
        assert "other" in record.origin["studies"]
    later = max(checkout.paths.sweeps.iterdir())
    assert sorted(path.name for path in later.iterdir()) == ["runs.csv", "summary.csv"]
    assert (later / "runs.csv").read_text() == (swept / "runs.csv").read_text()


def test_only_seeds_that_are_missing_are_launched(checkout: Checkout) -> None:
    checkout.train(*TINY, "seed=0")
    told = checkout.train(*TINY, "seed=0,1").stdout
    assert "1 of 2 seeds are complete\n" in told
    assert "seed 0: " not in told
    assert "seed 1: 1 epoch, validation" in told
    later = max(checkout.paths.sweeps.iterdir())
    assert sorted(path.name for path in later.iterdir()) == ["runs.csv", "summary.csv"]


@pytest.mark.slow
def test_configurations_of_one_name_are_still_several(checkout: Checkout) -> None:
    """What a standardisation does not use is no part of its name."""
    words = (*TINY, "preprocess.epsilon=1,2", "seed=0")
    refused = checkout.train(*words, "output=runs", check=False)
    assert refused.stderr == "error: output = runs: allowed with a sweep over seeds alone\n"
    done = checkout.train(*words)
    assert done.stderr == ""
    assert len(records(checkout)) == 2


def test_identical_values_are_called_so_and_no_interval_goes_below_zero(checkout: Checkout) -> None:
    """Weights too small to matter, with which all images are of one class; and untrained ones."""
    untrained = ("network.weights=uniform", "training.learning_rate=1e-6", *TINY, "seed=0,1")
    told = checkout.train("network.weight_limit=1e-30,1", *untrained).stdout
    rows = [line for line in told.splitlines() if "2 of 2" in line]
    assert len(rows) == 2
    assert sum("– (all values are equal)" in row for row in rows) == 1
    assert sum("  0.00 to " in row for row in rows) == 1


# --- the cause ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_that_was_killed_is_named(checkout: Checkout) -> None:
    sweep = start(checkout, ENDLESS, "seed=0,1", "hydra.launcher.n_jobs=2")
    wait_for_records(checkout, "*/progress.npz")
    workers = [
        process
        for process in psutil.Process(sweep.pid).children(recursive=True)
        if any("popen_loky" in word for word in process.cmdline())
    ]
    workers[0].send_signal(signal.SIGKILL)
    _, errors = sweep.communicate(timeout=120)
    assert sweep.returncode == 1
    assert "0 of 2 seeds finished; seed 0, seed 1: a worker was ended by SIGKILL" in errors
    assert "as the system does when memory runs out" in errors
    assert errors.endswith("; the same command continues the sweep\n")
    wait_until_nobody_trains(checkout)


@pytest.mark.slow
def test_a_launcher_that_fails_is_told_beside_earlier_failures(checkout: Checkout) -> None:
    diverging = ("training.learning_rate=1e6", "training.momentum=0.9999", *SHORT)
    first = checkout.train(*diverging, "network.hidden=[16]", check=False)
    assert "the loss is" in first.stderr
    again = checkout.train(
        *diverging, "network.hidden=[16]", "hydra.launcher.pre_dispatch=nix", check=False
    )
    assert again.returncode == 1
    assert "launcher: " in again.stderr
    assert again.stderr.count("\n") == 1


def in_small(folder: Path, size: str) -> list[str]:
    """Return a command that runs what follows with a file system of `size` in `folder`."""
    mount = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, str(folder)]


def can_mount() -> bool:
    return (
        shutil.which("unshare") is not None
        and not subprocess.run(
            ["unshare", "--mount", "true"], capture_output=True, check=False
        ).returncode
    )


needs_mounts = pytest.mark.skipif(not can_mount(), reason="needs file systems of its own: root")


@needs_mounts
@pytest.mark.parametrize("size", ["40k", pytest.param("100k", marks=pytest.mark.slow)])
def test_a_full_disk_is_named_with_its_path_and_room(size: str, checkout: Checkout) -> None:
    checkout.paths.records.mkdir()
    prefix = in_small(checkout.paths.records, size)
    done = checkout.run(TRAIN, *TINY, "seed=range(12)", prefix=prefix, check=False)
    assert done.returncode == 1
    assert re.search(r"No space left on device: '\S.*': \d+ bytes were free", done.stderr)
    assert str(checkout.paths.records) in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@needs_mounts
def test_too_little_shared_memory_is_named(checkout: Checkout) -> None:
    prefix = in_small(Path("/dev/shm"), "16k")
    done = checkout.run(TRAIN, *TINY[:3], "seed=0,1", prefix=prefix, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: /dev/shm has 16384 bytes free, workers need 1048576")
    assert done.stderr.count("\n") == 1


def test_an_invalid_number_of_cores_is_named(checkout: Checkout) -> None:
    words = (TRAIN, *TINY[:3])
    done = checkout.run(*words, env={"LOKY_MAX_CPU_COUNT": "abc"}, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: LOKY_MAX_CPU_COUNT = abc: allowed is")


def test_a_cluster_that_is_not_there_is_named(checkout: Checkout) -> None:
    pytest.importorskip("submitit")
    words = (TRAIN, "hydra/launcher=slurm", *TINY[:3])
    done = checkout.run(*words, env={"PATH": "/nowhere"}, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: hydra/launcher = slurm: sbatch is not on PATH")


EXTRAS = {
    "hydra/launcher=slurm": "slurm",
    "hydra/launcher=submitit_local": "slurm",
    "hydra/launcher=ray": "ray",
    "hydra/sweeper=search": "optuna",
    "hydra/sweeper=optuna": "optuna",
}


@pytest.fixture(scope="module")
def without_extras(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment whose packages have no extra among them."""
    folder = tmp_path_factory.mktemp("packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.name != "hydra_plugins" and not path.name.endswith(".pth"):
            (folder / path.name).symlink_to(path)
    plugins = Path(sysconfig.get_path("purelib")) / "hydra_plugins"
    (folder / "hydra_plugins").mkdir()
    (folder / "hydra_plugins" / "hydra_joblib_launcher").symlink_to(
        plugins / "hydra_joblib_launcher"
    )
    return {"PYTHONPATH": str(folder)}


@pytest.mark.slow
@pytest.mark.parametrize(("words", "extra"), EXTRAS.items())
def test_an_extra_that_is_missing_is_named_with_how_to_install_it(
    words: str, extra: str, without_extras: dict[str, str], checkout: Checkout
) -> None:
    where = checkout.paths.root
    done = run_python("-S", "-m", TRAIN, words, cwd=where, env=without_extras, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.endswith(f"`make launchers` or `pip install .[{extra}]` installs it\n")
    assert done.stderr.count("\n") == 1


# --- any terminal ------------------------------------------------------------------------------


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_an_ascii_terminal_loses_nothing(checkout: Checkout) -> None:
    words = (TRAIN, *TINY, "output=runs", "seeds=[0,1]")
    done = checkout.run(*words, env=ASCII)
    assert r"standardise \xb7 64-4-10 \xb7 sgd 0.1" in done.stdout
    assert sorted(path.name for path in checkout.paths.runs.iterdir()) == ["seed-0", "seed-1"]
    assert done.stderr == ""


def test_a_narrow_terminal_cuts_nothing(checkout: Checkout) -> None:
    words = (TRAIN, *TINY, "seed=0", "training.learning_rate=0.1,0.2")
    done = checkout.run(*words, env={"COLUMNS": "40", "NO_COLOR": "1"})
    assert "…" not in done.stdout
    assert "95 %, these images, new seeds" in done.stdout


@pytest.mark.slow
def test_without_a_terminal_a_long_training_prints_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.02)
    record, first = Record(tmp_path), epoch_entry(epoch(1), [])
    record.save_epoch(epoch(2), [first, epoch_entry(epoch(2), [first])])
    config = compose(declared(), ["training.epochs=10", "seed=3"])
    job = Job(config, (), record.folder, "", "seed 3")
    with watch.watching([job], Console(width=1000)):
        time.sleep(0.5)
    assert "1 of 1 seeds to go; seed 3 at epoch 2 of 10, at 0 s" in capsys.readouterr().out


@pytest.mark.slow
def test_an_experiment_of_a_queue_waits_and_names_who_holds_the_records(
    checkout: Checkout,
) -> None:
    copied = checkout.paths.root / ".dvc" / "tmp" / "exps" / "copy"
    shutil.copytree(checkout.paths.root, copied, ignore=shutil.ignore_patterns("tmp"))
    with alone(checkout.paths.records):
        waiting = subprocess.Popen(
            [sys.executable, "-m", TRAIN, *TINY, "seed=0"],
            cwd=copied,
            env={**os.environ, "DVC_ROOT": str(checkout.paths.root)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert waiting.stdout is not None
        told = waiting.stdout.readline()
        assert f"waiting: {checkout.paths.records} is in use by process {os.getpid()}" in told
        assert not list(checkout.paths.records.glob("*/description.json"))
    waiting.communicate(timeout=120)
    assert waiting.returncode == 0
    assert len(records(checkout)) == 1


# --- a search ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_search_tells_its_progress_and_best_and_goes_on_where_it_was(checkout: Checkout) -> None:
    pytest.importorskip("optuna")
    words = (
        *(*TINY, "hydra/sweeper=search", "training.learning_rate=choice(0.001,0.1,1e6)"),
        *("training.momentum=0.9999", "preprocess.method=standardise"),
    )
    first = checkout.train(*words, "hydra.sweeper.n_trials=4").stdout
    assert all(f"trial {number} of 4: " in first for number in range(1, 5))
    assert re.search(r"^best: validation \d+\.\d+ % with training\.", first, re.MULTILINE)
    before = {path: path.stat().st_mtime_ns for path in checkout.paths.records.glob("*/model.npz")}
    checkout.train(*words, "hydra.sweeper.n_trials=5")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with (max(checkout.paths.sweeps.iterdir()) / "runs.csv").open(newline="") as file:
        listed = [row["record"] for row in csv.DictReader(file)]
    # A search may draw the same values again; each run is listed once.
    assert sorted(listed) == sorted(records(checkout))


def test_a_search_without_a_number_of_trials_counts_them_alone(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    with started(checkout.paths):
        trials = _Trials(checkout.paths, lambda jobs: None, None)
        trials.launch([["seed=0"]], 0)
    assert capsys.readouterr().out == "trial 1: no result, seed=0\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "error"),
    [
        (
            "training.batch_size=choice(0)",
            "training.batch_size = 0: allowed is a whole number from 1",
        ),
        (
            "training.learning_rate=interval(0.2,0.1)",
            "hydra/sweeper: The `low` value must be smaller",
        ),
    ],
)
def test_what_a_search_cannot_draw_or_use_is_one_line(override: str, error: str, ask: Ask) -> None:
    pytest.importorskip("optuna")
    code, _, errors = ask(*TINY, "hydra/sweeper=search", override)
    assert code == 2
    assert errors.startswith(f"error: {error}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("folder", ["params.yaml", "/proc/x", "${seed}"])
def test_a_folder_that_cannot_be_made_is_told_before_any_training(
    folder: str, ask: Ask, forked_in: Checkout
) -> None:
    before = records(forked_in)
    code, _, errors = ask(*TINY, "training.learning_rate=0.7", f"hydra.sweep.dir={folder}")
    assert code == 2
    assert errors.startswith("error: hydra.sweep.dir")
    assert errors.count("\n") == 1
    assert records(forked_in) == before


# --- at random ---------------------------------------------------------------------------------


def is_told_right(code: int, errors: str) -> bool:
    lines = [line for line in errors.splitlines() if not line.startswith("warning: ")]
    return code in (0, 1, 2, 130) and len(lines) == (code != 0) and "\x1b" not in errors


def identities(checkout: Checkout) -> set[str]:
    return {path.name for path in checkout.paths.records.glob("[0-9a-f]*")}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_any_command_line_is_one_line_and_trains_what_its_dry_run_names(
    ask: Ask, forked_in: Checkout
) -> None:
    rng = random.Random(20)
    for _ in range(int(os.environ.get("COMMAND_LINES", "400"))):
        words = command_line(rng)
        before = identities(forked_in)
        code, named, errors = ask(*words, "dry_run=true")
        assert is_told_right(code, errors), (words, code, errors)
        assert identities(forked_in) == before, words
        if code == 0 and "be trained" in named and rng.random() < 0.2:
            code, _, errors = ask(*words)
            assert is_told_right(code, errors), (words, code, errors)
            assert identities(forked_in) - before <= set(re.findall("[0-9a-f]{20}", named)), words


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_any_command_line_is_one_line_as_a_real_command(checkout: Checkout) -> None:
    rng = random.Random(21)
    for _ in range(50):
        words = [*command_line(rng), "dry_run=true"]
        done = checkout.run(TRAIN, *words, check=False)
        assert is_told_right(done.returncode, done.stderr), (words, done.stderr)
    assert not checkout.paths.records.exists()

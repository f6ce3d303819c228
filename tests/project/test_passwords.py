"""A password in an address appears in no written file and on no command line."""

import subprocess
import time
from contextlib import suppress

import psutil
import pytest

from pipeline.base.config import compose
from tests.conftest import Checkout

SECRET = "tops3cret"
# Nobody listens there: training continues, and a warning gives the reason.
ADDRESS = f"http://bob:{SECRET}@127.0.0.1:9"
SHORT = ("training.epochs=1", "seed=0", "hydra/launcher=basic")


def leaks(checkout: Checkout) -> list[str]:
    """Return every file but params.yaml that holds the password."""
    return [
        str(path.relative_to(checkout.paths.root))
        for path in checkout.paths.root.rglob("*")
        if path.is_file() and path != checkout.paths.params and SECRET.encode() in path.read_bytes()
    ]


def command_lines(process: subprocess.Popen[str]) -> list[list[str]]:
    """Return the command lines of a process and of those that it starts, until it ends."""
    seen: list[list[str]] = []
    started = psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.Error):
            for each in (started, *started.children(recursive=True)):
                seen.append(each.cmdline())
        time.sleep(0.01)
    return seen


@pytest.mark.slow
def test_a_tracking_servers_password_stays_in_params_yaml(checkout: Checkout) -> None:
    checkout.declare(tracking={"uri": ADDRESS, "live": True})
    sweep = checkout.start("pipeline.stages.train", *SHORT)
    seen = command_lines(sweep)
    printed, errors = sweep.communicate()
    assert "nothing is written to http://***@127.0.0.1:9" in errors
    track = checkout.run("pipeline.stages.track", check=False)
    assert "http://***@127.0.0.1:9" in track.stderr
    assert SECRET not in printed + errors + track.stdout + track.stderr
    assert any("--multiprocessing-fork" in words for words in seen), "the mirror has run"
    assert [words for words in seen if SECRET in " ".join(words)] == []
    assert leaks(checkout) == []


def test_an_error_with_its_traceback_is_masked_too(checkout: Checkout) -> None:
    checkout.declare(tracking={"uri": ADDRESS})
    done = checkout.run("pipeline.stages.track", env={"HYDRA_FULL_ERROR": "1"}, check=False)
    assert "Traceback" in done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("where", ["command line", "conf"])
def test_a_password_that_hydra_would_write_down_is_refused(where: str, checkout: Checkout) -> None:
    words = [f"tracking.uri={ADDRESS}"]
    if where == "conf":
        (checkout.paths.conf / "tracking" / "mine.yaml").write_text(f"uri: {ADDRESS}\n")
        words = ["tracking=mine"]
    done = checkout.train(*SHORT, *words, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: tracking.uri = http://***@127.0.0.1:9: allowed is")
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stdout + done.stderr
    (checkout.paths.conf / "tracking" / "mine.yaml").unlink(missing_ok=True)
    assert leaks(checkout) == []


def test_an_address_can_come_from_the_environment(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SERVER", ADDRESS)
    config = compose(checkout.paths, ["tracking.uri=${oc.env:MY_SERVER}"])
    assert config.tracking.uri == ADDRESS
    done = checkout.train(*SHORT, "tracking.uri=${oc.env:MY_SERVER}")
    assert SECRET not in done.stdout + done.stderr
    assert leaks(checkout) == []


def test_a_password_in_a_mirrors_address_is_masked(
    checkout: Checkout, away: dict[str, str | None]
) -> None:
    """The embedded digits need no mirror; MNIST does, and this one is away."""
    checkout.declare(data={"name": "kmnist"})
    mirror = f"http://bob:{SECRET}@127.0.0.1:9/mnist"
    env = {**away, "MNIST_MIRROR": mirror, "https_proxy": ADDRESS}
    done = checkout.run("pipeline.stages.download", env=env, check=False)
    assert done.returncode != 0
    assert "http://***@127.0.0.1:9/mnist" in done.stderr
    assert SECRET not in done.stdout + done.stderr

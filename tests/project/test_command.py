"""The command `pipeline`: every subcommand exists and has help that starts fast."""

import re
import subprocess

import pytest

from pipeline.__main__ import COMMANDS
from tests.conftest import run_python


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return run_python("-m", "pipeline", *words, check=False)


def test_the_commands_are_listed_with_what_they_do() -> None:
    for words in ((), ("--help",)):
        done = run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        for name, (_, text) in COMMANDS.items():
            assert f"  {name:10}{text}\n" in done.stdout


def test_every_command_explains_itself() -> None:
    """In one process, since each imports much that the next one needs, too."""
    code = (
        "import contextlib, sys; from pipeline.__main__ import COMMANDS, main\n"
        "for name in COMMANDS:\n"
        "    sys.argv[1:] = [name, '--help']\n"
        "    with contextlib.suppress(SystemExit): main()"
    )
    done = run_python("-W", "ignore:.*found in sys.modules:RuntimeWarning", "-c", code)
    assert done.stderr == ""
    assert re.findall(r"^usage: pipeline (\w+) ", done.stdout, re.MULTILINE) == list(COMMANDS)


def test_training_explains_what_is_asked_of_one_command() -> None:
    told = run("train", "--help").stdout
    for word in ("seeds=", "seed=", "test=true", "dry_run=true", "preprocess=", "hydra/launcher="):
        assert word in told


def test_an_unknown_command_is_one_line_with_those_that_are_known() -> None:
    done = run("trian")
    assert done.returncode == 2
    assert done.stderr == f"error: 'trian': allowed is one of {', '.join(COMMANDS)}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_without_the_packages_a_command_says_how_to_get_them(name: str) -> None:
    done = run_python("-S", "-m", "pipeline", name, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: llvmlite, which")
    assert "`make env`" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_command_is_installed_under_its_name() -> None:
    done = subprocess.run(["pipeline", "--help"], capture_output=True, text=True, check=True)
    assert re.findall(r"^  (\w+) ", done.stdout, re.MULTILINE) == list(COMMANDS)


def test_help_imports_nothing_large() -> None:
    code = (
        "import sys; sys.argv[1:] = []; from pipeline.__main__ import main; main();"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'hydra', 'mlflow', 'argparse')))"
    )
    run_python("-c", code)

"""Exercises as a student meets them: pages to fill in, commands, and what they print."""

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from exercises.grader import FOLDER, SECONDS
from exercises.train import configuration
from pipeline.base.errors import UserError
from pipeline.base.paths import find_root
from pipeline.records.record import Unfinished, read_finished, read_record
from tests.conftest import Checkout
from tests.declared import committed

ROOT = find_root()
PAGES = sorted(path for path in FOLDER.glob("[0-9]*/*.py") if not path.name.startswith("test_"))
SOLUTIONS = Path(__file__).parent / "solutions"


@pytest.fixture
def student(checkout: Checkout) -> Checkout:
    """Return a checkout with empty pages."""
    folder = checkout.paths.root / "exercises"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", checkout.paths.root)
    for page in PAGES:
        (folder / page.relative_to(FOLDER)).write_text(committed(page))
    return checkout


def fill_in(student: Checkout, write: Callable[[Path], str]) -> None:
    """Write pages anew: by default what the package has."""
    for page in PAGES:
        path = student.paths.root / page.relative_to(ROOT)
        path.write_text(write(page))


def solution(page: Path) -> str:
    return (SOLUTIONS / page.name).read_text()


def run_pytest(student: Checkout, *words: str) -> tuple[int, str]:
    done = student.run("pytest", "-p", "no:cacheprovider", *words, check=False)
    return done.returncode, done.stdout + done.stderr


def test_empty_pages_fail_with_a_line_each(student: Checkout) -> None:
    code, text = run_pytest(student, "exercises")
    assert code == 1
    empty = re.findall(r"^(\w+) in (exercises/\S+) is not filled in yet$", text, re.MULTILINE)
    functions = re.findall(r"^FAILED (\S+)/test_\w+\.py::test_function\[(\w+)", text, re.MULTILINE)
    assert [(name, str(Path(path).parent)) for name, path in empty] == [
        (name, folder) for folder, name in functions
    ]
    assert len({path for _, path in empty}) == len(PAGES) == 11
    assert "Traceback" not in text


def test_pages_that_are_right_pass(student: Checkout) -> None:
    fill_in(student, solution)
    code, text = run_pytest(student, "exercises")
    assert code == 0, text


BROKEN = {
    "perceptron": "def perceptron(w, x, b, f):\n    return f(w @ x + b\n",
    "activations": "import nump\n",
    "dense": "def dense(W, b, X):\n    return X @ W.T + \\\n        X\n",
    "one_hot": "def oneHot(labels, classes):\n    return labels\n",
    # Python warns of the escape, and NumPy of 0 / 0, which turns out right here.
    "normalisation": "'\\d'\ndef normalise(train, test):\n"
    "    m, s = train.mean(0), train.std(0)\n    s[s / s != 1] = 1\n"
    "    return (train - m) / s, (test - m) / s\n",
}


@pytest.mark.slow
def test_pages_that_do_not_work_are_told_in_a_line_each(student: Checkout) -> None:
    fill_in(student, lambda page: BROKEN.get(page.stem, solution(page)))
    code, text = run_pytest(student, "exercises")
    assert code == 1
    lines = text.splitlines()
    assert (
        "exercises/00_perceptron/perceptron.py, line 2: `return f(w @ x + b`: '(' was never closed"
    ) in lines
    assert (
        "exercises/01_activations/activations.py, line 1: `import nump` stops with "
        "ModuleNotFoundError: No module named 'nump'"
    ) in lines
    (line,) = (line for line in lines if line.startswith("exercises/02_dense/dense.py, line "))
    assert line.endswith(
        "stops with ValueError: operands could not be broadcast together with shapes (4,3) (4,5); "
        "W has shape (3, 5), b has shape (3,), X has shape (4, 5)"
    )
    assert "one_hot: the page has no such function; keep the names that were there" in lines
    assert "normalise" not in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_a_loop_that_never_ends_is_ended(student: Checkout) -> None:
    page = student.paths.root / "exercises" / "02_dense" / "dense.py"
    page.write_text("def dense(W, b, X):\n    while True:\n        pass\n")
    code, text = run_pytest(student, "exercises/02_dense")
    assert code == 1
    assert f"was still busy after {SECONDS} seconds; is there a loop that never ends?" in text


def test_the_lectures_cosine_is_denoised(student: Checkout) -> None:
    """By the page's own `main`, with the package's functions."""
    page = FOLDER / "06_cosine" / "cosine.py"
    main = "def main" + committed(page).partition("def main")[2]
    fill_in(student, lambda each: solution(each) + (main if each == page else ""))
    printed = student.run("exercises.cosine").stdout
    noisy, own, fresh = map(float, re.findall(r":  +(\d\S+)", printed))
    assert own < fresh < 2.02e-4 < noisy


def test_nothing_is_trained_before_it_is_right(student: Checkout) -> None:
    done = student.run("exercises.train", check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "error: nothing is trained yet: step in exercises/05_descent/descent.py is not filled in "
        "yet\n"
    )
    assert not student.paths.records.exists()


@pytest.mark.slow
def test_a_students_network_is_trained_beside_ours(
    student: Checkout, away: dict[str, str | None]
) -> None:
    """MNIST is declared but cannot be obtained: the digits are used, and a message says so."""
    fill_in(student, solution)
    student.declare(
        data={"name": "mnist"}, split={"train": 59000, "validation": 1000, "test": 10000}
    )
    words = ("exercises.train", "training.epochs=2", "training.dtype=float64")
    done = student.run(*words, env=away)
    assert "so this trains on scikit-learn's digits" in done.stderr
    yours, ours = (
        read_finished(student.paths.records / name)
        for name in re.findall(r"^(?:yours|ours): .*, record (\w+)$", done.stdout, re.MULTILINE)
    )
    assert yours.description["experiment"] == ours.description["experiment"]
    assert yours.origin["studies"] == ours.origin["studies"] == ["exercises"]
    assert yours.description["code"] != ours.description["code"]
    layers = (record.model().network.layers for record in (yours, ours))
    for first, second in zip(*layers, strict=True):
        np.testing.assert_allclose(first.W, second.W, atol=1e-10)
    with closing(sqlite3.connect(student.paths.store)) as store:
        names = sorted(name for (name,) in store.execute("SELECT name FROM runs"))
    codes = sorted(record.description["code"][:6] for record in (yours, ours))
    assert names[2:] == ["seed 0", "seed 0"]
    assert [name.partition(" · ")[0] for name in names[:2]] == [f"code {code}" for code in codes]
    assert f"named `code {yours.description['code'][:6]} · ...` in MLflow" in done.stdout


@pytest.mark.slow
def test_a_students_files_are_part_of_the_identity(student: Checkout) -> None:
    """The same files are not trained again, nor with a comment; other code is."""
    fill_in(student, solution)
    page = student.paths.root / "exercises" / "05_descent" / "descent.py"
    words = ("exercises.train", "training.epochs=2")
    assert "epoch 2 of 2" in student.run(*words).stdout
    page.write_text(f"# mine\n{page.read_text()}")
    assert "epoch" not in student.run(*words).stdout
    page.write_text(f"{page.read_text()}\nx = 1\n")
    assert "epoch 2 of 2" in student.run(*words).stdout
    assert len(list(student.paths.records.glob("*/manifest.json"))) == 3


def test_a_network_that_is_not_the_exercises_is_refused(checkout: Checkout) -> None:
    with pytest.raises(UserError, match=r"^network\.activation = sigmoid: allowed is relu, as in"):
        configuration(checkout.paths, ["network.activation=sigmoid"])
    with pytest.raises(UserError, match=r"^training\.momentum = 0\.9: allowed is 0\.0, as in"):
        configuration(checkout.paths, ["training.momentum=0.9"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "more", "line"),
    [
        ("training.learning_rate=1e6", "", r"the loss is \S+ after epoch 1 with step size .*"),
        (
            "training.dtype=float32",
            "\n\ndef step(W, gradient, learning_rate):\n"
            "    return W - learning_rate * gradient[:: 1 if W.dtype == 'float64' else 0]\n",
            r"exercises/05_descent/descent\.py, line \d+: `return .*` stops with ValueError: .*",
        ),
    ],
)
def test_a_training_that_fails_is_told_and_recorded(
    override: str, more: str, line: str, student: Checkout
) -> None:
    fill_in(student, lambda page: solution(page) + (more if page.stem == "descent" else ""))
    done = student.run("exercises.train", override, check=False)
    assert done.returncode == 1
    assert re.fullmatch(f"error: {line}\n", done.stderr)
    (folder,) = student.paths.records.iterdir()
    state = read_record(folder)
    assert isinstance(state, Unfinished)
    assert state.failure is not None
    assert state.failure in done.stderr

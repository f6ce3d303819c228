"""The code's hash: of all code that decides a result, and of nothing else."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.base.paths import find_root
from pipeline.records.code import PACKAGE, closure, code_digest, syntax
from tests.pythons import interpreter, promised

MODULES = sorted(closure(PACKAGE))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    copy = tmp_path / "pipeline"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_what_decides_a_result_is_part_of_it() -> None:
    assert {
        "pipeline.sweep.job",
        "pipeline.base.config",
        "pipeline.base.files",
        "pipeline.data.preprocessing",
        "pipeline.data.split",
        "pipeline.network.dense",
        "pipeline.network.training",
        "pipeline.records.model",
        "pipeline.records.record",
    } <= set(MODULES)


def test_where_a_run_comes_from_decides_none() -> None:
    """Provenance, processes, addresses of mirrors, statistics and the store can change freely."""
    rooms = {module.split(".")[1] for module in MODULES if "." in module}
    assert not rooms & {"results", "tracking", "lecture", "stages", "git", "processes", "verify"}
    assert not {"pipeline.records.provenance", "pipeline.data.sources"} & set(MODULES)


def test_libraries_beside_the_package_are_not_read(package: Path) -> None:
    """As where it is installed; and a folder of the user's may have the name of a library."""
    (package.parent / "numpy").mkdir()
    (package.parent / "llvmlite").mkdir()
    (package.parent / "llvmlite" / "__init__.py").write_text("no Python")
    assert sorted(closure(package)) == MODULES


@pytest.mark.slow
def test_a_change_of_any_module_changes_the_hash(package: Path) -> None:
    before = code_digest(package)
    for module, path in closure(package).items():
        text = path.read_text()
        path.write_text(f"{text}\nFACTOR = 3\n")
        code_digest.cache_clear()
        assert code_digest(package) != before, module
        path.write_text(text)
    code_digest.cache_clear()
    assert code_digest(package) == before == code_digest(PACKAGE)


def test_three_times_the_step_size_changes_the_hash(package: Path) -> None:
    before = code_digest(package)
    path = package / "sweep" / "job.py"
    text = path.read_text()
    assert text.count("config.training),\n") == 1
    tripled = "replace(config.training, learning_rate=3 * config.training.learning_rate)),\n"
    path.write_text(text.replace("config.training),\n", tripled))
    code_digest.cache_clear()
    assert code_digest(package) != before


@pytest.mark.parametrize(
    "imported", ["from .factor import FACTOR", "from . import factor", "from ..sweep import factor"]
)
def test_a_relative_import_is_followed(imported: str, package: Path) -> None:
    path = package / "sweep" / "job.py"
    path.write_text(f"{path.read_text()}\n{imported}\n")
    digests = []
    for factor in ("1.0", "3.0"):
        (package / "sweep" / "factor.py").write_text(f"FACTOR = {factor}\n")
        code_digest.cache_clear()
        digests.append(code_digest(package))
    assert digests[0] != digests[1]


def test_comments_docstrings_and_line_breaks_change_nothing(package: Path) -> None:
    before = code_digest(package)
    for path in closure(package).values():
        path.write_text(f"# A comment.\n\n{path.read_text()}\n# Another.\n")
    path = package / "network" / "costs.py"
    path.write_text(path.read_text().replace('"""', '"""Once more: ', 1))
    (package / "network" / "notes.txt").write_text("No code.")
    (package / "network" / "unused.py").write_text("FACTOR = 3\n")
    code_digest.cache_clear()
    assert code_digest(package) == before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 0.0", "x = -0.0"),
        ("f('')", "f()"),
        ("x = [a, '']", "x = [a]"),
        ("x = 'a'", "x = b'a'"),
        ("f(a, b)", "f(a=b)"),
        ("x = a + b", "x = a - b"),
        ("x = f'{a}'", "x = f'{a!r}'"),
        ("x = f'{a:.2f}'", "x = f'{a:.3f}'"),
        ("def f(a, b=1): pass", "def f(a, *, b=1): pass"),
        ("if a:\n  b\nc", "if a:\n  b\n  c"),
        ("x: int = 1", "x = 1"),
    ],
)
def test_other_code_has_another_hash(first: str, second: str) -> None:
    assert syntax(ast.parse(first)) != syntax(ast.parse(second))


@pytest.mark.slow
def test_every_python_gives_the_same_hash(tmp_path: Path) -> None:
    """All modules of the package, read by the same lines, with nothing installed."""
    module = tmp_path / "code.py"
    text = (PACKAGE / "records" / "code.py").read_text()
    lines = [line for line in text.splitlines() if "pipeline.base.files import" not in line]
    module.write_text(
        "\n".join(lines)
        .replace("import pipeline\n", "")
        .replace("Path(pipeline.__path__[0])", "Path()")
    )
    asked = (
        "import ast, hashlib, json, runpy, sys; from pathlib import Path\n"
        "syntax = runpy.run_path(sys.argv[1])['syntax']\n"
        "paths = sorted(Path(sys.argv[2]).rglob('*.py'))\n"
        "trees = [syntax(ast.parse(path.read_bytes())) for path in paths]\n"
        "print(sys.version_info[:2], hashlib.sha256(json.dumps(trees).encode()).hexdigest())\n"
    )
    printed = []
    for python in filter(None, map(interpreter, promised(find_root()))):
        command = [python, "-I", "-c", asked, str(module), str(PACKAGE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (python, done.stderr)
        printed.append(done.stdout.split(") "))
    if len({release for release, _ in printed}) < 2:
        pytest.skip("this machine has one release of Python")
    assert len({digest for _, digest in printed}) == 1, printed

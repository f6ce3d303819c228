"""Packages import only what they may, and `dvc.yaml` agrees with the code."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.base.paths import Below, Paths, find_root
from tests.conftest import run_python

ROOT = find_root()
PACKAGE = ROOT / "pipeline"
# Standard library aside, and rooms of our own below.
FOREIGN = {
    "network": {"numpy"},
    "engine": {"numpy", "llvmlite"},
    "data": {"numpy", "pooch", "requests", "urllib3", "sklearn"},
    "records": {"numpy", "threadpoolctl", "filelock"},
    "results": {"numpy", "scipy", "sklearn", "matplotlib", "jinja2", "markupsafe", "rich", "dvc"},
    "draw": {"numpy"},
    "lecture": {"numpy", "matplotlib"},
    "sweep": {"numpy", "hydra", "omegaconf", "rich", "filelock"},
    "tracking": {"numpy", "mlflow", "rich", "filelock"},
    "share": {"rocrate", "filelock"},
    "stages": {"numpy", "hydra", "omegaconf", "rich", "dvc"},
}
OWN = {
    "network": {"network"},
    "data": {"data", "network"},
    "engine": {"engine", "data", "network"},
    "records": {"records", "engine", "data", "network"},
    "results": {"results", "records", "engine", "data", "network"},
    "draw": {"draw", "results", "records", "data", "network"},
    "lecture": {"lecture", "results", "records", "data", "network"},
    "sweep": {"sweep", "records", "engine", "data", "network"},
    "tracking": {"tracking", "results", "records", "data", "network"},
    "share": {"share", "stages", "results", "records", "engine", "data"},
    "stages": {"stages", "sweep", "tracking", "lecture", "draw", "results", "records", "data"},
}
# What any of them may use, but for the network: it knows no file.
SHARED = {"base"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def imports(module: str) -> frozenset[str]:
    """Return the modules that a module imports, anywhere in it, ours by their full name."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from ..a import b` in `pipeline.c.d`: from `pipeline.a`.
            around = module.split(".")[: -node.level] if node.level else []
            source = ".".join([*around, node.module])
            found.add(source)
            found |= {name for alias in node.names if (name := f"{source}.{alias.name}") in MODULES}
    return frozenset(found)


def room(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) in OWN])
def test_a_room_imports_what_its_row_allows(module: str) -> None:
    import sys

    for imported in imports(module):
        top = imported.split(".")[0]
        if top == "pipeline":
            target = room(imported)
            allowed = OWN[room(module)] | (set() if room(module) == "network" else SHARED | {""})
            assert target in allowed, f"{module} imports {imported}"
        elif top not in sys.stdlib_module_names:
            assert top in FOREIGN[room(module)], f"{module} imports {imported}"


def test_mlflow_is_imported_in_one_room_only() -> None:
    users = {m for m in MODULES if any(i.split(".")[0] == "mlflow" for i in imports(m))}
    assert {room(module) for module in users} == {"tracking"}


@pytest.mark.parametrize(
    "heavy", ["mlflow", "sklearn", "matplotlib", "scipy.stats", "scipy.linalg"]
)
def test_training_workers_do_not_import_what_takes_longer_than_training(heavy: str) -> None:
    """What a worker unpickles is `pipeline.sweep.launch.train_job`."""
    code = f"import sys; import pipeline.sweep.launch; sys.exit({heavy!r} in sys.modules)"
    run_python("-c", code)


# --- dvc.yaml ---


def stages(path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())["stages"]
    return found


# A pipeline of its own comes after the one it builds on.
STAGES = {**stages("dvc.yaml"), **stages("studies/dvc.yaml")}


def commands(stage: str) -> list[list[str]]:
    """Return the words of each command of a stage."""
    found = STAGES[stage]["cmd"]
    return [command.split() for command in ([found] if isinstance(found, str) else found)]


def closure(module: str) -> set[str]:
    """Return all modules of ours that a module needs, itself included."""
    needed, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            # Importing `a.b` runs `a` too.
            imported = {*imports(name), name.rpartition(".")[0]}
            waiting += [found for found in imported if found in MODULES]
    return needed


def declared_code(stage: str) -> set[str]:
    return {dep for dep in STAGES[stage]["deps"] if dep.startswith("pipeline/")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_code_that_it_uses_and_no_other(stage: str) -> None:
    used = {
        str(MODULES[name].relative_to(ROOT))
        for command in commands(stage)
        for name in closure(command[2])
        if MODULES[name].name != "__init__.py"
    }
    declared = declared_code(stage)
    missing = {path for path in used if not any(covers(dep, path) for dep in declared)}
    assert missing == set()
    unused = {dep for dep in declared if not any(covers(dep, path) for path in used)}
    assert unused == set()


def covers(declared: str, path: str) -> bool:
    return path == declared or path.startswith(f"{declared}/")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_its_own_entry(stage: str) -> None:
    *sweeps, last = commands(stage)
    assert last[:3] == ["python", "-m", f"pipeline.stages.{stage}"]
    assert all(sweep[:3] == ["python", "-m", "pipeline.stages.train"] for sweep in sweeps)


def test_every_path_of_dvc_yaml_is_one_of_paths_py() -> None:
    paths = Paths(Path())
    names = (name for name, value in vars(Paths).items() if isinstance(value, Below))
    known = {str(getattr(paths, name)) for name in names} | {
        str(paths.raw(name)) for name in ("${data.name}", "mnist")
    }
    for stage in STAGES.values():
        entries = [*stage.get("outs", []), *stage.get("metrics", [])]
        written = {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}
        read = {dep for dep in stage["deps"] if not dep.startswith("pipeline")}
        assert written | read <= known


def test_every_stage_reads_what_an_earlier_stage_wrote() -> None:
    written: set[str] = {"conf", "data/raw/mnist"}
    for name, stage in STAGES.items():
        data = {dep for dep in stage["deps"] if not dep.startswith("pipeline")}
        assert data <= written, name
        entries = [*stage.get("outs", []), *stage.get("metrics", [])]
        written |= {next(iter(e)) if isinstance(e, dict) else e for e in entries}


# --- what the project never does ---

FORBIDDEN = {
    "pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "eval", "exec", "system",
    "instantiate", "popen", "unsafe_load", "full_load",
}  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_no_pickle_no_eval_no_shell(module: str) -> None:
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            assert name not in FORBIDDEN, f"{module}:{node.lineno} calls {name}"
            assert ast.unparse(node.func) != "yaml.load", f"{module}:{node.lineno}: safe_load"
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                assert (keyword.arg, value) not in {("shell", True), ("allow_pickle", True)}
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert not set(imports(module)) & FORBIDDEN


# All others write with `pipeline.base.files`, which leaves no half-written file.
WRITERS = {
    "pipeline.base.files",
    "pipeline.base.git",  # settings of a temporary repository
    "pipeline.tracking.models",  # a model's code, in a temporary folder
    "pipeline.tracking.store",  # whether a new store can be made
}


@pytest.mark.parametrize("module", [name for name in MODULES if name not in WRITERS])
def test_files_are_written_by_one_module(module: str) -> None:
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, words = node.func.attr, {getattr(word, "value", None) for word in node.args}
            to_write = words & {"w", "x", "a", "wb", "xb", "ab"}
            assert name != "open" or not to_write, f"{module}:{node.lineno}"
            assert name not in {"touch", "write_bytes", "write_text"}, f"{module}:{node.lineno}"

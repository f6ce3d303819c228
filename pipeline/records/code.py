"""The hash of the code that decides a result: `pipeline.sweep.job` and all that it imports.

Convention: code is read from its source files, as a syntax tree without docstrings, so that a
comment or a line break changes no hash and every release of Python gives the same one. What is
loaded (`sys.modules`) does not count: it differs between a launcher and its workers.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pipeline
from pipeline.base.files import canonical_json, sha256

PACKAGE = Path(pipeline.__path__[0])
# The job that trains one seed.
ROOT_MODULE = "pipeline.sweep.job"


@cache
def code_digest(package: Path = PACKAGE) -> str:
    """Return the SHA-256 of the code that decides a result.

    Args:
        package: the folder of the package `pipeline`.
    """
    return sha256(
        canonical_json(
            {name: sha256(canonical_json(syntax(tree))) for name, tree in closure(package).items()}
        )
    )


def closure(package: Path, root: str = ROOT_MODULE) -> dict[str, ast.Module]:
    """Return the syntax tree of every module of ours that `root` needs, by name, sorted."""
    trees: dict[str, ast.Module] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        source = _source(package, name)
        if name in trees or source is None:
            continue
        trees[name] = ast.parse(source.read_bytes())
        package_of = name if source.name == "__init__.py" else name.rpartition(".")[0]
        waiting += _imported(trees[name], package_of)
        # Importing `a.b` runs `a` too.
        waiting += [name.rpartition(".")[0]] if "." in name else []
    return dict(sorted(trees.items()))


def _source(package: Path, name: str) -> Path | None:
    """Return the file of a module of ours; None if `name` is a function, or somebody else's."""
    first, *rest = name.split(".")
    if first != "pipeline":
        return None
    path = package.joinpath(*rest)
    for source in (path / "__init__.py", path.with_suffix(".py")):
        if source.exists():
            return source
    return None


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield what a module of a package imports, and what of it may be a module in turn."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # `from ..a import b`: one dot is the package, each more the one around it.
            around = package.split(".")[: len(package.split(".")) - node.level + 1]
            module = ".".join([*(around if node.level else []), *filter(None, [node.module])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def syntax(node: object) -> object:
    """Return a syntax tree as nested lists of texts, without docstrings.

    Not by `ast.dump` or `ast.unparse`: they write some trees differently in different releases of
    Python. Empty fields are left out, since releases add fields, such as `type_params`.
    """
    if isinstance(node, ast.JoinedStr):
        # Python 3.12 adds empty texts to some f-strings.
        return ["JoinedStr", *(syntax(part) for part in node.values if not _is_empty(part))]
    if isinstance(node, ast.AST):
        fields = [
            [name, syntax(value)]
            for name, value in ast.iter_fields(node)
            if value is not None and value != []
        ]
        return [type(node).__name__, *fields]
    if isinstance(node, list):
        return [syntax(entry) for entry in node if not _is_docstring(entry)]
    # With the type: 1, 1.0 and True are not the same code. `ascii`: which characters `repr`
    # shows as they are depends on Python's release.
    return f"{type(node).__name__} {node!a}"


def _is_docstring(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""

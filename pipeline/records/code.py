"""The hash of the code that decides a result: `pipeline.sweep.job` and all that it imports.

Convention: the hash is taken of the source files' syntax trees without docstrings. So comments and
line breaks do not change it, and every release of Python gives the same one. Loaded modules
(`sys.modules`) are not used: they differ between a launcher and its workers.
"""

from __future__ import annotations

import ast
from functools import cache
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

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
    trees = {
        name: sha256(canonical_json(syntax(ast.parse(source.read_bytes()))))
        for name, source in closure(package).items()
    }
    return sha256(canonical_json(trees))


def closure(package: Path) -> dict[str, Path]:
    """Return the source file of each of our modules that the job imports, by module name."""
    finder = _Finder(path=[str(package.parent)])
    finder.import_hook(ROOT_MODULE)
    return {name: Path(vars(module)["__file__"]) for name, module in finder.modules.items()}


class _Finder(ModuleFinder):
    """Finds our modules alone, although libraries may lie beside the package."""

    def find_module(self, name: str, path: Any, parent: Any = None) -> Any:
        if path is None and name != pipeline.__name__:  # a module that lies in no package
            raise ImportError(name)
        return super().find_module(name, path, parent)


def syntax(node: object) -> object:
    """Return a syntax tree as nested lists of texts, without docstrings.

    `ast.dump` and `ast.unparse` are not used: their output differs between releases of Python.
    Empty fields are left out, since new releases add fields, such as `type_params`.
    """
    if isinstance(node, ast.JoinedStr):
        # Python 3.12 adds empty texts to some f-strings.
        return ["JoinedStr", *(syntax(part) for part in node.values if not _is_text(part, ""))]
    if isinstance(node, ast.AST):
        fields = [
            [name, syntax(value)]
            for name, value in ast.iter_fields(node)
            if value is not None and value != []
        ]
        return [type(node).__name__, *fields]
    if isinstance(node, list):
        return [syntax(n) for n in node if not (isinstance(n, ast.Expr) and _is_text(n.value))]
    # The type distinguishes 1, 1.0 and True. `!a` is ascii: which characters `repr` escapes depends
    # on Python's release.
    return f"{type(node).__name__} {node!a}"


def _is_text(node: ast.expr, text: str | None = None) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, str) and text in (None, value)

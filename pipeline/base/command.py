"""How commands start: they parse the command line and report mistakes in one line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from pipeline.base.config import Config, compose
from pipeline.base.errors import UserError, one_line_errors
from pipeline.base.paths import Paths, find_root


class Words(argparse.ArgumentParser):
    """Parses the command line of the running module; --help shows that module's docstring."""

    def __init__(self, epilog: str | None = None) -> None:
        main = sys.modules["__main__"]
        # `pipeline NAME` runs a module of that name, and so does `python -m`.
        module = main.__spec__.name if main.__spec__ else ""
        super().__init__(
            prog=f"pipeline {module.rpartition('.')[2]}",
            description=main.__doc__,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage of the whole command."""
        raise UserError(f"{message}; --help shows what is allowed")


def given() -> list[str]:
    """Return the command line's words as UTF-8, whatever the locale."""
    return [os.fsencode(word).decode(errors="surrogateescape") for word in sys.argv[1:]]


def run(stage: Callable[[Config, Paths], object]) -> None:
    """Run a stage under `params.yaml` and the overrides on the command line."""
    with one_line_errors():
        words = Words()
        words.add_argument("overrides", nargs="*", help="as in params.yaml: training.epochs=5")
        overrides = words.parse_args(given()).overrides
        paths = Paths(find_root())
        stage(compose(paths, overrides), paths)

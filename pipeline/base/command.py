"""How commands start: from words on a command line; what is wrong with them is one line."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from pipeline.base.config import Config, compose
from pipeline.base.errors import UserError, one_line_errors
from pipeline.base.paths import Paths, find_root


class Words(argparse.ArgumentParser):
    """Reads a command line; what is wrong with it is one line, as everything is."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing how the whole command is used."""
        raise UserError(f"{message}; --help shows what is allowed")


def given() -> list[str]:
    """Return the command line's words as UTF-8, whatever the locale takes them for."""
    return [os.fsencode(word).decode(errors="surrogateescape") for word in sys.argv[1:]]


def run(stage: Callable[[Config, Paths], None]) -> None:
    """Run a stage under `params.yaml` and the overrides on the command line."""
    with one_line_errors():
        words = Words(
            prog=f"pipeline {stage.__name__}",
            description=inspect.getdoc(stage),
        )
        words.add_argument("overrides", nargs="*", help="as in params.yaml: training.epochs=5")
        overrides = words.parse_args(given()).overrides
        paths = Paths(find_root())
        stage(compose(paths, overrides), paths)

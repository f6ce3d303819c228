"""How commands start: they parse the command line and report mistakes in one line."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from ruamel.yaml import YAML

from pipeline.base.config import Config, compose, experiment
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


def run(stage: Callable[[Config, Paths], object]) -> None:
    """Run a stage under `params.yaml` and the overrides on the command line."""
    with one_line_errors():
        words = Words()
        words.add_argument("overrides", nargs="*", help="as in params.yaml: training.epochs=5")
        overrides = words.parse_args().overrides
        paths = Paths(find_root())
        stage(compose(paths, overrides), paths)


def params_bytes(config: Config, **more: Any) -> bytes:
    """Return a `params.yaml` for commands in another folder: what decides the results of `config`.

    Args:
        config: without the server and the folders of the machine, unless `more` has them.
        more: further keys with plain values.
    """
    text = io.StringIO()
    params = {"study": config.study, **experiment(config), "seeds": config.seeds, **more}
    YAML().dump(params, text)
    return text.getvalue().encode()

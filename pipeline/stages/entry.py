"""How every stage but `train` starts: configuration in, one line out if it cannot work."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pipeline.config import Config, compose
from pipeline.errors import one_line_errors
from pipeline.paths import Paths, find_root


def run(stage: Callable[[Config, Paths], None]) -> None:
    """Run a stage under `params.yaml` and the overrides on the command line."""
    with one_line_errors():
        paths = Paths(find_root())
        config = compose(paths, sys.argv[1:])
        stage(config, paths)

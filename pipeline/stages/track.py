"""Copy new and changed records and results into MLflow.

pipeline track            write what is missing or differs
pipeline track --status   show whether each record has the same content in the store
pipeline track --rebuild  replace every run in the store by a new one
"""

from __future__ import annotations

from pipeline.base.command import Words
from pipeline.base.config import compose
from pipeline.base.errors import one_line_errors
from pipeline.base.paths import Paths, find_root
from pipeline.records.gather import gather


def main() -> None:
    """Do what the command line asks for."""
    with one_line_errors():
        words = Words()
        what = words.add_mutually_exclusive_group()
        what.add_argument(
            "--status", action="store_true", help="compare records and store, change nothing"
        )
        what.add_argument(
            "--rebuild",
            action="store_true",
            help="delete the copies in the store, then write them again",
        )
        words.add_argument("overrides", nargs="*", help="as in params.yaml: tracking.uri=...")
        options = words.parse_args()
        paths = Paths(find_root())
        config = compose(paths, options.overrides)
        # Imported only now: MLflow takes seconds, and a wrong address fails before.
        from pipeline.tracking import sync

        # Check what DVC has put into runs/, and copy it to the records.
        gather(config, paths)
        if options.status:
            sync.status(config, paths)
        else:
            sync.sync(config, paths, rebuild=options.rebuild)


if __name__ == "__main__":
    main()

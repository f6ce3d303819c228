"""Stage `track`: bring MLflow's store up to date with the records and results.

python -m pipeline.stages.track            what is missing
python -m pipeline.stages.track --status   what is in the records, what in the store
python -m pipeline.stages.track --rebuild  forget the store's runs of these studies, mirror anew
python -m pipeline.stages.track --follow   beside a sweep: what standard input names
"""

from __future__ import annotations

import argparse

from pipeline.config import compose
from pipeline.errors import one_line_errors
from pipeline.paths import Paths, find_root
from pipeline.records.gather import gather
from pipeline.tracking.receipt import is_up_to_date


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.stages.track")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="compare records and store")
    what.add_argument("--rebuild", action="store_true", help="mirror anew")
    what.add_argument("--follow", action="store_true", help="mirror a sweep that is training")
    parser.add_argument("overrides", nargs="*", help="as in params.yaml: tracking.uri=...")
    asked = parser.parse_args()
    with one_line_errors():
        paths = Paths(find_root())
        config = compose(paths, asked.overrides)
        if not asked.follow:
            # This stage runs in every `dvc repro`, also where DVC takes all others as unchanged:
            # whatever DVC has put into runs/ is checked here, and kept.
            gather(config, paths)
        plain = not (asked.follow or asked.status or asked.rebuild)
        if plain and is_up_to_date(config, paths):
            return
        # Imported only now: this takes seconds, and most often nothing is new.
        from pipeline.tracking import sync

        if asked.follow:
            sync.follow(config, paths)
        elif asked.status:
            sync.status(config, paths)
        elif asked.rebuild:
            sync.rebuild(config, paths)
        else:
            sync.sync(config, paths)


if __name__ == "__main__":
    main()

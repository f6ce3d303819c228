"""The command `pipeline`; `python -m pipeline` is the same.

Convention: each command is a module with a `main`. Only the chosen one is imported.
"""

import runpy
import sys
from importlib import import_module

COMMANDS = {
    "download": ("pipeline.stages.download", "get the data set's files, checked by their SHA-256"),
    "train": ("pipeline.stages.train", "train networks: one job per seed of each configuration"),
    "compare": ("pipeline.results.compare", "compare configurations, paired by seed and image"),
    "report": ("pipeline.stages.report", "write reports/index.html from the results here"),
    "draw": ("pipeline.draw.draw", "write a page on which the networks recognise what you draw"),
    "lecture": ("pipeline.lecture.lecture", "write reports/lecture.html from its results"),
    "track": ("pipeline.stages.track", "copy new and changed records into MLflow"),
    "ui": ("pipeline.tracking.ui", "browse the runs in MLflow"),
    "verify": ("pipeline.verify", "compute recorded results again and compare every byte"),
    "share": ("pipeline.share.send", "write the result as one zip file that others can check"),
    "import": ("pipeline.share.receive", "copy the records of a shared result into records/"),
    "demo": ("pipeline.demo", "run the whole pipeline on scikit-learn's 8x8 digits, in demo/"),
}
HELP = f"""usage: pipeline COMMAND ...

From raw digits to a figure with honest error bars. `dvc repro` runs all stages of dvc.yaml.
These commands do the rest. `pipeline COMMAND --help` explains a command.

{chr(10).join(f"  {name:10}{text}" for name, (_, text) in COMMANDS.items())}
"""


def main() -> None:
    """Run the command that the first word names with the words after it."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(HELP, end="")
    elif name in COMMANDS:
        del sys.argv[1]
        import_module("pipeline.stages")  # says so if packages are missing
        runpy.run_module(COMMANDS[name][0], run_name="__main__", alter_sys=True)
    else:
        print(f"error: {name!r}: allowed is one of {', '.join(COMMANDS)}", file=sys.stderr)
        raise SystemExit(2)


if __name__ == "__main__":
    main()

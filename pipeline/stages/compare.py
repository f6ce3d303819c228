"""Compare configurations, paired by seed: `python -m pipeline.stages.compare A B [...]`.

Each of A, B, ... is a sweep's folder, the folder of a record, or `runs`; what they hold is sorted
into configurations, and each is compared with the first. Prints a table, and leaves it with a
figure in `sweeps/comparison/`.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.config import compose
from pipeline.errors import UserError, one_line_errors
from pipeline.files import canonical_json, write_csv
from pipeline.masking import printable
from pipeline.paths import Paths, find_root
from pipeline.records.gather import gather
from pipeline.records.names import configuration_names
from pipeline.records.record import Finished, Unfinished, is_older, read_record
from pipeline.results.figures import differences
from pipeline.results.statistics import FEWEST_PAIRS, METHOD, Comparison, compare, holm, summarise
from pipeline.results.style import save

Setting = dict[int, float | None]
"""A value a seed; None for one that failed."""


def main() -> None:
    """Compare what the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.stages.compare", description="Compare configurations by seed."
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="A", help="sweep, record or runs")
    parser.add_argument("--test", action="store_true", help="by test accuracy, not validation")
    asked = parser.parse_args()
    with one_line_errors():
        paths = Paths(find_root())
        gather(compose(paths), paths)
        records = [record for folder in asked.folders for record in _records(folder, paths)]
        for record in records:
            if isinstance(record, Unfinished) and record.damage is not None:
                print(f"warning: {printable(record.damage)}; left out", file=sys.stderr)
        settings = _settings(records, test=asked.test)
        if len(settings) < 2:
            raise UserError(
                f"{', '.join(map(str, asked.folders))}: allowed are at least two configurations, "
                f"this is {len(settings)}"
            )
        _tell(settings, "test" if asked.test else "validation", paths)


def _records(folder: Path, paths: Paths) -> Iterator[Finished | Unfinished]:
    """Yield the records that a folder is, lists, or holds; not those of an earlier format.

    Raises:
        UserError: there are none.
    """
    if (folder / "runs.csv").exists():
        with (folder / "runs.csv").open(newline="") as file:
            yield from [read_record(paths.records / row["record"]) for row in csv.DictReader(file)]
        return
    found = sorted(folder.glob("*/description.json")) or sorted(folder.glob("description.json"))
    if not found:
        raise UserError(f"{folder}: allowed is the folder of a sweep, of a record, or of records")
    folders = (path.parent for path in found)
    yield from (read_record(folder) for folder in folders if not is_older(folder))


def _settings(records: Sequence[Finished | Unfinished], *, test: bool) -> dict[str, Setting]:
    """Return the values of each configuration, by its name, in the order they were named."""
    by_configuration: dict[bytes, Setting] = {}
    experiments = {}
    for record in records:
        described = record.description
        if described is None:
            raise UserError(f"{record.folder / 'description.json'} cannot be read")
        key = canonical_json(described["experiment"])
        experiments[key] = described["experiment"]
        by_configuration.setdefault(key, {})[described["seed"]] = _value(record, test=test)
    names = configuration_names(list(experiments.values()))
    return dict(zip(names, by_configuration.values(), strict=True))


def _value(record: Finished | Unfinished, *, test: bool) -> float | None:
    if isinstance(record, Unfinished):
        return None
    if not test:
        return record.validation_accuracy
    if record.test is None:
        raise UserError(
            f"{record.folder}: nobody has asked for its test accuracy; the same sweep with "
            "`test=true` does, and trains nothing again"
        )
    return record.test["accuracy"]


def _tell(settings: dict[str, Setting], part: str, paths: Paths) -> None:
    (first, baseline), *others = settings.items()
    found = {name: compare(values, baseline) for name, values in others}
    adjusted = dict(zip(found, holm([each.p_value for each in found.values()]), strict=True))
    table = Table(box=None, pad_edge=False)
    heads = ("configuration", "seeds", f"{part} accuracy", "difference", "95 %", "p", "p (Holm)")
    for column in (*heads, "verdict"):
        table.add_column(column)
    rows: list[list[object]] = []
    for name, values in settings.items():
        summary = summarise(values)
        mean = "none finished" if summary.mean is None else f"{100 * summary.mean:.2f} %"
        cells = [name, f"{summary.n} of {summary.declared}", mean]
        row: list[object] = [name, summary.n, summary.declared, summary.mean, summary.sd]
        if name in found:
            verdict = _verdict(found[name], adjusted[name])
            cells += [*_cells(found[name]), f"{adjusted[name]:.3g}", verdict]
            limits = found[name].ci95 or (None, None)
            row += [len(found[name].seeds), found[name].mean_difference, *limits]
            row += [found[name].p_value, adjusted[name], verdict]
        rows.append(row)
        table.add_row(*cells)
    header = ["configuration", "n", "declared", "mean", "sd", "pairs", "difference"]
    header += ["ci95_low", "ci95_high", "p", "p_holm", "verdict"]
    padded = [row + [None] * (len(header) - len(row)) for row in rows]
    write_csv(paths.comparison / "comparison.csv", header, padded)
    pairs = {name: _differences(values, baseline) for name, values in others}
    save(differences(pairs, f"{part} accuracy minus {first}"), paths.comparison / "comparison.png")
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)
    print(
        f"Differences, in percentage points, are from {first}, paired by seed; {METHOD}; exact "
        f"sign-flip test, adjusted by Holm for {len(found)} comparisons.\n{paths.comparison}"
    )


def _verdict(found: Comparison, adjusted: float) -> str:
    verdict = found.verdict(adjusted)
    if len(found.seeds) < FEWEST_PAIRS:
        return f"{verdict} ({len(found.seeds)} pairs; {FEWEST_PAIRS} are the fewest)"
    return verdict.removeprefix("first is ")


def _cells(found: Comparison) -> list[str]:
    limits = ""
    if found.ci95 is not None:
        low, high = (100 * limit for limit in found.ci95)
        limits = f"[{low:+.2f}, {high:+.2f}]"
    return [f"{100 * found.mean_difference:+.2f}", limits, f"{found.p_value:.3g}"]


def _differences(values: Setting, baseline: Setting) -> list[float]:
    return [
        first - second
        for seed in sorted(values.keys() & baseline.keys())
        if (first := values[seed]) is not None and (second := baseline[seed]) is not None
    ]


if __name__ == "__main__":
    main()

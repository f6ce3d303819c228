"""Compare configurations, paired by seed and image.

Each A is a sweep's folder, a folder of one or more records (`runs`, `records`), or a git revision
or DVC experiment (`main`, `lr05`). All their runs are grouped by configuration. Each configuration
is compared with the first one, or with the one that `--baseline` names. Tables are printed, and
saved with a figure in `sweeps/comparison/<names>/`. For a single configuration trained with several
splits, the tables show the variance due to split and to seed.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.base.command import Words
from pipeline.base.config import compose, from_experiment
from pipeline.base.console import plain_table, wide_console
from pipeline.base.errors import UserError, one_line_errors
from pipeline.base.files import canonical_json, sha256, write_csv
from pipeline.base.masking import one_line, printable
from pipeline.base.paths import Paths, find_root
from pipeline.data.catalogue import dataset_of
from pipeline.data.prepared import Part, load
from pipeline.records.code import code_digest
from pipeline.records.gather import gather
from pipeline.records.identity import Description, grouped, identity
from pipeline.records.names import Experiment, configuration_names, marked
from pipeline.records.record import Finished, Unfinished, is_older, read_record, shared_by
from pipeline.results import figures
from pipeline.results.evaluation import recorded_accuracy
from pipeline.results.page import DIFFERENCES, PLANNED, render, seeds_needed
from pipeline.results.statistics import (
    MOST_ENUMERATED,
    Comparison,
    Right,
    Summary,
    compare_all,
    cross,
    fewest_pairs,
    summarise_right,
)
from pipeline.results.style import save
from pipeline.results.sweep_tables import RUNS_CSV, recorded_runs

Runs = dict[tuple[int, int], Finished | Unfinished]
"""The records of a configuration by split.seed and seed."""


def main() -> None:
    """Compare what the command line names."""
    with one_line_errors():
        words = Words()
        words.add_argument(
            "places",
            nargs="+",
            metavar="A",
            help="a folder of a sweep or of records, or a revision",
        )
        words.add_argument(
            "--test", action="store_true", help="compare test instead of validation accuracies"
        )
        words.add_argument(
            "--baseline", metavar="NAME", help="a configuration, or a part of its name"
        )
        words.add_argument(
            "--plan", action="store_true", help="add the intervals that more seeds would give"
        )
        compare(paths=Paths(find_root()), **vars(words.parse_args()))


def compare(
    places: Sequence[str],
    paths: Paths,
    *,
    test: bool = False,
    baseline: str | None = None,
    plan: bool = False,
) -> None:
    """Print the tables, and save them with a figure.

    Args:
        places: folders of sweeps or of records, and revisions.
        paths: of the checkout.
        test: compare test instead of validation accuracies.
        baseline: the configuration to compare with, or a part of its name.
        plan: add the intervals that more seeds would give.

    Raises:
        UserError: there is nothing to compare, or it cannot be paired.
    """
    with tempfile.TemporaryDirectory() as scratch:
        gather(compose(paths), paths)
        records = [
            record
            for number, place in enumerate(places)
            for record in _records(place, paths, Path(scratch) / str(number))
        ]
        for record in records:
            if isinstance(record, Unfinished) and record.damage is not None:
                print(f"warning: {printable(record.damage)}; left out", file=sys.stderr)
        settings = _with_baseline_first(_settings(records, test=test), baseline)
        splits = sorted({split for runs in settings.values() for split, _ in runs})
        part = "test" if test else "validation"
        name = "-".join([*(Path(place).name for place in places), part])
        folder = paths.comparison / _folder_name(name)
        if plan and len(splits) > 1:
            raise UserError(f"--plan: allowed is one split.seed, these are {len(splits)}")
        described = _described(next(iter(next(iter(settings.values())).values())))
        noun = dataset_of(from_experiment(described["experiment"], described["seed"]).data).noun
        if len(splits) == 1:
            right = _right(_paired(settings), part, paths)
            _report(right, part, noun, folder, plan=plan)
        elif len(settings) == 1:
            ((name, runs),) = settings.items()
            _report_splits(name, runs, part, noun, folder)
        else:
            raise UserError(
                f"split.seed = {', '.join(map(str, splits))}: several configurations can only be "
                "compared on one split, since runs that share a split are not independent pairs; "
                "several splits are allowed for a single configuration"
            )


def _folder_name(text: str) -> str:
    name = re.sub(r"[^\w.-]+", "_", text)
    return name if len(name) <= 80 else f"{name[:70]}-{sha256(text.encode())[:8]}"


# --- which runs ---


def _records(place: str, paths: Paths, scratch: Path) -> Iterator[Finished | Unfinished]:
    """Yield the records of a sweep's folder, a folder of records, or a revision.

    Records of an earlier format are skipped.

    Raises:
        UserError: there is no record.
    """
    folder = Path(place)
    if (folder / RUNS_CSV).exists():
        yield from map(read_record, recorded_runs(folder, paths))
        return
    if not folder.exists():
        _fetch(place, paths, scratch)
        folder = scratch
    descriptions = sorted([*folder.glob("description.json"), *folder.glob("*/description.json")])
    if not descriptions:
        raise UserError(
            f"{place}: allowed is the folder of a sweep, of a record or of records, or a git "
            "revision or DVC experiment"
        )
    for record in (read_record(path.parent) for path in descriptions if not is_older(path.parent)):
        # The local record has test results, too, which the published one lacks.
        here = isinstance(record, Finished) and read_record(paths.records / record.identity)
        yield here if isinstance(here, Finished) else record


def _fetch(revision: str, paths: Paths, folder: Path) -> None:
    """Copy `runs/` of a git revision or DVC experiment from DVC.

    Raises:
        UserError: the revision is unknown, or DVC lacks its runs.
    """
    from dvc.api import DVCFileSystem  # takes half a second
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError

    try:
        files = DVCFileSystem(str(paths.home), rev=revision)
        files.get(paths.runs.name, str(folder), recursive=True)
    except (DvcException, SCMError, OSError) as error:
        raise UserError(
            f"{revision}: neither a folder nor a git revision or DVC experiment with runs in "
            f"DVC's cache ({one_line(error)})"
        ) from None


def _settings(records: Sequence[Finished | Unfinished], *, test: bool) -> dict[str, Runs]:
    """Return the runs of each configuration by name, in the order of the command line.

    If several versions of the code trained a seed, the run of the current code is taken.

    Raises:
        UserError: a description cannot be read, or a test accuracy is missing.
    """
    for record in records if test else ():
        if isinstance(record, Finished) and record.test is None:
            raise UserError(
                f"{record.folder} has no test accuracy; run the same sweep with `test=true`, which "
                "trains nothing again"
            )
    groups = grouped(records, lambda each: {**_experiment(each), "by": shared_by(each)}).values()
    settings = [
        {_run(record): record for record in sorted(members, key=_is_of_code_here)}
        for members in groups
    ]
    trained = [len({identity(_described(record)) for record in members}) for members in groups]
    if left_out := sum(trained) - sum(map(len, settings)):
        print(f"runs left out, since other code made them: {left_out}", file=sys.stderr)
    names = configuration_names([_experiment(members[0]) for members in groups])
    names = [marked(name, members[0]) for name, members in zip(names, groups, strict=True)]
    return dict(zip(names, settings, strict=True))


def _run(record: Finished | Unfinished) -> tuple[int, int]:
    described = _described(record)
    return described["experiment"]["split"]["seed"], described["seed"]


def _is_of_code_here(record: Finished | Unfinished) -> bool:
    return bool(_described(record)["code"] == code_digest())


def _experiment(record: Finished | Unfinished) -> Experiment:
    """Return the experiment without `split.seed`, which may vary within a configuration."""
    experiment = _described(record)["experiment"]
    split = {key: value for key, value in experiment["split"].items() if key != "seed"}
    return {**experiment, "split": split}


def _described(record: Finished | Unfinished) -> Description:
    if record.description is None:
        raise UserError(
            f"{record.folder / 'description.json'} is missing or damaged; run the same sweep again"
        )
    return record.description


def _with_baseline_first(settings: dict[str, Runs], baseline: str | None) -> dict[str, Runs]:
    """Move the setting that `baseline` names, fully or in part, to the front."""
    if baseline is None:
        return settings
    chosen = [name for name in settings if name == baseline] or [
        name for name in settings if baseline in name
    ]
    if len(chosen) != 1:
        raise UserError(
            f"--baseline {baseline} matches {len(chosen) or 'none'} of these names, but must match "
            f"exactly one: {'; '.join(settings)}"
        )
    return {chosen[0]: settings[chosen[0]], **settings}


def _paired(settings: dict[str, Runs]) -> dict[str, Runs]:
    """Return the first setting and those that share a seed with it; print why others do not.

    Raises:
        UserError: there are others, and none shares a seed.
    """
    first, *others = settings
    seeds = {name: _finished(runs) for name, runs in settings.items()}
    alone = [name for name in others if not seeds[name] & seeds[first]]
    reasons = [
        f"no seed finished in both: {first} {sorted(seeds[first])}, {name} {sorted(seeds[name])}"
        for name in alone
    ]
    if others and len(alone) == len(others):
        raise UserError("; ".join(reasons))
    for reason in reasons:
        print(f"left out: {reason}", file=sys.stderr)
    return {name: runs for name, runs in settings.items() if name not in alone}


def _finished(runs: Runs) -> set[int]:
    return {seed for (_, seed), record in runs.items() if isinstance(record, Finished)}


def _right(settings: Mapping[str, Runs], part: str, paths: Paths) -> dict[str, Right]:
    """Return, by setting and seed, which images the network is right on.

    Raises:
        UserError: the settings have different examples, so they cannot be paired by example.
    """
    images: dict[bytes, Part] = {}
    first: dict[bytes, str] = {}  # for each set of examples, the first setting that has it
    right: dict[str, Right] = {}
    for name, runs in settings.items():
        described = _described(next(iter(runs.values())))
        key = canonical_json([described["experiment"][section] for section in ("data", "split")])
        if key not in images:
            images[key] = _images(described, part, paths)
            first.setdefault(images[key].raw.tobytes(), name)
        pixels, labels, _ = images[key]
        right[name] = {
            seed: record.model().predict(pixels) == labels if isinstance(record, Finished) else None
            for (_, seed), record in runs.items()
        }
    if len(first) > 1:
        raise UserError(
            f"{' and '.join(first.values())} have different {part} data, so their answers cannot "
            "be paired; allowed are the folders of sweeps on the same data"
        )
    return right


def _images(described: Description, part: str, paths: Paths) -> Part:
    data = load(from_experiment(described["experiment"], described["seed"]), paths)
    if part == "test":
        return data.test
    if data.split.digest() != described["preparation"]["split"]:
        raise UserError(f"record {identity(described)} was made from another split")
    return data.validation


# --- the tables --------------------------------------------------------------------------------


def _report(right: dict[str, Right], part: str, noun: str, folder: Path, *, plan: bool) -> None:
    """Print means, differences from the first configuration, and the numbers of seeds needed."""
    (first, baseline), *others = right.items()
    pairs = compare_all(dict(others), baseline)
    summaries = {name: summarise_right(by_seed) for name, by_seed in right.items()}
    effects = {name: known.effects for name, known in summaries.items()}
    effects |= {f"{name}, difference": pair.effects for name, pair in pairs.items()}
    rows = [_row(name, known, pairs.get(name)) for name, known in summaries.items()]
    write_csv(folder / "comparison.csv", COLUMNS, [map(row.get, COLUMNS) for row in rows])
    if pairs:
        label = f"{part} accuracy minus that of\n{first}, in percentage points"
        save(figures.forest(pairs, label, noun), folder / "comparison.png")
    _print(
        "results/comparison.txt.j2",
        noun,
        folder=folder,
        part=part,
        count=max((each.columns for each in effects.values() if each), default=None),
        summaries=summaries,
        first=first,
        pairs=pairs,
        fewest=fewest_pairs(len(pairs) or 1),
        enumerated=MOST_ENUMERATED,
        differences=DIFFERENCES,
        needed={
            name: [
                seeds_needed(each, pair.effects.deviation, len(pair.seeds), len(pairs))
                for each in DIFFERENCES
            ]
            for name, pair in pairs.items()
            if pair.effects
        },
        planned=PLANNED,
        plans={
            name: [each.half_widths(n) for n in PLANNED]
            for name, each in effects.items()
            if each and plan
        },
    )


ENDS = [f"ci95_new_{what}_{end}" for what in ("seeds", "images") for end in ("low", "high")]
COLUMNS = [
    *("configuration", "n", "declared", "mean", "sd", *ENDS),
    *("pairs", "difference", *(f"difference_{end}" for end in ENDS), "p", "p_holm"),
    *("p_larger", "p_larger_low", "p_larger_high", "verdict"),
]


def _row(name: str, known: Summary, pair: Comparison | None) -> dict[str, object]:
    row: dict[str, object] = {"configuration": name, "n": known.n, "declared": known.declared}
    row |= {"mean": known.mean, "sd": known.sd}
    row |= zip(ENDS, [*(known.ci95 or ()), *(known.ci95_new_images or ())], strict=False)
    if pair:
        row |= {"pairs": len(pair.seeds), "difference": pair.mean_difference, "p": pair.p_value}
        larger, limits = pair.superiority
        row |= {"p_holm": pair.p_holm, "p_larger": larger, "verdict": pair.verdict}
        row |= zip(("p_larger_low", "p_larger_high"), limits, strict=True)
        if pair.effects:
            same, new = pair.effects.intervals()
            row |= zip((f"difference_{end}" for end in ENDS), (*same, *new), strict=True)
    return row


def _print(template: str, noun: str, **values: object) -> None:
    """Print a template, which can call `table(header, rows)`; `noun` is the word for examples."""
    console = wide_console()

    def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        text = plain_table(*header)
        for row in rows:
            text.add_row(*row)
        with console.capture() as captured:
            console.print(text)
        return captured.get()

    text = render(template, noun=noun, table=table, **values)
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def _report_splits(name: str, runs: Runs, part: str, noun: str, folder: Path) -> None:
    """Print how much splits and seeds contribute to the variance of one configuration.

    Raises:
        UserError: the splits are the same, or a seed did not finish with every split.
    """
    drawn = {_described(record)["preparation"]["split"] for record in runs.values()}
    if len(drawn) != len({split for split, _ in runs}):
        raise UserError(
            f"{name}: split.seed varies, the split does not; use `split.method=stratified`"
        )
    accuracies = {run: recorded_accuracy(record, part) for run, record in runs.items()}
    effects = cross(accuracies)
    write_csv(
        folder / "comparison.csv",
        ["source", "number", "variance"],
        [
            ("split", effects.rows, effects.row),
            ("seed", effects.columns, effects.column),
            ("both", len(runs), effects.rest),
        ],
    )
    save(figures.splits(accuracies, effects), folder / "comparison.png")
    _print("results/splits.txt.j2", noun, folder=folder, name=name, part=part, effects=effects)


if __name__ == "__main__":
    main()

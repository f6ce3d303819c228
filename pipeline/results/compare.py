"""Compare configurations, paired by seed and image: `python -m pipeline.results.compare A [B ...]`.

Each of A, B, ... is a sweep's folder, the folder of a record or of records (`runs`, `records`), or
a revision or an experiment that DVC knows (`main`, `lr05`); what they hold is sorted into
configurations, and each is compared with the first, or with the one that `--baseline` names. Prints
tables, and leaves one with a figure in a folder of `sweeps/comparison/`, named by A, B, ... Of a
single configuration that was trained with several splits, tells how much splits and seeds matter.
"""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from pipeline.base.command import Words, given
from pipeline.base.config import compose, from_experiment
from pipeline.base.console import plain_table, wide_console
from pipeline.base.errors import UserError, one_line_errors
from pipeline.base.files import canonical_json, sha256, write_csv
from pipeline.base.masking import one_line, printable
from pipeline.base.paths import Paths, find_root
from pipeline.data import prepared
from pipeline.data.split import digest
from pipeline.records.code import code_digest
from pipeline.records.gather import gather
from pipeline.records.identity import Description, grouped, identity
from pipeline.records.names import Experiment, configuration_names
from pipeline.records.record import Finished, Unfinished, is_older, read_record
from pipeline.results import figures, page
from pipeline.results.crossed import Crossed
from pipeline.results.statistics import (
    METHODS,
    NEW_IMAGES,
    NEW_SEEDS,
    Answers,
    Comparison,
    Summary,
    compare_all,
    cross,
    fewest_pairs,
    percents,
    points,
    summarise_answers,
    these,
)
from pipeline.results.style import save

Runs = dict[tuple[int, int], Finished | Unfinished]
"""The records of a configuration by split.seed and seed."""


def main() -> None:
    """Compare what the command line names."""
    with one_line_errors(), tempfile.TemporaryDirectory() as scratch:
        words = Words(prog="python -m pipeline.results.compare", description=__doc__)
        words.add_argument("places", nargs="+", metavar="A", help="sweep, record, runs, revision")
        words.add_argument("--test", action="store_true", help="by test accuracy, not validation")
        words.add_argument(
            "--baseline", metavar="NAME", help="a configuration, or a part of its name"
        )
        words.add_argument("--plan", action="store_true", help="tell what more seeds would give")
        asked = words.parse_args(given())
        paths = Paths(find_root())
        gather(compose(paths), paths)
        records = [
            record
            for number, place in enumerate(asked.places)
            for record in _records(place, paths, Path(scratch) / str(number))
        ]
        for record in records:
            if isinstance(record, Unfinished) and record.damage is not None:
                print(f"warning: {printable(record.damage)}; left out", file=sys.stderr)
        settings = _with_baseline_first(_settings(records, test=asked.test), asked.baseline)
        splits = sorted({split for runs in settings.values() for split, _ in runs})
        part = "test" if asked.test else "validation"
        name = "-".join([*(Path(place).name for place in asked.places), part])
        folder = paths.comparison / _folder_name(name)
        if asked.plan and len(splits) > 1:
            raise UserError(f"--plan: allowed is one split.seed, these are {len(splits)}")
        if len(splits) == 1:
            answers = _answers(_paired(settings), part, paths)
            _tell(answers, part, folder, plan=asked.plan)
        elif len(settings) == 1:
            ((name, runs),) = settings.items()
            _tell_splits(name, runs, part, folder)
        else:
            raise UserError(
                f"split.seed = {', '.join(map(str, splits))}: allowed is one split where several "
                "configurations are compared, since runs that share a split are no independent "
                "pairs; of a single configuration, several splits are told apart from seeds"
            )


def _folder_name(text: str) -> str:
    name = re.sub(r"[^\w.-]+", "_", text)
    return name if len(name) <= 80 else f"{name[:70]}-{sha256(text.encode())[:8]}"


# --- which runs ---


def _records(place: str, paths: Paths, scratch: Path) -> Iterator[Finished | Unfinished]:
    """Yield the records that a place is, lists, or holds; not those of an earlier format.

    Raises:
        UserError: there are none.
    """
    folder = Path(place)
    if (folder / "runs.csv").exists():
        with (folder / "runs.csv").open(newline="") as file:
            yield from [read_record(paths.records / row["record"]) for row in csv.DictReader(file)]
        return
    if not folder.exists():
        _fetch(place, paths, scratch)
        folder = scratch
    found = sorted(folder.glob("*/description.json")) or sorted(folder.glob("description.json"))
    if not found:
        raise UserError(
            f"{place}: allowed is the folder of a sweep, of a record or of records, or a revision "
            "or experiment of DVC's"
        )
    for record in (read_record(path.parent) for path in found if not is_older(path.parent)):
        # Where it was trained, a record has its test results, too.
        here = isinstance(record, Finished) and read_record(paths.records / record.identity)
        yield here if isinstance(here, Finished) else record


def _fetch(revision: str, paths: Paths, folder: Path) -> None:
    """Get what DVC holds as `runs/` of a revision or an experiment.

    Raises:
        UserError: it has no such revision, or not its runs.
    """
    from dvc.api import DVCFileSystem  # takes half a second
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError

    try:
        files = DVCFileSystem(str(paths.home), rev=revision)
        files.get(paths.runs.name, str(folder), recursive=True)
    except (DvcException, SCMError, OSError) as error:
        raise UserError(
            f"{revision}: allowed is a folder that is there, or a revision or experiment whose "
            f"runs DVC holds ({one_line(error)})"
        ) from None


def _settings(records: Sequence[Finished | Unfinished], *, test: bool) -> dict[str, Runs]:
    """Return the runs of each configuration, by its name, in the order they were named.

    Where other code has trained the same seed, too, the code that lies here counts.

    Raises:
        UserError: a description cannot be read, or nobody has asked for a test accuracy.
    """
    settings = []
    other_code = 0
    groups = grouped(records, _experiment).values()
    for members in groups:
        runs: Runs = {}
        for record in members:
            described = _described(record)
            if test and isinstance(record, Finished) and record.test is None:
                raise UserError(
                    f"{record.folder}: nobody has asked for its test accuracy; the same sweep with "
                    "`test=true` does, and trains nothing again"
                )
            run = described["experiment"]["split"]["seed"], described["seed"]
            again = run in runs and _described(runs[run]) != described
            other_code += again
            if not again or described["code"] == code_digest():
                runs[run] = record
        settings.append(runs)
    if other_code:
        print(f"left out, since made by other code: {other_code}", file=sys.stderr)
    names = configuration_names([_experiment(members[0]) for members in groups])
    return dict(zip(names, settings, strict=True))


def _experiment(record: Finished | Unfinished) -> Experiment:
    """Return the experiment without the split's seed, which may vary as the run's does."""
    experiment = _described(record)["experiment"]
    split = {key: value for key, value in experiment["split"].items() if key != "seed"}
    return {**experiment, "split": split}


def _described(record: Finished | Unfinished) -> Description:
    if record.description is None:
        raise UserError(
            f"{record.folder / 'description.json'} is missing or damaged; "
            "the same sweep again makes its record"
        )
    return record.description


def _with_baseline_first(settings: dict[str, Runs], baseline: str | None) -> dict[str, Runs]:
    """Return the settings with the one first that `baseline` names, by all or a part of it."""
    if baseline is None:
        return settings
    chosen = [name for name in settings if name == baseline] or [
        name for name in settings if baseline in name
    ]
    if len(chosen) != 1:
        raise UserError(
            f"--baseline {baseline}: part of {len(chosen) or 'none'} of these names, allowed is a "
            f"part of exactly one: {'; '.join(settings)}"
        )
    return {chosen[0]: settings[chosen[0]], **settings}


def _paired(settings: dict[str, Runs]) -> dict[str, Runs]:
    """Return the first setting and those that can be paired with it; tells what cannot, and why.

    Raises:
        UserError: there are others, and none can.
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


def _answers(settings: Mapping[str, Runs], part: str, paths: Paths) -> dict[str, Answers]:
    """Return what every seed is right on.

    Raises:
        UserError: the settings have other images, so that they cannot be paired by image.
    """
    images: dict[bytes, prepared.Images] = {}
    answers: dict[str, Answers] = {}
    for name, runs in settings.items():
        described = _described(next(iter(runs.values())))
        key = canonical_json([described["experiment"][section] for section in ("data", "split")])
        if key not in images:
            images[key] = _images(described, part, paths)
        pixels, labels = images[key]
        answers[name] = {
            seed: record.model().predict(pixels) == labels if isinstance(record, Finished) else None
            for (_, seed), record in runs.items()
        }
    if len({each.pixels.tobytes() for each in images.values()}) > 1:
        raise UserError(
            f"the configurations have different {part} images: allowed are those with the same, "
            "since they are paired by seed and image"
        )
    return answers


def _images(described: Description, part: str, paths: Paths) -> prepared.Images:
    config = from_experiment(described["experiment"], described["seed"])
    if part == "test":
        images = prepared.test_file(paths, config.data.name)
        return prepared.Images(*(each[: config.split.test] for each in images))
    images = prepared.training_file(paths, config.data.name)
    indices = prepared.split_for(config, paths, images.labels)
    if digest(indices) != described["preparation"]["split"]:
        raise UserError(f"record {identity(described)} was made from another split")
    return prepared.Images(*(each[indices.validation] for each in images))


# --- what they say ---


def _tell(answers: dict[str, Answers], part: str, folder: Path, *, plan: bool) -> None:
    """Print the mean of each configuration, its difference from the first, and what is needed."""
    (first, baseline), *others = answers.items()
    pairs = compare_all(dict(others), baseline)
    summaries = {name: summarise_answers(by_seed) for name, by_seed in answers.items()}
    console = wide_console()
    _print_means(summaries, part, console)
    rows: list[list[object]] = []
    for name, summary in summaries.items():
        row: list[object] = [name, summary.n, summary.declared, summary.mean, summary.sd]
        row += [*(summary.ci95 or (None, None)), *(summary.ci95_new_images or (None, None))]
        if name in pairs:
            pair = pairs[name]
            same, new = pair.effects.intervals() if pair.effects else ((None, None), (None, None))
            row += [len(pair.seeds), pair.mean_difference, *same, *new, pair.p_value, pair.p_holm]
            row += [pair.superiority.share, *pair.superiority.ci95, pair.verdict]
        rows.append(row + [None] * (len(COLUMNS) - len(row)))
    write_csv(folder / "comparison.csv", COLUMNS, rows)
    if pairs:
        _print_pairs(pairs, first, console)
        label = f"{part} accuracy minus that of\n{first}, in percentage points"
        save(figures.forest(pairs, label), folder / "comparison.png")
    if plan:
        effects = {name: s.effects for name, s in summaries.items()}
        effects |= {f"{name}, difference": pair.effects for name, pair in pairs.items()}
        _print_plan({name: each for name, each in effects.items() if each}, console)
    print(folder)


LIMITS = (
    "ci95_new_seeds_low",
    "ci95_new_seeds_high",
    "ci95_new_images_low",
    "ci95_new_images_high",
)
COLUMNS = [
    *("configuration", "n", "declared", "mean", "sd", *LIMITS),
    *("pairs", "difference", *(f"difference_{limit}" for limit in LIMITS), "p", "p_holm"),
    *("p_larger", "p_larger_low", "p_larger_high", "verdict"),
]


def _print(console: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = plain_table(*header)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print()


def _print_means(summaries: Mapping[str, Summary], part: str, console: Console) -> None:
    images = max((s.effects.columns for s in summaries.values() if s.effects), default=None)
    question = NEW_SEEDS if images is None else these(images, part)
    rows = []
    for name, s in summaries.items():
        mean = "none finished" if s.mean is None else f"{100 * s.mean:.2f} %"
        limits = (percents(each) if each else "" for each in (s.ci95, s.ci95_new_images))
        rows.append([name, f"{s.n} of {s.declared}", mean, *limits])
    header = ["configuration", "seeds", f"{part} accuracy", question, NEW_IMAGES]
    _print(console, header, rows)
    console.print(f"{METHODS}.\n", soft_wrap=True)


def _print_pairs(pairs: Mapping[str, Comparison], first: str, console: Console) -> None:
    fewest = fewest_pairs(len(pairs))
    differences, needed = [], []
    for name, pair in pairs.items():
        verdict = pair.verdict
        if len(pair.seeds) < fewest:
            verdict += f" ({len(pair.seeds)} of at least {fewest})"
        limits = pair.effects.intervals() if pair.effects else ()
        share, (low, high) = pair.superiority
        differences.append(
            [
                *(name, f"{100 * pair.mean_difference:+.2f}"),
                *([points(each) for each in limits] or ["", ""]),
                *(f"{pair.p_value:.3g}", f"{pair.p_holm:.3g}"),
                *(f"{share:.2f} ({low:.2f} to {high:.2f})", verdict),
            ]
        )
        if pair.effects:
            sd, n = pair.effects.deviation, len(pair.seeds)
            numbers = (page.seeds_needed(d, sd, n, len(pairs)) for d in page.DIFFERENCES)
            needed.append([name, *numbers])
    header = ["configuration", "difference", NEW_SEEDS, NEW_IMAGES, "p", "p (Holm)", "P(larger)"]
    _print(console, [*header, "verdict"], differences)
    console.print(
        f"Differences, in percentage points, are from {first}, paired by seed and image; exact "
        f"sign-flip test, adjusted by Holm for {len(pairs)} comparison"
        f"{'s' if len(pairs) > 1 else ''}; P(larger): over seeds, "
        "ties half, with the exact binomial interval of those without ties (X. Bouthillier et al., "
        "2021, call a setting better from 0.75 on).\n",
        soft_wrap=True,
    )
    if needed:
        _print(console, ["seeds needed for", *(f"{100 * d:.2f}" for d in page.DIFFERENCES)], needed)
        console.print(
            "So many seeds show a difference of so many percentage points with power 0.8, if "
            "differences vary as these do; in brackets at the 95 % limits of their deviation.\n",
            soft_wrap=True,
        )


def _print_plan(effects: Mapping[str, Crossed], console: Console) -> None:
    rows = [
        [name, *map(_widths, map(each.half_widths, page.PLANNED))] for name, each in effects.items()
    ]
    _print(console, ["with so many seeds", *map(str, page.PLANNED)], rows)
    console.print(
        f"Half the widths of both 95 % intervals, in percentage points: {NEW_SEEDS} / "
        f"{NEW_IMAGES}.\n",
        soft_wrap=True,
    )


def _widths(halves: tuple[float, float]) -> str:
    return " / ".join(f"{100 * half:.2f}" for half in halves)


def _tell_splits(name: str, runs: Runs, part: str, folder: Path) -> None:
    """Print how much splits and seeds matter to one configuration.

    Raises:
        UserError: the splits are the same, or not every seed finished with every split.
    """
    drawn = {_described(record)["preparation"]["split"] for record in runs.values()}
    if len(drawn) != len({split for split, _ in runs}):
        raise UserError(f"{name}: split.seed varies, the split does not; allowed is `stratified`")
    accuracies = {run: _accuracy(record, part) for run, record in runs.items()}
    effects = cross(accuracies)
    table = page.splits_table(effects, part)
    print(f"{name}: {part} accuracy {100 * effects.mean:.2f} %\n\n{table.caption}\n")
    _print(wide_console(), table.header, table.rows)
    print(f"{page.splits_interval(effects, part)}\n{folder}")
    write_csv(
        folder / "comparison.csv",
        ["source", "number", "variance"],
        [
            ("split", effects.rows, effects.row),
            ("seed", effects.columns, effects.column),
            ("both", len(runs), effects.rest),
        ],
    )
    finished = {run: value for run, value in accuracies.items() if value is not None}
    save(figures.splits(finished), folder / "comparison.png")


def _accuracy(record: Finished | Unfinished, part: str) -> float | None:
    if isinstance(record, Unfinished):
        return None
    if part == "validation":
        return record.validation_accuracy
    assert record.test is not None, "`_settings` refuses such a record"
    return record.test["accuracy"]


if __name__ == "__main__":
    main()

"""Own data: in every form, through every stage; what is wrong is one line."""

import csv
import gzip
import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits, load_wine

from pipeline.base.config import compose
from pipeline.base.errors import UserError
from pipeline.base.files import sha256
from pipeline.base.paths import Paths, find_root
from pipeline.data.catalogue import Data, dataset_of
from pipeline.data.embedded import embedded_files
from pipeline.data.prepared import load
from pipeline.data.raw import read_examples
from pipeline.data.sources import obtain
from pipeline.records.gather import declared
from pipeline.results.card import model_card
from pipeline.results.page import render
from pipeline.share.citation import names as authors
from pipeline.share.citation import read_citation
from pipeline.share.contents import Commit
from pipeline.stages import report
from pipeline.tracking.plan import plan
from tests.conftest import Checkout

LETTERS = list("ABCDEFGHIJ")
IMAGES = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
ARRAYS: dict[str, Any] = {
    "x_train": IMAGES[:1437],
    "y_train": load_digits().target[:1437],
    "x_test": IMAGES[1437:],
    "y_test": load_digits().target[1437:],
}


def npz(folder: Path, arrays: dict[str, Any], *, packed: bool = False) -> bytes:
    path = folder / "written.npz"
    (np.savez_compressed if packed else np.savez)(path, **arrays)
    return path.read_bytes()


def wine() -> dict[str, Any]:
    """Return 13 measurements of 178 wines of three vineyards, in a drawn order."""
    order = np.random.default_rng(0).permutation(178)
    X, y = load_wine().data[order], load_wine().target[order]
    return {"x_train": X[:130], "y_train": y[:130], "x_test": X[130:], "y_test": y[130:]}


def give(paths: Paths, name: str, files: dict[str, bytes], **declared: Any) -> Data:
    """Put files where a user does, and return what the user declares of them."""
    for file, content in files.items():
        path = paths.given(name) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Data(name=name, files={file: sha256(files[file]) for file in files}, **declared)


def letters(paths: Paths, content: bytes) -> Data:
    return give(paths, "letters", {"letters.npz": content}, classes=LETTERS, shape=[8, 8])


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "checkout")


# --- forms ---


@pytest.mark.parametrize("packed", [False, True])
def test_an_npz_file_and_idx_files_hold_the_same(
    packed: bool, paths: Paths, tmp_path: Path
) -> None:
    idx = {
        f"own-{name.replace('t10k', 'test')}": content for name, content in embedded_files().items()
    }
    as_idx = dataset_of(give(paths, "idx", idx, classes=LETTERS, shape=[8, 8]))
    as_npz = dataset_of(letters(paths, npz(tmp_path, ARRAYS, packed=packed)))
    for dataset in (as_idx, as_npz):
        obtain(dataset, paths)
    for part in ("train", "test"):
        read = [read_examples(dataset, paths)[part] for dataset in (as_idx, as_npz)]
        for one, other in zip(*read, strict=True):
            assert one.dtype == other.dtype == np.uint8
            np.testing.assert_array_equal(one, other)


def test_files_lie_where_the_user_says(paths: Paths, tmp_path: Path) -> None:
    content = npz(tmp_path, ARRAYS)
    dataset = dataset_of(letters(Paths(tmp_path / "elsewhere"), content))
    folder = Paths(tmp_path / "elsewhere").given("letters")
    (folder / "letters.npz").rename(folder / "letters.npz.gz")
    (folder / "letters.npz.gz").write_bytes(gzip.compress(content))
    with pytest.raises(UserError, match=f"Put letters.npz into {paths.given('letters')}. Tried: "):
        obtain(dataset, paths)
    obtain(dataset, paths, folder=str(folder))
    assert (paths.raw("letters") / "letters.npz").read_bytes() == content


@pytest.mark.parametrize("place", ["elsewhere", "{}/elsewhere"])
def test_a_folder_that_params_yaml_names_is_tried_first(
    place: str, checkout: Checkout, tmp_path: Path
) -> None:
    """A wrong file in the usual place is not even read: nothing warns of it."""
    content = npz(tmp_path, ARRAYS)
    own = letters(checkout.paths, content)
    given = checkout.paths.given("letters") / "letters.npz"
    (checkout.paths.root / "elsewhere").mkdir()
    given.rename(checkout.paths.root / "elsewhere" / "letters.npz")
    given.write_bytes(b"something else")
    checkout.declare(data=vars(own), data_folder=place.format(checkout.paths.root))
    done = checkout.run("pipeline.stages.download")
    assert (checkout.paths.raw("letters") / "letters.npz").read_bytes() == content
    assert done.stderr == ""


@pytest.mark.parametrize("classes", [2, 255, 256])
def test_any_number_of_classes_is_read(classes: int, paths: Paths, tmp_path: Path) -> None:
    labels = np.arange(classes)
    arrays = {f"{kind}_{part}": labels for kind in "xy" for part in ("train", "test")}
    names = [f"class {number}" for number in range(classes)]
    own = give(paths, "many", {"x.npz": npz(tmp_path, arrays)}, classes=names, shape=[1])
    obtain(dataset_of(own), paths)
    examples = read_examples(dataset_of(own), paths)["train"]
    np.testing.assert_array_equal(examples.labels, labels)
    np.testing.assert_array_equal(examples.raw[:, 0], labels)


def test_the_example_in_conf_is_one(prepared_checkout: Path) -> None:
    config = compose(Paths(prepared_checkout), ["data=mine"])
    dataset = dataset_of(config.data)
    assert (dataset.classes, dataset.features, dataset.noun) == (3, 784, "images")
    assert compose(Paths(prepared_checkout), ["data=digits"]).data.files is None


# --- what is wrong ---

A_NAME = "data.name = .*: allowed is one of mnist"
FILES = "data.files = .*: allowed is a SHA-256"
NAMES = "data.classes = .*: allowed is a list of 2 to 256 different names"
SHAPE = r"data.shape = .*: allowed is \[height, width\] for images"
WRONG_DECLARED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"files": None, "classes": None, "shape": None}, A_NAME),
    "no files": ({"files": None}, FILES),
    "no classes": ({"classes": None}, NAMES),
    "no shape": ({"shape": None}, SHAPE),
    "no hash": ({"files": {"x.npz": "abc"}}, FILES),
    "a folder": ({"files": {"a/x.npz": "0" * 64}}, FILES),
    "three files": ({"files": {f"train-{n}": "0" * 64 for n in range(3)}}, FILES),
    "a list of files": ({"files": ["x.npz"]}, FILES),
    "a number as a file's name": ({"files": {1: "0" * 64}}, FILES),
    "a date as a file's name": ({"files": {date(2026, 1, 1): "0" * 64}}, FILES),
    "a number as a hash": ({"files": {"x.npz": 1}}, FILES),
    "classes by name": ({"classes": {"A": 0, "B": 1}}, NAMES),
    "a list in classes": ({"classes": [["A"], ["B"]]}, NAMES),
    "a shape of text": ({"shape": ["x"]}, SHAPE),
    "a shape by name": ({"shape": {"height": 8}}, SHAPE),
    "no height": ({"shape": [0, 8]}, SHAPE),
    "three dimensions": ({"shape": [2, 2, 1]}, SHAPE),
    "no dimension": ({"shape": []}, SHAPE),
    "one class": ({"classes": ["A"]}, NAMES),
    "a class twice": ({"classes": ["A", "A"]}, NAMES),
    "a bad name": ({"name": "../own"}, A_NAME),
    "a name of the catalogue": (
        {"name": "mnist"},
        "data.files = .*: allowed is null, since mnist comes with the pipeline",
    ),
}


@pytest.mark.parametrize(("change", "message"), WRONG_DECLARED.values(), ids=WRONG_DECLARED.keys())
def test_a_wrong_declaration_is_one_line(
    change: dict[str, Any], message: str, checkout: Checkout
) -> None:
    own = {"name": "own", "files": {"x.npz": "0" * 64}, "classes": ["A", "B"], "shape": [8, 8]}
    checkout.declare(data={**own, **change})
    with pytest.raises(
        UserError, match=rf"params.yaml, line \d+, column \d+: .*({message})"
    ) as caught:
        compose(checkout.paths)
    assert "\n" not in str(caught.value)


def changed(**arrays: Any) -> dict[str, Any]:
    return {name: array for name, array in {**ARRAYS, **arrays}.items() if array is not None}


FLAT = np.zeros((1437, 4, 16), np.uint8)
WRONG_FILES: dict[str, tuple[dict[str, Any], str]] = {
    "no labels": (changed(y_test=None), "letters.npz: array y_test is missing; there is x_train"),
    "another image": (changed(x_train=FLAT), r"examples of shape \[4, 16\]; allowed is data.shape"),
    "floats": (
        changed(x_train=IMAGES[:1437] / 255),
        "x_train of letters.npz: float64; allowed are pixels",
    ),
    "a label too large": (
        changed(y_train=np.full(1437, 10)),
        "y_train of letters.npz: label 0 is 10; allowed",
    ),
    "a negative label": (
        changed(y_train=np.full(1437, -1)),
        "y_train of letters.npz: label 0 is -1; allowed",
    ),
    "text": (changed(y_train=np.full(1437, "A")), "y_train of letters.npz: <U1 of shape"),
    "one-hot": (
        changed(y_train=np.eye(10, dtype=int)),
        r"y_train of letters.npz: int64 of shape \(10, 10\)",
    ),
    "too few": (changed(y_train=np.zeros(9, int)), "x_train of .* holds 1437 examples, but .* 9"),
}


@pytest.mark.parametrize(("arrays", "message"), WRONG_FILES.values(), ids=WRONG_FILES.keys())
def test_wrong_content_is_one_line(
    arrays: dict[str, Any], message: str, paths: Paths, tmp_path: Path
) -> None:
    dataset = dataset_of(letters(paths, npz(tmp_path, arrays)))
    obtain(dataset, paths)
    with pytest.raises(UserError, match=message) as caught:
        read_examples(dataset, paths)
    assert "\n" not in str(caught.value)


X = wine()["x_train"]
Y = wine()["y_train"]


def with_value(array: Any, value: Any) -> Any:
    array = array.copy()
    array[3, 4] = value
    return array


NO_NUMBERS = "; allowed are numbers"
NO_LABELS = "; allowed is a whole number per example"
NOT_FINITE = "feature 4 of example 3 is .*; allowed is a number from -1e.19 to 1e.19"
WRONG_FEATURES: dict[str, tuple[str, Any, str]] = {
    "truth": ("x_train", X > 1, f"bool{NO_NUMBERS}"),
    "complex": ("x_train", X + 1j, f"complex128{NO_NUMBERS}"),
    "text": ("x_train", X.astype(str), f"<U32{NO_NUMBERS}"),
    "bytes": ("x_train", X.astype("S"), f"S32{NO_NUMBERS}"),
    "dates": ("x_train", X.astype("M8[s]"), NO_NUMBERS),
    "durations": ("x_train", X.astype("m8[s]"), NO_NUMBERS),
    "objects": ("x_train", X.astype(object), "holds Python objects"),
    "records": ("x_train", np.zeros(130, [("a", float, 13)]), r"shape \[\]; allowed is"),
    "NaN": ("x_train", with_value(X, np.nan), NOT_FINITE),
    "infinity": ("x_test", with_value(X[:48], -np.inf), NOT_FINITE),
    "infinity of half precision": ("x_train", with_value(X.astype(np.float16), np.inf), NOT_FINITE),
    "huge": ("x_train", with_value(X, 1e300), NOT_FINITE),
    "huge in extended precision": (
        "x_train",
        with_value(X.astype(np.longdouble), np.longdouble("1e4000")),
        NOT_FINITE,
    ),
    "one number": ("x_train", np.array(3.0), r"examples of shape \[\]; allowed is"),
    "one row": ("x_train", X[:, 0], r"examples of shape \[\]; allowed is data.shape = \[13\]$"),
    "no features": ("x_train", X[:, :0], r"examples of shape \[0\]; allowed is"),
    "labels of truth": ("y_train", Y > 1, f"bool.*{NO_LABELS}"),
    "fractional labels": ("y_train", Y * 1.0, f"float64.*{NO_LABELS}"),
    "complex labels": ("y_train", Y * 1j, f"complex128.*{NO_LABELS}"),
    "labels that are dates": ("y_train", Y.astype("M8[s]"), f"datetime64.*{NO_LABELS}"),
    "labels that are objects": ("y_train", Y.astype(object), "holds Python objects"),
    "one label": ("y_train", np.array(3), f"shape \\(\\){NO_LABELS}"),
    "labels in a column": ("y_test", Y[:48, np.newaxis], f"shape .48, 1.{NO_LABELS}"),
    "a label of 64 bits": ("y_train", np.full(130, 2**63, np.uint64), "is 9223372036854775808"),
    "a label that fits after overflow": ("y_train", Y + 256, "label 0 is 25.; allowed is 0 to 2"),
}


@pytest.mark.parametrize(
    ("name", "array", "message"), WRONG_FEATURES.values(), ids=WRONG_FEATURES.keys()
)
def test_wrong_features_and_labels_are_one_line(
    name: str, array: Any, message: str, paths: Paths, tmp_path: Path
) -> None:
    content = npz(tmp_path, {**wine(), name: array})
    own = give(paths, "wine", {"wine.npz": content}, classes=["A", "B", "C"], shape=[13])
    obtain(dataset_of(own), paths)
    with pytest.raises(UserError, match=f"wine.npz.*{message}") as caught:
        read_examples(dataset_of(own), paths)
    assert "\n" not in str(caught.value)


def test_a_bomb_is_not_inflated(paths: Paths, tmp_path: Path) -> None:
    """Two arrays of 160 MB each, packed into some 300 kB."""
    bomb = np.zeros((2_500_000, 8, 8), np.uint8)
    content = npz(tmp_path, {"x_train": bomb, "x_test": bomb}, packed=True)
    dataset = dataset_of(letters(paths, content))
    obtain(dataset, paths)
    with pytest.raises(UserError, match="letters.npz is not a readable npz archive .* bytes"):
        read_examples(dataset, paths)


SIZES = {
    "split.train=59500": "split.train + split.validation = 59500 + 100 = 59600: the training file "
    "holds 1437 examples",
    "split.test=361": "split.test = 361: allowed is 1 to 360, the examples of the test file",
    "split.validation=9": "split.validation = 9: allowed is 10 or more, one of each class",
}


@pytest.mark.parametrize(("override", "message"), SIZES.items())
def test_a_split_of_params_yaml_that_does_not_fit_is_reported_with_line_and_column(
    override: str, message: str, checkout: Checkout
) -> None:
    key, _, size = override.partition("=")
    checkout.declare(split={key.removeprefix("split."): int(size)})
    with pytest.raises(UserError) as caught:
        load(compose(checkout.paths), checkout.paths).draw()
    assert re.fullmatch(r".*params.yaml, line \d+, column 3: .*", str(caught.value))
    assert message in str(caught.value)


def test_the_wrong_file_is_told_by_the_command_itself(checkout: Checkout, tmp_path: Path) -> None:
    own = letters(checkout.paths, npz(tmp_path, ARRAYS))
    assert own.files is not None
    own.files["letters.npz"] = "0" * 64
    checkout.declare(data=vars(own))
    done = checkout.run("pipeline.stages.download", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"letters.npz: SHA-256 expected {'0' * 64}, got " in done.stderr
    assert "make demo" not in done.stderr


# --- through every stage ---


def words_of(page: Path) -> set[str]:
    """Return the words that a page shows or says of its pictures."""
    content = page.read_text()
    text = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", content, flags=re.DOTALL)
    return set(re.findall(r"\w+", " ".join([text, *re.findall(r'alt="([^"]*)"', content)])))


@pytest.mark.slow
def test_letters_go_through_the_whole_pipeline(checkout: Checkout, tmp_path: Path) -> None:
    """The embedded digits under the names of letters: the same accuracy, other words."""
    own = letters(checkout.paths, npz(tmp_path, ARRAYS, packed=True))
    checkout.declare(
        study="own", data=vars(own), seeds=[0, 1], training={"epochs": 5}, tracking={"live": False}
    )
    checkout.run("dvc", "repro")
    metrics = checkout.paths.metrics.read_text()
    words = words_of(checkout.paths.page)
    assert "letters" in words
    assert words_of(checkout.paths.classes) >= set(LETTERS)
    assert not words & {"digit", "digits"}
    checkout.declare(
        study="own",
        data=vars(Data(name="digits")),
        seeds=[0, 1],
        training={"epochs": 5},
        tracking={"live": False},
    )
    checkout.run("dvc", "repro", "evaluate")
    assert checkout.paths.metrics.read_text() == metrics


@pytest.mark.slow
def test_features_that_are_no_images_go_through_the_whole_pipeline(
    checkout: Checkout, tmp_path: Path
) -> None:
    names = ["Barolo", "Grignolino", "Barbera"]
    own = give(
        checkout.paths, "wine", {"wine.npz": npz(tmp_path, wine())}, classes=names, shape=[13]
    )
    checkout.declare(
        study="own",
        data=vars(own),
        split={"train": 100, "validation": 30, "test": 48},
        preprocess={"method": "standardise", "statistics": "per_feature"},
        network={"hidden": [16]},
        training={"epochs": 20, "batch_size": 10},
        seeds=[0, 1],
        tracking={"live": False},
    )
    checkout.run("dvc", "repro")
    metrics = yaml.safe_load(checkout.paths.metrics.read_text())
    assert metrics["test"]["accuracy"] > 80
    words = words_of(checkout.paths.page)
    assert "wine" in words
    with checkout.paths.classes.open(newline="") as file:
        rows = list(csv.DictReader(file))
    f1 = {name: sum(float(row["f1"]) for row in rows if row["class"] == name) for name in names}
    page = checkout.paths.page.read_text()
    assert f"The lowest mean is that of class {min(names, key=f1.__getitem__)}," in page
    assert words_of(checkout.paths.classes) >= set(names)
    assert not words & {"digit", "digits", "image", "images", "pixels"}
    config = compose(checkout.paths)
    shown = report.read(config, checkout.paths, declared(config, checkout.paths))
    readme = render(
        "share/README.md.j2",
        results=shown,
        citation=read_citation(find_root() / "CITATION.cff"),
        names=authors,
        commit=Commit("0" * 40, "2026-01-01T00:00:00Z"),
        changed=False,
    )
    assert "Ask the authors for wine.npz, and put what you get into `data/given/wine`" in readme
    for text in (readme, model_card(shown.records, "", shown.accuracies["test"])):
        assert "new examples and new seeds" in text
        assert "images" not in text
    for method in ("raw", "whiten"):
        swept = checkout.train(f"preprocess.method={method}", "test=true").stdout
        assert "95 %, these examples, new seeds" in swept
    runs, _ = plan(checkout.paths, "own", {})
    assert len(runs) == 3 * 3
    for run in runs:
        assert "images" not in run.note
    compared = checkout.run("pipeline.results.compare", "records").stdout
    assert "new examples and new seeds" in compared
    assert "images" not in compared

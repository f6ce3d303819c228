"""The report's page, in a real browser: complete, offline, readable by everybody."""

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import Chrome
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from pipeline.base.errors import UserError
from pipeline.base.files import read_json, read_yaml
from pipeline.data.catalogue import DATASETS
from pipeline.data.raw import read_examples
from pipeline.records.record import Record, read_finished
from pipeline.results.card import model_card
from pipeline.results.crossed import as_share, crossed
from pipeline.results.evaluation import (
    calibration,
    class_scores,
    confusion,
)
from pipeline.results.figures import confusion as confusion_figure
from pipeline.results.figures import learning_curves
from pipeline.results.statistics import summarise, summarise_right
from tests.browser import chromium, log, needs_chromium, problems, requested, show
from tests.conftest import (
    NOT_LIVE,
    Checkout,
    copy_of,
    evaluate_and_report,
    hashes,
    recorded_answers,
    reproduce,
)


@pytest.fixture(scope="module")
def reported(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with a report on five seeds of three epochs."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("report"))
    checkout.declare(training={"epochs": 3}, tracking=NOT_LIVE)
    reproduce(checkout)
    return checkout


@pytest.fixture(scope="module")
def failed(reported: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout in which one declared seed of five has failed."""
    checkout = copy_of(reported.paths.root, tmp_path_factory.mktemp("failed"))
    folder = checkout.paths.run(3)
    for path in folder.iterdir():
        if path.name != "description.json":
            path.unlink()
    Record(folder).fail("the loss is nan")
    evaluate_and_report(checkout)
    return checkout


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium(1100, 900) as started:
        yield started


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (1400, "dark"), (390, "light")])
def test_the_page_is_whole_offline_and_accessible(
    width: int, scheme: str, reported: Checkout, browser: Chrome
) -> None:
    show(browser, reported.paths.page, width=width, scheme=scheme)
    assert log(browser, "browser") == []
    addresses = requested(browser)
    assert {url.partition(":")[0] for url in addresses} <= {"file", "data"}
    assert len([url for url in addresses if url.startswith("file:")]) == 1
    images: list[Any] = browser.execute_script(
        "return [...document.images].map(i => [i.complete && i.naturalWidth > 0, i.alt])"
    )
    assert len(images) == 9
    assert all(loaded and len(alt) > 40 for loaded, alt in images)
    assert problems(browser) == []


@needs_chromium
def test_a_failed_seed_is_shown_as_failed(failed: Checkout, browser: Chrome) -> None:
    show(browser, failed.paths.page)
    text = browser.find_element("tag name", "body").text.replace("\N{NO-BREAK SPACE}", " ")
    assert "n = 4 of 5 seeds" in text
    assert "1 of 5 declared seeds did not finish: seed 3" in text
    assert re.search(r"^3 failed failed failed$", text, re.MULTILINE)
    assert "n = 4 of 5 seeds" in failed.paths.summary.read_text()


def test_a_card_says_whether_outputs_are_probabilities(reported: Checkout) -> None:
    record = read_finished(reported.paths.run(0))
    assert "The largest output is not a probability." in model_card([record], "")
    experiment = record.description["experiment"]
    softmax = {**experiment, "network": {**experiment["network"], "output": "softmax"}}
    record = replace(record, description={**record.description, "experiment": softmax})
    assert "The largest output states a probability" in model_card([record], "")


def test_a_page_without_any_result_is_refused(failed: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(failed.paths.root, tmp_path)
    checkout.declare(seeds=[3])
    with pytest.raises(UserError, match="no declared seed finished"):
        evaluate_and_report(checkout)


def test_one_seed_has_no_interval_and_says_so(reported: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(reported.paths.root, tmp_path)
    checkout.declare(seeds=[2])
    evaluate_and_report(checkout)
    text = checkout.paths.summary.read_text()
    assert "n = 1 seed, so no interval" in text
    assert "One seed says nothing about other seeds, so there is no interval." in text
    assert "What these seeds can say" in checkout.paths.page.read_text()
    assert read_json(checkout.paths.metrics)["test"]["sd"] is None


def test_two_seeds_say_how_wide_their_interval_is(reported: Checkout, tmp_path: Path) -> None:
    """t(1) / √2 = 8.98 standard deviations, where five seeds have t(4) / √5 = 1.24."""
    checkout = copy_of(reported.paths.root, tmp_path)
    checkout.declare(seeds=[2, 4])
    evaluate_and_report(checkout)
    text = checkout.paths.summary.read_text()
    assert "2 seeds are few: the interval over seeds is about 7.2 times as wide as 5" in text


def test_both_intervals_are_those_of_the_predictions(reported: Checkout) -> None:
    recorded = recorded_answers(reported.paths)
    right = recorded.predicted == recorded.actual
    expected = crossed(right)
    summary = summarise_right(dict(enumerate(right)))
    assert summary.mean == pytest.approx(expected.mean)
    same, new = map(as_share, expected.intervals())
    assert summary.ci95 == pytest.approx(same)
    text = reported.paths.summary.read_text()
    assert f"Test accuracy on scikit-learn's 8x8 digits: {summary.percent()}\n" in text
    assert f"these {len(recorded.actual)} test images, new seeds: " in text
    assert f"new images and new seeds: {100 * new[0]:.2f} to {100 * new[1]:.2f} %" in text
    metrics = read_json(reported.paths.metrics)
    assert metrics["test"] == {
        "accuracy": round(100 * expected.mean, 4),
        "sd": pytest.approx(100 * right.mean(axis=1).std(ddof=1), abs=1e-4),
        "low": pytest.approx(100 * same[0], abs=1e-4),
        "high": pytest.approx(100 * same[1], abs=1e-4),
        "n": 5,
        "new_images": {
            "low": pytest.approx(100 * new[0], abs=1e-4),
            "high": pytest.approx(100 * new[1], abs=1e-4),
        },
        "variance": {
            "seed": pytest.approx(1e4 * expected.row, abs=1e-6),
            "image": pytest.approx(1e4 * expected.column, abs=1e-6),
            "rest": pytest.approx(1e4 * expected.rest, abs=1e-6),
        },
    }
    assert list(metrics["validation"]) == list(metrics["test"])[:5]


@pytest.mark.slow
def test_a_class_without_test_images_has_no_score(reported: Checkout, tmp_path: Path) -> None:
    checkout = copy_of(reported.paths.root, tmp_path)
    labels = read_examples(DATASETS["digits"], checkout.paths)["test"].labels
    some = 6
    missing = sorted(set(range(10)) - set(labels[:some].tolist()))
    assert missing
    checkout.declare(split={"test": some})
    checkout.run("dvc", "repro", "report")
    with checkout.paths.classes.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name in ("precision", "recall", "f1"):
        without = {int(row["class"]) for row in rows if row[name] == "nan"}
        assert sorted(without) == missing, name
    page = checkout.paths.page.read_text()
    assert f"No test images are of class {missing[0]}, so it has no scores." in page
    assert "nan" not in checkout.paths.summary.read_text()


@pytest.mark.slow
def test_the_report_says_how_many_configurations_were_tried_before(
    reported: Checkout, tmp_path: Path
) -> None:
    """Two others, of two seeds each, are trained first; the one after does not count."""
    checkout = copy_of(reported.paths.root, tmp_path)
    study = read_yaml(checkout.paths.params)["study"]
    rates = "training.learning_rate=0.01,0.02"
    checkout.train("training.epochs=1", "seed=0,1", rates)
    checkout.declare(training={"learning_rate": 0.05, "epochs": 1})
    checkout.run("dvc", "repro", "report")
    checkout.train("training.epochs=1", "seed=0", "training.learning_rate=0.03")
    done = checkout.run("pipeline.stages.report")
    # And the fixture's own, of three epochs.
    assert f"3 other configurations of the study '{study}' were trained here" in done.stdout


def test_bands_stay_between_0_and_1() -> None:
    """Two seeds at 0.5 and 1 after one epoch: Student's interval is 0.75 ± 3.2."""
    curves = {part: np.array([[0.5, 0.9], [1.0, 0.9]]) for part in ("train", "validation")}
    figure = learning_curves(curves, summarise({0: 0.9, 1: 1.0}, share=True), "title")
    (axes,) = figure.axes
    drawn = [np.asarray(each.get_paths()[0].vertices) for each in axes.collections]
    heights = np.concatenate(drawn)[:, 1]
    assert (heights.min(), heights.max()) == (0.0, 1.0)
    (legend,) = figure.legends
    assert "bands, thick bar: these images, new seeds" in legend.get_title().get_text()


def test_long_class_names_are_shortened_and_stay_different() -> None:
    names = [f"a rather long name of class {number}" for number in range(10)]
    (axes,) = confusion_figure(np.eye(10), names).axes
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        texts = {label.get_text() for label in labels}
        assert len(texts) == 10
        assert max(map(len, texts)) == 16


def test_figures_and_page_have_the_same_bytes_when_drawn_again(reported: Checkout) -> None:
    before = hashes(reported.paths.root, "reports")
    assert len(before) == 12
    reported.run("pipeline.stages.report")
    assert hashes(reported.paths.root, "reports") == before


def test_scores_of_classes_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 5, 200), rng.integers(0, 6, 200)
    labels[labels == 3] = 4  # a class without images
    counts = confusion(labels, predicted, 7)
    np.testing.assert_array_equal(counts, confusion_matrix(labels, predicted, labels=range(7)))
    expected = precision_recall_fscore_support(
        labels, predicted, labels=range(7), zero_division=0.0
    )
    found = class_scores(counts)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours[found.support > 0], theirs[found.support > 0])
    assert np.isnan(np.array(found[:3])[:, found.support == 0]).all()


def test_calibration_worked_by_hand() -> None:
    """Two bins: (0.2, 0.4) half right, (0.9, 1.0) all right; error (2·0.2 + 2·0.05) / 4."""
    found = calibration(np.array([0.2, 0.4, 0.9, 1.0]), np.array([True, False, True, True]), bins=2)
    np.testing.assert_allclose(found.confidence, [0.3, 0.95])
    np.testing.assert_allclose(found.accuracy, [0.5, 1.0])
    assert found.error == pytest.approx(0.125)

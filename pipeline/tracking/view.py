"""What MLflow's pages of an experiment show at first sight: a saved view, as its UI saves one.

Without it, the table of runs shows no accuracy, and the charts begin with single points. MLflow
does not document the format; it is what "Save as new view" writes (3.17). One that it does not
understand costs the view and nothing else.
"""

from __future__ import annotations

import json
from typing import Any

NAME = "accuracies"
TAG = f"mlflow.sharedViewState.{NAME}"
# Has MLflow open an experiment among those of model training, not of language models.
KIND = {"mlflow.experimentKind": "custom_model_development"}
COLUMNS = ("test/accuracy", "test/sd", "test/n", "validation/accuracy")
SECTIONS = {
    "learning curves": ("validation/accuracy", "train/accuracy", "validation/loss", "train/loss"),
    "results": ("test/accuracy", "test/loss"),
}
MOST_RUNS = 50  # in a chart


def view() -> str:
    """Return the tag's value."""
    state = {
        "selectedColumns": [f"metrics.`{key}`" for key in COLUMNS],
        "runsHiddenMode": "SHOW_ALL",
        "compareRunSections": [
            {"uuid": name, "name": name, "display": True, "isReordered": True, "deleted": False}
            for name in SECTIONS
        ],
        "compareRunCharts": [
            _chart(key, section) for section, keys in SECTIONS.items() for key in keys
        ],
    }
    return json.dumps({"name": NAME, "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)})


def _chart(key: str, section: str) -> dict[str, Any]:
    chart = {
        "uuid": key,
        "type": "BAR" if section == "results" else "LINE",
        "metricKey": key,
        "displayName": key,
        "metricSectionId": section,
        "runsCountToCompare": MOST_RUNS,
        "deleted": False,
        "isGenerated": False,
    }
    line = {
        "xAxisKey": "step",
        "yAxisKey": "metric",
        "selectedXAxisMetricKey": "",
        "yAxisExpressions": [],
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "lineSmoothness": 0,
        "range": {},
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
    return chart if section == "results" else {**chart, **line}

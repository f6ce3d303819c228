"""Settings of small networks and trainings; a test states what it is about."""

from typing import Any

from pipeline.network.settings import Architecture, Training


def architecture(*hidden: int, **changed: Any) -> Architecture:
    """Return the lecture's functions on layers of a few neurons."""
    settings = {
        "hidden": list(hidden),
        "activation": "relu",
        "output": "sigmoid",
        "weights": "he_normal",
        "weight_limit": 0.1,
        "biases": "zeros",
    }
    return Architecture(**{**settings, **changed})


def training(**changed: Any) -> Training:
    """Return a short training on the lecture's cost."""
    settings = {
        "cost": "cross_entropy",
        "epochs": 4,
        "batch_size": 20,
        "learning_rate": 0.02,
        "dtype": "float64",
    }
    return Training(**{**settings, **changed})

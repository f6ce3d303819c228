"""The configuration is typed and checked, and every mistake is reported in one line."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.config import (
    Config,
    allowed,
    checked,
    compose,
    composed,
    experiment,
    register,
    started,
)
from pipeline.base.errors import UserError, describe
from pipeline.base.params import read_params
from pipeline.base.paths import Paths
from pipeline.network.activations import SINGLE
from pipeline.network.costs import COSTS
from tests.declared import declared

PATHS = declared()


@pytest.fixture(scope="module", autouse=True)
def _hydra_started_once() -> Iterator[None]:
    """Start Hydra once: looking for its plugins takes most of a composition's time."""
    with started(PATHS), pytest.MonkeyPatch.context() as patched:
        name, inside = f"{__name__}.compose", lambda _, words=(): checked(composed(words))
        patched.setattr(name, inside)
        yield


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def test_without_overrides_the_configuration_is_params_yaml() -> None:
    params = read(PATHS.params)
    plain = dataclasses.asdict(compose(PATHS))
    for section, values in params.items():
        if isinstance(values, dict):
            assert values.items() <= plain[section].items()
        else:
            assert plain[section] == values


def test_params_yaml_holds_every_value_of_the_experiment() -> None:
    params = read(PATHS.params)
    for section, values in experiment(compose(PATHS)).items():
        assert params[section].keys() == values.keys()


def group_choices() -> list[str]:
    files = PATHS.conf.glob("*/*.yaml")
    return sorted(f"{path.parent.name}={path.stem}" for path in files)


def said_by(group: str, option: str) -> dict[str, Any]:
    """Return what a file of a group says, by section."""
    path = PATHS.conf / group / f"{option}.yaml"
    found: dict[str, Any] = read(path)
    return found if "@package _global_" in path.read_text() else {group: found}


@pytest.mark.parametrize("choice", group_choices())
def test_every_named_variation_composes_and_differs_only_where_it_says(choice: str) -> None:
    name, _, option = choice.partition("=")
    said = said_by(name, option)
    for entry in said.get("defaults", []):  # the choices that an experiment builds on
        for group, other in entry.items():
            said = {**said_by(group.removeprefix("override /"), other), **said}
    plain = dataclasses.asdict(compose(PATHS))
    for section, values in dataclasses.asdict(compose(PATHS, [choice])).items():
        if section in said and isinstance(values, dict):
            assert values == {**plain[section], **said[section]}
        else:
            assert values == said.get(section, plain[section])


def test_a_variation_can_be_overridden_on_the_command_line() -> None:
    config = compose(PATHS, ["preprocess=whiten", "preprocess.epsilon=0.5"])
    assert (config.preprocess.method, config.preprocess.epsilon) == ("whiten", 0.5)


MISTAKES = {
    "+foo=1": "foo: unknown key; allowed is one of study, data,",
    "+training.foo=1": "training.foo: unknown key; allowed is one of cost, epochs,",
    "training.foo=1": "training.foo: unknown key; allowed is one of cost, epochs,",
    "training.epochs=2.5": "training.epochs = 2.5: allowed is a whole number from 1",
    "training.epochs=0": "training.epochs = 0: allowed is a whole number from 1 to 1000000",
    "training.learning_rate=nan": "training.learning_rate = nan: allowed is a number above 0",
    "training.learning_rate=inf": "training.learning_rate = inf: allowed is a number above 0",
    "training.learning_rate=-0.1": "training.learning_rate = -0.1: allowed is a number above 0",
    "training.learning_rate=fast": "training.learning_rate = fast: allowed is a number above 0",
    "training.learning_rate=${study}": "training.learning_rate = mnist: allowed is a number",
    "training.momentum=1": "training.momentum = 1.0: allowed is a number from 0 below 1",
    "training.batch_size=59001": "training.batch_size = 59001: allowed is 1 to split.train = 59000",
    "training.dtype=float16": "training.dtype = float16: allowed is one of float32, float64",
    "training.cost=hinge": f"training.cost = hinge: allowed is one of {', '.join(COSTS)}",
    "training.weight_decay=-1": "training.weight_decay = -1.0: allowed is a number from 0",
    "network.activation=softmax": f"allowed is one of {', '.join(SINGLE)}",
    "network.output=softmax": "network.output = softmax: allowed is sigmoid, since training.cost",
    "training.cost=categorical_cross_entropy": "network.output = sigmoid: allowed is softmax",
    "network.output=relu": "network.output = relu: allowed is sigmoid, since training.cost",
    "network.hidden=[]": "network.hidden = []: allowed is a list such as [256, 128], each",
    "network.hidden=[0]": "network.hidden = [0]: allowed is a list such as [256, 128], each",
    "network.hidden=[true]": "network.hidden = [True]: allowed is a list such as [256, 128]",
    "seeds=[]": "seeds = []: allowed is a list such as [0, 1, 2, 3, 4], each entry",
    "seeds=[1,1]": "seeds = [1, 1]: allowed is a list such as [0, 1, 2, 3, 4], each entry",
    "seeds=[-1]": "each entry a whole number from 0 to 4294967295, none twice",
    "seeds=[true]": "seeds = [True]: allowed is a list such as [0, 1, 2, 3, 4], each entry",
    "seed=4294967296": "seed = 4294967296: allowed is a whole number",
    "split.method=last": "split.method = last: allowed is one of stratified, first",
    "preprocess.epsilon=-1": "preprocess.epsilon = -1.0: allowed is a number from 0",
    "preprocess=bleach": "preprocess=bleach: allowed is one of per_feature, raw",
    "study=''": "study = : allowed is a name",
    "data.name=imagenet": "data.name = imagenet: allowed is one of mnist",
    "data.name=../x": "data.name = ../x: allowed is one of mnist",
    "data.shape=[2,2,1]": "data.shape = [2, 2, 1]: allowed is [height, width] for images, such as",
    "data.files=[x.npz]": "data.files = ['x.npz']: allowed is a SHA-256 in hexadecimal for each",
    "data.files.x=1": "data.files.x: unknown key; allowed is a SHA-256",
    "seeds={a: 1}": "seeds={a: 1}; allowed is a list such as [0, 1, 2, 3, 4]",
    "split=null": "split = None: allowed is one of train, validation",
    "~training.epochs": "training.epochs is missing: allowed is a whole number from 1",
    "data.shape=[28,28]": "data.shape = [28, 28]: allowed is null, since mnist comes with",
}


@pytest.mark.parametrize(("override", "expected"), MISTAKES.items())
def test_a_mistake_is_one_line_that_names_key_value_and_what_is_allowed(
    override: str, expected: str
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - Hydra's, OmegaConf's or ours
        compose(PATHS, [override])
    message = describe(caught.value)
    assert expected in message
    assert "\n" not in message
    assert "HYDRA_FULL_ERROR" not in message  # that is for defects, not for mistakes


PARAMS = PATHS.params.read_text()
LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]\n" for n in range(9))
BROKEN = {
    "\tstudy: mnist\n": "line 1, column 1: found character that cannot start any token",
    "study: a\nstudy: b\n": 'line 2, column 1: found duplicate key "study"',
    "study: [a\n": "line 2, column 1: did not find expected ',' or ']'",
    "study: a: b\n": "line 1, column 9: mapping values are not allowed",
    "study: a\n---\nstudy: b\n": "line 2, column 1: but found another document",
    "study: !!python/name:os.system\n": "line 1, column 8: could not determine a constructor",
    "a: &a 1\nb: *a\n": "line 2, column 4: aliases are not allowed",
    LAUGHS: "line 2, column 10: aliases are not allowed",
    "a: " + "[" * 500_000: "line 1, column 23: too deeply nested",
    "study: \x01\n": "line 1, column 8: control characters are not allowed",
    "": "must map names to values",
    "- a list\n": "must map names to values",
    "1: 2\n": "line 1, column 1: 1: unknown key; allowed is one of study,",
    "study: mnist\ncolour: red\n": "line 2, column 1: colour: unknown key; allowed is one of study",
    "seeds: [0, true]\n": "line 1, column 1: seeds = [0, True]: allowed is a list such as",
    PARAMS.replace("epochs: 10", "epochs: ten"): "column 3: training.epochs = ten: allowed is",
    PARAMS.replace("epochs: 10", "epochs: 0"): "column 3: training.epochs = 0: allowed is",
    PARAMS.replace("epochs: 10", "epochs: ${nix}"): "column 3: training.epochs: Interpolation key",
    PARAMS.replace("momentum: 0.0", "momentum: -0.0"): "column 3: training.momentum = -0.0",
    PARAMS.replace("[256, 128]", "[256, [128]]"): "column 3: network.hidden = [256, [128]]:",
    PARAMS.replace(
        "  momentum: 0.0\n", ""
    ): "column 1: training.momentum is missing: allowed is a number",
    PARAMS.replace("[0, 1, 2, 3, 4]", "{a: 1}"): "column 1: seeds = {'a': 1}: allowed is a list",
    PARAMS.replace("files: null", "files: [a]"): "column 3: data.files = ['a']: allowed is a",
    PARAMS.replace("files: null", "files: {1: a}"): "column 3: data.files = {1: 'a'}: allowed is",
    PARAMS.replace("shape: null", "shape: {a: 1}"): "column 3: data.shape = {'a': 1}: allowed is",
    PARAMS.replace("  live: true", "  1: true"): "column 3: tracking.1: unknown key; allowed is",
    "training: []\n": "line 1, column 1: training = []: allowed is one of cost, epochs",
    "training: text\n": "line 1, column 1: training = text: allowed is one of cost, epochs",
    "2026-01-01: 1\n": "2026-01-01: unknown key; allowed is one of study",
}


@pytest.mark.parametrize(("text", "expected"), BROKEN.items(), ids=range(len(BROKEN)))
def test_whatever_is_wrong_with_params_yaml_is_told_with_line_and_column(
    text: str, expected: str, tmp_path: Path
) -> None:
    paths = Paths(tmp_path)
    paths.params.write_text(text)
    with pytest.raises(UserError) as caught:
        register(paths)
    message = describe(caught.value)
    assert message.startswith(f"{paths.params}")
    assert expected in message
    assert "\n" not in message


def test_params_yaml_that_is_no_text_is_told(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    with pytest.raises(UserError, match="is missing"):
        register(paths)
    paths.params.write_bytes(b'study: a\nseeds: "\xe9"\n')
    with pytest.raises(UserError, match="line 2, column 9: not in UTF-8"):
        register(paths)
    paths.params.unlink()
    os.mkfifo(paths.params)
    with pytest.raises(UserError, match="not a regular file"):
        register(paths)


def test_params_yaml_means_to_us_what_it_means_to_dvc(tmp_path: Path) -> None:
    """YAML 1.1 would read these as 8 epochs and as a study called False."""
    changed = PARAMS.replace("epochs: 10", "epochs: 010").replace("study: mnist", "study: no")
    (tmp_path / "params.yaml").write_text(changed)
    values = read_params(tmp_path / "params.yaml").values
    assert values == load_yaml(str(tmp_path / "params.yaml"))
    assert (values["training"]["epochs"], values["study"]) == (10, "no")


@given(
    key=st.sampled_from(["training.learning_rate", "training.momentum", "preprocess.epsilon"]),
    value=st.floats()
    | st.integers()
    | st.text("ab.-+1e,[]{}", max_size=6)
    | st.sampled_from(["null", "true", "[1]", "{a: 1}", "''"]),
)
@settings(max_examples=25, deadline=None)
def test_whatever_is_accepted_is_in_range(key: str, value: object) -> None:
    section, _, name = key.partition(".")
    try:
        config: Config = compose(PATHS, [f"{key}={value}"])
    except Exception as error:
        assert describe(error)
        assert "\n" not in describe(error)
        return
    accepted = getattr(getattr(config, section), name)
    assert 0 <= accepted <= 1e6


def test_what_a_key_allows_is_known_from_its_field() -> None:
    assert allowed("training.epochs") == "a whole number from 1 to 1000000"
    assert allowed("seeds[1]").startswith("a list such as [0, 1, 2, 3, 4]")
    assert allowed("training.foo").startswith("one of cost, epochs, batch_size")
    assert allowed("training").startswith("one of cost, epochs, batch_size")
    assert allowed("foo").startswith("one of study, data, split")

"""Absurd numbers in a stack's YAML are refused before anything is computed."""

import importlib
import inspect
from typing import get_args

import pytest

from comp.base import registry
from comp.base.errors import ConfigError
from comp.base.schema import parse
from comp.stacking.recipe import Recipe, load_recipe

REST = {"blender": {"name": "mean"}, "of": [{"name": "mean"}], "weights": {"a": 1}}


def whole_numbers():
    """Every option of a blender or threshold rule that is a whole number."""
    for kind in ("blenders", "thresholds"):
        for name in registry.names(kind):
            takes = inspect.signature(importlib.import_module(f"{registry.PACKAGES[kind]}.{name}").build).parameters
            needed = {key: REST[key] for key, option in takes.items() if option.default is option.empty}
            for key, option in takes.items():
                if int in (option.annotation, *get_args(option.annotation)[:1]):
                    yield kind, {"name": name, **needed}, key


OPTIONS = list(whole_numbers())


def test_there_are_options_to_try():
    assert {key for _, _, key in OPTIONS} >= {"steps", "bags", "seed", "trees", "points", "positives"}


@pytest.mark.parametrize("value", [-(10**12), -1, 10**10, 10**30, float("inf"), float("nan"), 1.5, "1e99"])
@pytest.mark.parametrize(("kind", "spec", "key"), OPTIONS)
def test_absurd_options_are_refused_by_name(kind, spec, key, value):
    registry.build(kind, spec)
    with pytest.raises(ConfigError, match=rf"{spec['name']}: {key} = .* does not fit") as caught:
        registry.build(kind, {**spec, key: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["seed", "repeats", "bootstraps"])
@pytest.mark.parametrize("value", [-1, 10**10, 10**30, float("inf")])
def test_absurd_recipes_are_refused_by_name(tmp_path, key, value):
    path = tmp_path / "mine.yaml"
    text = "blenders: [{name: mean}]\nthresholds: [{name: exact}]\n"
    path.write_text(text)
    load_recipe(path)
    path.write_text(f"{text}{key}: {'.inf' if value == float('inf') else value}\n")
    with pytest.raises(ConfigError, match=rf"mine\.yaml: {key} = .* does not fit"):
        load_recipe(path)
    with pytest.raises(ConfigError, match=key):
        parse(Recipe, {"blenders": [{"name": "mean"}], "thresholds": [{"name": "exact"}], key: value}, "mine.yaml")

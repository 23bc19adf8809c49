"""Recipes refuse mistakes and name what they are made of."""

from pathlib import Path

import pytest

from comp.base.errors import ConfigError
from comp.base.files import hash_of
from comp.base.schema import parse, read_yaml
from comp.stacking.recipe import Recipe, load_recipe, title

STACKS = sorted((Path(__file__).parents[3] / "configs" / "stacks").glob("*.yaml"))


def recipe(**changes: object) -> Recipe:
    values = {"blenders": [{"name": "mean"}, {"name": "greedy", "steps": 3}], "thresholds": [{"name": "exact"}, {"name": "bagged"}]}
    return parse(Recipe, values | changes, "stack.yaml")


def test_there_are_stacks_and_all_their_plug_ins_exist() -> None:
    assert STACKS
    for path in STACKS:
        assert parse(Recipe, read_yaml(path), str(path)).candidates().names


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"name": "mean"}, "mean"),
        ({"name": "greedy", "steps": 10, "metric": "map"}, "greedy steps=10 metric=map"),
        ({"name": "committee", "of": [{"name": "greedy", "steps": 3}, {"name": "mean"}]}, "committee(greedy steps=3, mean)"),
        ({"name": "per_class", "blender": {"name": "mean"}, "positives": 60}, "per_class(mean) positives=60"),
        ({"name": "weights", "weights": {"a": 0.5}}, f"weights weights={hash_of({'a': 0.5}, digits=4)}"),
    ],
)
def test_titles_name_a_plug_in_and_its_options(spec: dict, expected: str) -> None:
    assert title(spec) == expected


def test_a_recipe_that_refers_to_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("blenders:\n  - &a {name: committee, of: [*a]}\nthresholds: [{name: exact}]\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load_recipe(path)


def test_a_recipe_names_its_file_and_is_refused_before_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("blenders: [{name: mean}]\nthresholds: [{name: bagged, bags: 0}]\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: thresholds\.bagged: bags = 0 does not fit"):
        load_recipe(path)
    path.write_text("blenders: [{name: mean}]\nthresholds: [{name: bagged, bags: 3}]\n")
    assert load_recipe(path).candidates().names == [("mean", "bagged bags=3")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blenders": []}, "blenders"),
        ({"thresholds": [{"name": "exact"}, {"name": "exact"}]}, "once"),
        ({"min_gain": 2}, "did you mean 'min_gain_se'"),
        ({"min_gain_se": -1}, "min_gain_se"),
        ({"min_gain_se": float("inf")}, "min_gain_se"),
        ({"ablation": {"name": "weights", "weights": {"a": 1.0}}}, "fits one set of models only"),
    ],
)
def test_mistaken_recipes_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blenders": [{"name": "gredy"}]}, "there is no 'gredy'.*greedy"),
        ({"blenders": [{"name": "greedy", "step": 3}]}, "unknown option 'step'"),
        ({"blenders": [{"name": "greedy", "steps": 0}]}, "steps = 0"),
        ({"thresholds": [{"name": "bagged", "bags": "many"}]}, "bags"),
        ({"thresholds": [{"name": "bagged", "bags": -1}]}, "bags = -1"),
        ({"thresholds": [{"name": "bagged", "seed": -1}]}, "seed = -1"),
    ],
)
def test_mistaken_plug_ins_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe(**changes).candidates()

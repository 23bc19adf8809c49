"""Recipes refuse mistakes; stacks decide something about every row."""

from pathlib import Path

import numpy as np
import pytest

from comp.errors import ConfigError
from comp.files import hash_of
from comp.rows import Rows
from comp.schema import parse, read_yaml
from comp.stacking import Recipe, Stack, load_recipe, title

STACKS = sorted((Path(__file__).parents[2] / "configs" / "stacks").glob("*.yaml"))


def drawn(count: int = 300) -> Rows:
    rng = np.random.default_rng(0)
    labels = rng.random((count, 4)) < [0.05, 0.1, 0.3, 0.5]
    logits = (2 * labels + rng.normal(size=(3, count, 4)) - 1).astype(np.float32)
    return Rows(logits, ("a", "b", "c"), np.arange(count, dtype=np.int8) % 5, np.arange(count), labels)


def recipe(**changes: object) -> Recipe:
    values = {"blenders": [{"name": "mean"}, {"name": "greedy", "steps": 3}], "thresholds": [{"name": "exact"}, {"name": "bagged"}]}
    return parse(Recipe, values | changes, "stack.yaml")


def test_there_are_stacks_and_all_their_parts_exist() -> None:
    assert STACKS
    for path in STACKS:
        assert parse(Recipe, read_yaml(path), str(path)).candidates().names


def test_candidates_are_every_blender_with_every_rule_from_the_simplest_on() -> None:
    names = [("mean", "exact"), ("mean", "bagged"), ("greedy steps=3", "exact"), ("greedy steps=3", "bagged")]
    assert recipe().candidates().names == names


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
def test_titles_name_a_part_and_its_options(spec: dict, expected: str) -> None:
    assert title(spec) == expected


def test_a_candidate_is_what_its_parts_are_one_by_one() -> None:
    rows = drawn()
    candidates = recipe().candidates()
    stacks = candidates.fit(rows)
    decided = candidates.decide(stacks, rows)
    for (blender, rule), stack, decisions in zip(candidates.names, stacks, decided, strict=True):
        state = candidates.blenders[blender].fit(rows)
        blend = rows.blended(candidates.blenders[blender].predict(state, rows))
        thresholds = candidates.rules[rule].fit(blend)
        expected = blend.logits[0] >= thresholds
        some = expected.any(axis=1)
        assert stack.blend == state
        assert (stack.thresholds == thresholds).all()
        assert (decisions[some] == expected[some]).all()


def test_an_empty_prediction_gets_the_class_highest_above_its_threshold() -> None:
    logits = np.array([[[-1.0, -2.0, -3.0], [1.0, -2.0, -9.0]]], np.float32)
    rows = Rows(logits, ("a",), np.zeros(2, np.int8), np.arange(2))
    candidates = recipe().candidates()
    stack = Stack(candidates.blenders["mean"], {"a": 1.0}, np.array([1.0, -1.5, 0.0]))
    decisions, empty = stack.decide(stack.blended(rows))
    # -1 is the most probable class of the first row, but 2 below its threshold; -2 is 0.5 below its own
    assert decisions.tolist() == [[False, True, False], [True, False, False]]
    assert empty.tolist() == [True, False]


def test_without_any_positive_an_empty_prediction_gets_the_class_of_the_highest_logit() -> None:
    logits = np.array([[[-5.0, -2.0, -3.0]]], np.float32)
    stack = Stack(recipe().candidates().blenders["mean"], {"a": 1.0}, np.full(3, np.inf))
    decisions, empty = stack.decide(Rows(logits, ("a",), np.zeros(1, np.int8), np.arange(1)))
    assert decisions.tolist() == [[False, True, False]]
    assert empty.all()


def test_a_recipe_that_refers_to_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("blenders:\n  - &a {name: committee, of: [*a]}\nthresholds: [{name: exact}]\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load_recipe(path)


def test_a_class_without_positives_fills_no_empty_prediction() -> None:
    rows = drawn()
    labels = rows.known_labels.copy()
    labels[:, 3] = False
    stack = recipe().candidates().fit(Rows(rows.logits, rows.models, rows.folds, rows.groups, labels))[0]
    decisions, empty = stack.decide(stack.blended(Rows(rows.logits - 30, rows.models, rows.folds, rows.groups)))
    assert empty.all()
    assert not decisions[:, 3].any()


def test_a_recipe_names_its_file_and_is_refused_before_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("blenders: [{name: mean}]\nthresholds: [{name: bagged, bags: 0}]\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: thresholds\.bagged: bags = 0 does not fit"):
        load_recipe(path)
    path.write_text("blenders: [{name: mean}]\nthresholds: [{name: bagged, bags: 3}]\n")
    assert load_recipe(path).candidates().names == [("mean", "bagged bags=3")]


def test_parts_never_see_the_labels_of_rows_they_predict() -> None:
    blend = recipe().candidates().fit(drawn())[0].blended(drawn())
    assert blend.labels is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blenders": []}, "blenders"),
        ({"thresholds": [{"name": "exact"}, {"name": "exact"}]}, "once"),
        ({"promot": 2}, "did you mean 'promote'"),
        ({"promote": -1}, "promote"),
        ({"promote": float("inf")}, "promote"),
        ({"members": {"name": "weights", "weights": {"a": 1.0}}}, "given weights belong to given models"),
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
def test_mistaken_parts_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe(**changes).candidates()

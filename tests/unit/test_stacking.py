"""Recipes refuse mistakes; stacks decide something about every row."""

from pathlib import Path

import numpy as np
import pytest

from comp.errors import ConfigError
from comp.rows import Rows
from comp.schema import parse, read_yaml
from comp.stacking import Recipe

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


def test_an_empty_prediction_gets_the_class_closest_to_its_threshold() -> None:
    rows = drawn()
    stack = recipe().candidates().fit(rows)[0]
    low = Rows(rows.logits - 30, rows.models, rows.folds, rows.groups)
    decisions, empty = stack.decide(stack.blended(low))
    assert empty.all()
    closest = (stack.blended(low).logits[0] - stack.thresholds).argmax(axis=1)
    assert (decisions.sum(axis=1) == 1).all()
    assert (decisions.argmax(axis=1) == closest).all()


def test_a_class_without_positives_fills_no_empty_prediction() -> None:
    rows = drawn()
    labels = rows.known_labels.copy()
    labels[:, 3] = False
    stack = recipe().candidates().fit(Rows(rows.logits, rows.models, rows.folds, rows.groups, labels))[0]
    decisions, empty = stack.decide(stack.blended(Rows(rows.logits - 30, rows.models, rows.folds, rows.groups)))
    assert empty.all()
    assert not decisions[:, 3].any()


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
        ({"thresholds": [{"name": "bagged", "bags": "many"}]}, "bags"),
    ],
)
def test_mistaken_parts_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe(**changes).candidates()

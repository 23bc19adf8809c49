"""Candidates are fitted and applied as their blender and rule; stacks fill empty rows where a label is needed."""

from dataclasses import replace

import numpy as np

from comp.base.schema import parse
from comp.metrics.calibration import Platt
from comp.metrics.expected_f1 import expected_f1
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from comp.stacking.stack import Stack


def drawn(count: int = 300) -> PredictionSet:
    rng = np.random.default_rng(0)
    labels = rng.random((count, 4)) < [0.05, 0.1, 0.3, 0.5]
    logits = (2 * labels + rng.normal(size=(3, count, 4)) - 1).astype(np.float32)
    return PredictionSet(logits, ("a", "b", "c"), np.arange(count, dtype=np.int8) % 5, np.arange(count), labels)


def recipe(**changes: object) -> Recipe:
    values = {"blenders": [{"name": "mean"}, {"name": "greedy", "steps": 3}], "thresholds": [{"name": "exact"}, {"name": "bagged"}]}
    return parse(Recipe, values | changes, "stack.yaml")


def test_candidates_are_every_blender_with_the_first_rule_and_then_with_the_next() -> None:
    names = [("mean", "exact"), ("greedy steps=3", "exact"), ("mean", "bagged"), ("greedy steps=3", "bagged")]
    assert recipe().candidates().names == names


def test_the_candidates_that_are_a_single_model_are_known() -> None:
    blenders = [{"name": "mean"}, {"name": "best_single"}, {"name": "committee", "of": [{"name": "best_single"}]}]
    assert recipe(blenders=blenders).candidates().singles == {1, 4}


def test_a_candidate_is_its_blender_and_then_its_rule() -> None:
    predictions = drawn()
    candidates = recipe().candidates()
    stacks = candidates.fit(predictions)
    decided = candidates.decide(stacks, predictions)
    for (blender, rule), stack, decisions in zip(candidates.names, stacks, decided, strict=True):
        state = candidates.blenders[blender].fit(predictions)
        blend = predictions.blended(candidates.blenders[blender].predict(state, predictions))
        thresholds = candidates.rules[rule].fit(blend)
        expected = blend.logits[0] >= thresholds
        some = expected.any(axis=1)
        assert stack.blend == state
        assert (stack.thresholds == thresholds).all()
        assert (decisions[some] == expected[some]).all()


def test_an_empty_prediction_gets_the_class_highest_above_its_threshold() -> None:
    logits = np.array([[[-1.0, -2.0, -3.0], [1.0, -2.0, -9.0]]], np.float32)
    predictions = PredictionSet(logits, ("a",), np.zeros(2, np.int8), np.arange(2))
    candidates = recipe().candidates()
    stack = Stack(candidates.blenders["mean"], {"name": "mean"}, {"a": 1.0}, np.array([1.0, -1.5, 0.0]))
    decisions, empty = stack.decide(stack.blended(predictions))
    # -1 is the most probable class of the first row, but 2 below its threshold; -2 is 0.5 below its own
    assert decisions.tolist() == [[False, True, False], [True, False, False]]
    assert empty.tolist() == [True, False]


def test_an_empty_prediction_stays_empty_where_no_label_is_needed() -> None:
    predictions = replace(drawn(), needs_labels=False)
    candidates = recipe().candidates()
    stacks = candidates.fit(predictions)
    for stack, decisions in zip(stacks, candidates.decide(stacks, predictions), strict=True):
        wanted = stack.blended(predictions).logits[0] >= stack.thresholds
        np.testing.assert_array_equal(decisions, wanted)
        np.testing.assert_array_equal(stack.decide(stack.blended(predictions))[1], [not any(row) for row in wanted.tolist()])
        assert (~wanted.any(axis=1)).any()


def test_without_any_positive_an_empty_prediction_gets_the_class_of_the_highest_logit() -> None:
    logits = np.array([[[-5.0, -2.0, -3.0]]], np.float32)
    stack = Stack(recipe().candidates().blenders["mean"], {"name": "mean"}, {"a": 1.0}, np.full(3, np.inf))
    decisions, empty = stack.decide(PredictionSet(logits, ("a",), np.zeros(1, np.int8), np.arange(1)))
    assert decisions.tolist() == [[False, True, False]]
    assert empty.all()


def test_a_class_without_positives_fills_no_empty_prediction() -> None:
    predictions = drawn()
    labels = predictions.known_labels.copy()
    labels[:, 3] = False
    stack = (
        recipe().candidates().fit(PredictionSet(predictions.logits, predictions.models, predictions.folds, predictions.groups, labels))[0]
    )
    decisions, empty = stack.decide(
        stack.blended(PredictionSet(predictions.logits - 30, predictions.models, predictions.folds, predictions.groups))
    )
    assert empty.all()
    assert not decisions[:, 3].any()


def test_blenders_never_get_the_labels_of_rows_they_predict() -> None:
    blend = recipe().candidates().fit(drawn())[0].blended(drawn())
    assert blend.labels is None


def test_thresholds_of_the_rule_expected_are_for_the_rows_that_are_decided_about() -> None:
    predictions = drawn()
    candidates = recipe(thresholds=[{"name": "exact"}, {"name": "expected"}]).candidates()
    stacks = candidates.fit(predictions)
    for rows in (np.arange(300), np.arange(40), np.flatnonzero(predictions.known_labels[:, 0])):
        some = predictions.take(rows).unlabelled()
        decided = candidates.decide(stacks, some)
        for (_, rule), stack, decisions in zip(candidates.names, stacks, decided, strict=True):
            blend = stack.blended(some)
            thresholds = stack.thresholds
            if rule == "expected":
                curves = [Platt.fit(*each) for each in zip(stack.blended(predictions).logits[0].T, predictions.known_labels.T, strict=True)]
                halves = [expected_f1(curve.predict(scores)) / 2 for curve, scores in zip(curves, blend.logits[0].T, strict=True)]
                expected = np.stack([curve.predict(scores) for curve, scores in zip(curves, blend.logits[0].T, strict=True)], 1) >= halves
            else:
                expected = blend.logits[0] >= thresholds
            some_label = expected.any(axis=1)
            assert (decisions[some_label] == expected[some_label]).all()
    fitted_to_its_own = candidates.rules["expected"].fit(predictions.blended(stacks[2].blended(predictions).logits[0]))
    assert (stacks[2].thresholds == fitted_to_its_own).all()

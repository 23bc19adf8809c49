"""Nested cross-validation with sub-stacks against explicit loops; the same in several processes; repeats with rows split again."""

import numpy as np
import pytest

from comp.base.errors import ConfigError
from comp.metrics.bootstrap import GroupBootstrap
from comp.metrics.macro_f1 import macro_f1
from comp.stacking.candidates import choose
from comp.stacking.evaluation import evaluate, left_out_sets, split_again
from comp.stacking.nested_cv import NestedCV, SubStack
from comp.stacking.parallel_fits import fit_all
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe

OUTER = Recipe(blenders=({"name": "mean"}, {"name": "greedy", "steps": 3}), thresholds=({"name": "exact"},), bootstraps=100)
INNER = Recipe(blenders=({"name": "mean"}, {"name": "best_single"}), thresholds=({"name": "exact"},), bootstraps=100)
SUB = SubStack("sub", INNER, ("a", "b"))
MODELS = ("b", "c", "sub")


def drawn(seed: int = 0, count: int = 240, folds: int = 4, skill: float = 1.5) -> PredictionSet:
    rng = np.random.default_rng(seed)
    labels = rng.random((count, 3)) < [0.1, 0.3, 0.5]
    logits = (skill * labels + rng.normal(size=(3, count, 3)) - 1).astype(np.float32)
    return PredictionSet(logits, ("a", "b", "c"), rng.integers(0, folds, count).astype(np.int8), rng.integers(0, count // 3, count), labels)


def chosen_stack(predictions: PredictionSet, recipe: Recipe):
    """The full pipeline on some rows: choose by cross-validation over their folds, fit."""
    candidates = recipe.candidates()
    number = 0
    if len(np.unique(predictions.folds)) > 1:
        decisions = np.zeros((len(candidates.names), *predictions.known_labels.shape), bool)
        for fold in np.unique(predictions.folds):
            stacks = candidates.fit(predictions.take(predictions.folds != fold))
            decisions[:, predictions.folds == fold] = candidates.decide(stacks, predictions.take(predictions.folds == fold))
        bootstrap = GroupBootstrap(predictions.known_labels, predictions.groups, recipe.bootstraps, recipe.seed)
        number = choose([bootstrap.score(each) for each in decisions], recipe.min_gain_se, candidates.singles)
    return candidates.fit(predictions)[number]


def with_sub(predictions: PredictionSet, logits: np.ndarray) -> PredictionSet:
    return PredictionSet(
        np.stack([predictions.logits[1], predictions.logits[2], logits]), MODELS, predictions.folds, predictions.groups, predictions.labels
    )


def stacked(predictions: PredictionSet, others: PredictionSet) -> np.ndarray:
    """Decisions (n, C) about other rows by the full pipeline with a sub-stack, written out."""

    def crossed(some: PredictionSet) -> PredictionSet:
        logits = np.empty(some.logits.shape[1:], np.float32)
        for fold in np.unique(some.folds):
            own = some.folds == fold
            logits[own] = chosen_stack(some.take(~own).only(SUB.models), INNER).blended(some.take(own).only(SUB.models)).logits[0]
        return with_sub(some, logits)

    def for_deciding(some: PredictionSet, new: PredictionSet) -> PredictionSet:
        return with_sub(new, chosen_stack(some.only(SUB.models), INNER).blended(new.only(SUB.models)).logits[0])

    candidates = OUTER.candidates()
    decisions = np.zeros((2, *predictions.known_labels.shape), bool)
    for fold in np.unique(predictions.folds):
        own = predictions.folds == fold
        stacks = candidates.fit(crossed(predictions.take(~own)))
        decisions[:, own] = candidates.decide(stacks, for_deciding(predictions.take(~own), predictions.take(own)))
    bootstrap = GroupBootstrap(predictions.known_labels, predictions.groups, OUTER.bootstraps, OUTER.seed)
    number = choose([bootstrap.score(each) for each in decisions], OUTER.min_gain_se, candidates.singles)
    stack = candidates.fit(crossed(predictions))[number]
    return stack.decide(stack.blended(for_deciding(predictions, others)))[0]


@pytest.mark.parametrize("seed", range(2))
def test_sub_stacks_are_chosen_and_fitted_again_within_every_fold(seed: int) -> None:
    predictions = drawn(seed)
    evaluation = evaluate(predictions, OUTER, models=MODELS, substacks=[SUB])
    for fold in range(4):
        by_hand = stacked(predictions.take(predictions.folds != fold), predictions.take(predictions.folds == fold))
        assert (evaluation.decisions[0][predictions.folds == fold] == by_hand).all()
    fresh = drawn(seed + 10)
    assert (evaluation.stack.decide(evaluation.stack.blended(fresh))[0] == stacked(predictions, fresh)).all()
    assert evaluation.stack.models == MODELS
    assert set(evaluation.stack.substacks) == {"sub"}


def test_labels_of_a_fold_do_not_reach_its_decisions_through_a_sub_stack() -> None:
    predictions = drawn(skill=0.7)
    own = predictions.folds == 2
    turned = PredictionSet(
        predictions.logits,
        predictions.models,
        predictions.folds,
        predictions.groups,
        np.where(own[:, None], ~predictions.known_labels, predictions.known_labels),
    )
    one, two = (evaluate(each, OUTER, models=MODELS, substacks=[SUB]) for each in (predictions, turned))
    assert (one.decisions[0][own] == two.decisions[0][own]).all()
    assert (one.blend[own] == two.blend[own]).all()
    assert (one.decisions[0] != two.decisions[0]).any()


def test_sub_stacks_need_four_folds() -> None:
    with pytest.raises(ConfigError, match="3 folds are too few to refit sub"):
        NestedCV(drawn(folds=3), OUTER, MODELS, [SUB])


def test_several_processes_give_the_same_fits() -> None:
    predictions = drawn()
    alone, together = (NestedCV(predictions, OUTER, MODELS, [SUB]) for _ in range(2))
    jobs = [(0, alone.folds), *((0, alone.folds - frozenset(out)) for out in left_out_sets(alone.folds))]
    fit_all([alone], jobs, workers=1)
    fit_all([together], jobs, workers=2)
    assert (alone.across(alone.folds) == together.across(alone.folds)).all()
    assert [alone.choice(kept) for _, kept in jobs] == [together.choice(kept) for _, kept in jobs]
    one, two = alone.stack(alone.folds), together.stack(alone.folds)
    assert one.blend == two.blend
    assert (one.thresholds == two.thresholds).all()


def test_rows_split_again_keep_groups_whole_and_classes_even() -> None:
    predictions = drawn(count=600)
    again = split_again(predictions, 4, seed=1)
    for group in np.unique(predictions.groups):
        assert len(np.unique(again.folds[predictions.groups == group])) == 1
    assert (again.folds != predictions.folds).any()
    counts = np.array([predictions.known_labels[again.folds == fold].sum(axis=0) for fold in range(4)])
    assert (abs(counts - counts.mean(axis=0)) < 3).all()
    order = np.random.default_rng(0).permutation(600)
    assert (split_again(predictions.take(order), 4, seed=1).folds == again.folds[order]).all()


def test_repeats_average_the_scores_of_their_own_folds() -> None:
    predictions = drawn()
    twice = OUTER.model_copy(update={"repeats": 2})
    evaluation = evaluate(predictions, twice)
    first, second = evaluate(predictions, OUTER), evaluate(split_again(predictions, 4, seed=1), OUTER)
    assert (evaluation.decisions[0] == first.decisions[0]).all()
    assert (evaluation.decisions[1] == second.decisions[0]).all()
    assert evaluation.nested.value == pytest.approx(np.mean([macro_f1(predictions.known_labels, each) for each in evaluation.decisions]))
    for one, a, b in zip(evaluation.candidates, first.candidates, second.candidates, strict=True):
        assert one.nested.value == pytest.approx((a.nested.value + b.nested.value) / 2)
        assert one.chosen_in == a.chosen_in + b.chosen_in
        for size, c, d in zip(one.optimism, a.optimism, b.optimism, strict=True):
            assert size.nested == pytest.approx((c.nested + d.nested) / 2)


def test_optimism_is_reported_by_class_size() -> None:
    predictions = drawn(count=2000)
    evaluation = evaluate(predictions, OUTER)
    counts = predictions.known_labels.sum(axis=0)
    one = evaluation.candidates[0]
    assert [(size.size, size.classes) for size in one.optimism] == [
        ("60 to 599", int(((counts >= 60) & (counts < 600)).sum())),
        ("600 and more", int((counts >= 600).sum())),
    ]
    assert sum(size.classes * size.nested for size in one.optimism) / 3 == pytest.approx(one.nested.value)
    assert sum(size.classes * size.in_sample for size in one.optimism) / 3 == pytest.approx(one.in_sample)

"""Nests with sub-stacks, against the loops written out; side by side, the same; repeats in folds dealt anew."""

import numpy as np
import pytest

from comp.errors import ConfigError
from comp.metrics import macro_f1
from comp.nest import Nest, SubStack
from comp.nest_filling import fill
from comp.proof import dealt_anew, left_out_sets, prove
from comp.resampling import GroupBootstrap
from comp.rows import Rows
from comp.stacking import Recipe, choose

OUTER = Recipe(blenders=({"name": "mean"}, {"name": "greedy", "steps": 3}), thresholds=({"name": "exact"},), bootstraps=100)
INNER = Recipe(blenders=({"name": "mean"}, {"name": "best_single"}), thresholds=({"name": "exact"},), bootstraps=100)
SUB = SubStack("sub", INNER, ("a", "b"))
MODELS = ("b", "c", "sub")


def drawn(seed: int = 0, count: int = 240, folds: int = 4, skill: float = 1.5) -> Rows:
    rng = np.random.default_rng(seed)
    labels = rng.random((count, 3)) < [0.1, 0.3, 0.5]
    logits = (skill * labels + rng.normal(size=(3, count, 3)) - 1).astype(np.float32)
    return Rows(logits, ("a", "b", "c"), rng.integers(0, folds, count).astype(np.int8), rng.integers(0, count // 3, count), labels)


def chosen_stack(rows: Rows, recipe: Recipe):
    """The procedure on some rows: choose by cross-validation over their folds, fit."""
    candidates = recipe.candidates()
    number = 0
    if len(np.unique(rows.folds)) > 1:
        decisions = np.zeros((len(candidates.names), *rows.known_labels.shape), bool)
        for fold in np.unique(rows.folds):
            stacks = candidates.fit(rows.take(rows.folds != fold))
            decisions[:, rows.folds == fold] = candidates.decide(stacks, rows.take(rows.folds == fold))
        bootstrap = GroupBootstrap(rows.known_labels, rows.groups, recipe.bootstraps, recipe.seed)
        number = choose([bootstrap.score(each) for each in decisions], recipe.promote)
    return candidates.fit(rows)[number]


def with_sub(rows: Rows, logits: np.ndarray) -> Rows:
    return Rows(np.stack([rows.logits[1], rows.logits[2], logits]), MODELS, rows.folds, rows.groups, rows.labels)


def stacked(rows: Rows, others: Rows) -> np.ndarray:
    """Decisions (n, C) about other rows by the procedure with a sub-stack, written out."""

    def crossed(some: Rows) -> Rows:
        logits = np.empty(some.logits.shape[1:], np.float32)
        for fold in np.unique(some.folds):
            own = some.folds == fold
            logits[own] = chosen_stack(some.take(~own).only(SUB.models), INNER).blended(some.take(own).only(SUB.models)).logits[0]
        return with_sub(some, logits)

    def seen_by(some: Rows, new: Rows) -> Rows:
        return with_sub(new, chosen_stack(some.only(SUB.models), INNER).blended(new.only(SUB.models)).logits[0])

    candidates = OUTER.candidates()
    decisions = np.zeros((2, *rows.known_labels.shape), bool)
    for fold in np.unique(rows.folds):
        own = rows.folds == fold
        stacks = candidates.fit(crossed(rows.take(~own)))
        decisions[:, own] = candidates.decide(stacks, seen_by(rows.take(~own), rows.take(own)))
    bootstrap = GroupBootstrap(rows.known_labels, rows.groups, OUTER.bootstraps, OUTER.seed)
    number = choose([bootstrap.score(each) for each in decisions], OUTER.promote)
    stack = candidates.fit(crossed(rows))[number]
    return stack.decide(stack.blended(seen_by(rows, others)))[0]


@pytest.mark.parametrize("seed", range(2))
def test_sub_stacks_are_chosen_and_fitted_anew_within_every_fold(seed: int) -> None:
    rows = drawn(seed)
    proof = prove(rows, OUTER, models=MODELS, substacks=[SUB])
    for fold in range(4):
        by_hand = stacked(rows.take(rows.folds != fold), rows.take(rows.folds == fold))
        assert (proof.decisions[0][rows.folds == fold] == by_hand).all()
    fresh = drawn(seed + 10)
    assert (proof.stack.decide(proof.stack.blended(fresh))[0] == stacked(rows, fresh)).all()
    assert proof.stack.models == MODELS
    assert set(proof.stack.substacks) == {"sub"}


def test_labels_of_a_fold_do_not_reach_its_decisions_through_a_sub_stack() -> None:
    rows = drawn(skill=0.7)
    own = rows.folds == 2
    turned = Rows(rows.logits, rows.models, rows.folds, rows.groups, np.where(own[:, None], ~rows.known_labels, rows.known_labels))
    one, two = (prove(each, OUTER, models=MODELS, substacks=[SUB]) for each in (rows, turned))
    assert (one.decisions[0][own] == two.decisions[0][own]).all()
    assert (one.blend[own] == two.blend[own]).all()
    assert (one.decisions[0] != two.decisions[0]).any()


def test_sub_stacks_need_four_folds() -> None:
    with pytest.raises(ConfigError, match="3 folds are too few to refit sub"):
        Nest(drawn(folds=3), OUTER, MODELS, [SUB])


def test_side_by_side_is_one_after_the_other() -> None:
    rows = drawn()
    alone, together = (Nest(rows, OUTER, MODELS, [SUB]) for _ in range(2))
    jobs = [(0, alone.folds), *((0, alone.folds - frozenset(out)) for out in left_out_sets(alone.folds))]
    fill([alone], jobs, workers=1)
    fill([together], jobs, workers=2)
    assert (alone.across(alone.folds) == together.across(alone.folds)).all()
    assert [alone.choice(kept) for _, kept in jobs] == [together.choice(kept) for _, kept in jobs]
    one, two = alone.stack(alone.folds), together.stack(alone.folds)
    assert one.blend == two.blend
    assert (one.thresholds == two.thresholds).all()


def test_folds_dealt_anew_keep_groups_whole_and_classes_even() -> None:
    rows = drawn(count=600)
    dealt = dealt_anew(rows, 4, seed=1)
    for group in np.unique(rows.groups):
        assert len(np.unique(dealt.folds[rows.groups == group])) == 1
    assert (dealt.folds != rows.folds).any()
    counts = np.array([rows.known_labels[dealt.folds == fold].sum(axis=0) for fold in range(4)])
    assert (abs(counts - counts.mean(axis=0)) < 3).all()
    order = np.random.default_rng(0).permutation(600)
    assert (dealt_anew(rows.take(order), 4, seed=1).folds == dealt.folds[order]).all()


def test_repeats_average_the_scores_of_their_own_folds() -> None:
    rows = drawn()
    twice = OUTER.model_copy(update={"repeats": 2})
    proof = prove(rows, twice)
    first, second = prove(rows, OUTER), prove(dealt_anew(rows, 4, seed=1), OUTER)
    assert (proof.decisions[0] == first.decisions[0]).all()
    assert (proof.decisions[1] == second.decisions[0]).all()
    assert proof.nested.value == pytest.approx(np.mean([macro_f1(rows.known_labels, each) for each in proof.decisions]))
    for one, a, b in zip(proof.candidates, first.candidates, second.candidates, strict=True):
        assert one.nested.value == pytest.approx((a.nested.value + b.nested.value) / 2)
        assert one.chosen_in == a.chosen_in + b.chosen_in
        for size, c, d in zip(one.optimism, a.optimism, b.optimism, strict=True):
            assert size.nested == pytest.approx((c.nested + d.nested) / 2)


def test_optimism_is_told_by_class_size() -> None:
    rows = drawn(count=2000)
    proof = prove(rows, OUTER)
    counts = rows.known_labels.sum(axis=0)
    one = proof.candidates[0]
    assert [(size.size, size.classes) for size in one.optimism] == [
        ("60 to 599", int(((counts >= 60) & (counts < 600)).sum())),
        ("600 and more", int((counts >= 600).sum())),
    ]
    assert sum(size.classes * size.nested for size in one.optimism) / 3 == pytest.approx(one.nested.value)
    assert sum(size.classes * size.in_sample for size in one.optimism) / 3 == pytest.approx(one.in_sample)

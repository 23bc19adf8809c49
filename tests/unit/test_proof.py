"""The nested score is that of an explicit nested loop, and it does not flatter."""

import numpy as np
import pytest

from comp.metrics import macro_f1
from comp.proof import prove
from comp.resampling import GroupBootstrap, Scored
from comp.rows import Rows
from comp.stacking import Recipe, choose

RECIPE = Recipe(
    blenders=({"name": "mean"}, {"name": "best_single"}, {"name": "greedy", "steps": 5}),
    thresholds=({"name": "exact"}, {"name": "bagged", "bags": 10}),
    bootstraps=100,
)


def drawn(skill: float, seed: int = 0, count: int = 250, models: int = 3, folds: int = 4) -> Rows:
    rng = np.random.default_rng(seed)
    labels = rng.random((count, 4)) < [0.03, 0.1, 0.3, 0.5]
    logits = (skill * labels + rng.normal(size=(models, count, 4)) - 1).astype(np.float32)
    return Rows(logits, tuple("abcdef"[:models]), rng.integers(0, folds, count).astype(np.int8), rng.integers(0, count // 2, count), labels)


def nested_by_hand(rows: Rows) -> np.ndarray:
    """The procedure written out: for every fold, choose by cross-validation over the others, fit, decide."""
    labels, folds = rows.known_labels, rows.folds
    candidates = RECIPE.candidates()
    decisions = np.zeros(labels.shape, bool)
    for outer in range(4):
        seen = rows.take(folds != outer)
        inner = np.zeros((6, len(seen), 4), bool)
        for fold in set(range(4)) - {outer}:
            stacks = candidates.fit(seen.take(seen.folds != fold))
            inner[:, seen.folds == fold] = candidates.decide(stacks, seen.take(seen.folds == fold))
        bootstrap = GroupBootstrap(seen.known_labels, seen.groups, RECIPE.bootstraps, RECIPE.seed)
        chosen = choose([bootstrap.score(each) for each in inner], RECIPE.promote)
        stack = candidates.fit(seen)[chosen]
        decisions[folds == outer] = stack.decide(stack.blended(rows.take(folds == outer)))[0]
    return decisions


@pytest.mark.parametrize("seed", range(3))
def test_proof_is_the_nested_loop(seed: int) -> None:
    rows = drawn(1.5, seed)
    proof = prove(rows, RECIPE)
    by_hand = nested_by_hand(rows)
    assert (proof.decisions[0] == by_hand).all()
    assert proof.nested.value == macro_f1(rows.known_labels, by_hand)


def test_labels_of_a_fold_do_not_touch_its_own_decisions() -> None:
    rows = drawn(1.5)
    labels = rows.known_labels.copy()
    labels[rows.folds == 2] = ~labels[rows.folds == 2]
    other = Rows(rows.logits, rows.models, rows.folds, rows.groups, labels)
    before, after = prove(rows, RECIPE).decisions[0], prove(other, RECIPE).decisions[0]
    assert (before[rows.folds == 2] == after[rows.folds == 2]).all()
    assert (before != after).any()


def test_coins_claim_a_score_in_sample_and_none_nested() -> None:
    """Logits that know nothing: on fresh rows the decisions of a fitted stack score what the proof said, not what it claimed."""
    gaps, claims = [], []
    for seed in range(12):
        rows, fresh = drawn(0.0, seed, count=150, models=6), drawn(0.0, seed + 100, count=4000, models=6)
        proof = prove(rows, RECIPE)
        truth = macro_f1(fresh.known_labels, proof.stack.decide(proof.stack.blended(fresh))[0])
        gaps.append(proof.nested.value - truth)
        claims.append(proof.in_sample - truth)
    assert abs(np.mean(gaps)) < 0.03
    assert np.mean(claims) > 0.06


def test_order_of_rows_and_models_does_not_matter() -> None:
    rows = drawn(1.0)
    rng = np.random.default_rng(1)
    mixed, models = rng.permutation(len(rows)), rng.permutation(3)
    other = Rows(rows.logits[models], tuple(rows.models[m] for m in models), rows.folds, rows.groups, rows.labels).take(mixed)
    one, two = prove(rows, RECIPE), prove(other, RECIPE)
    assert (one.nested, one.over, one.candidates, one.chosen, one.parts) == (two.nested, two.over, two.candidates, two.chosen, two.parts)
    assert one.stack.blend == two.stack.blend
    assert (one.decisions[:, mixed] == two.decisions).all()


def test_the_chosen_stack_is_fitted_on_all_rows() -> None:
    rows = drawn(1.5)
    proof = prove(rows, RECIPE)
    stack = RECIPE.candidates().fit(rows)[proof.chosen]
    assert stack.blend == proof.stack.blend
    assert (stack.thresholds == proof.stack.thresholds).all()
    assert proof.in_sample == macro_f1(rows.known_labels, stack.decide(stack.blended(rows))[0])


def test_each_candidate_is_held_against_the_best_single_model_and_the_mean() -> None:
    proof = prove(drawn(1.5), RECIPE)
    best = {name: max(one.nested.value for one in proof.candidates if one.blender == name) for name in ("best_single", "mean")}
    for one in proof.candidates:
        for name, gain in one.over.items():
            assert gain.value == pytest.approx(one.nested.value - best[name])
    assert sum(one.chosen_in for one in proof.candidates) == 4


def test_known_and_new_groups_are_scored_apart() -> None:
    rows = drawn(1.5)
    known = np.array([len({int(f) for f in rows.folds[rows.groups == group]}) > 1 for group in rows.groups])
    proof = prove(rows, RECIPE, known)
    assert [part.rows for part in proof.parts] == [known.sum(), (~known).sum()]
    shared = rows.known_labels[known].any(axis=0) & rows.known_labels[~known].any(axis=0)
    scores = [macro_f1(rows.known_labels[some][:, shared], proof.decisions[0][some][:, shared]) for some in (known, ~known)]
    assert [part.nested.value for part in proof.parts] == scores
    assert prove(rows, RECIPE).parts == ()
    assert prove(rows, RECIPE, np.zeros(len(rows), bool)).parts == ()


def test_kinds_of_rows_without_a_class_in_common_have_no_score() -> None:
    rows = drawn(1.5)
    known = np.arange(len(rows)) < 150
    labels = rows.known_labels & np.where(known[:, None], [True, True, False, False], [False, False, True, True])
    assert prove(Rows(rows.logits, rows.models, rows.folds, rows.groups, labels), RECIPE, known).parts == ()


def test_classes_without_positives_break_nothing() -> None:
    rows = drawn(1.5, count=120)
    labels = rows.known_labels.copy()
    labels[:, 1] = False
    labels[:, 0] = np.arange(120) == 3
    proof = prove(Rows(rows.logits, rows.models, rows.folds, rows.groups, labels), RECIPE)
    assert not proof.decisions[0][:, 1].any()
    assert 0 < proof.nested.value < 0.75
    assert proof.decisions[0].any(axis=1).all()


def test_two_folds_leave_nothing_to_choose_by() -> None:
    with pytest.raises(ValueError, match="three folds"):
        prove(drawn(1.0, folds=2), RECIPE)


def scored(value: float, *draws: float) -> Scored:
    return Scored(value, np.array(draws))


def test_the_simplest_that_the_best_does_not_clearly_beat_is_chosen() -> None:
    simple = scored(0.50, 0.50, 0.50)
    within = scored(0.51, 0.53, 0.49)  # gain 0.01, error 0.02
    beyond = scored(0.53, 0.55, 0.51)  # gain 0.03 over the simplest, error 0.02; gain 0.02 over the other, error 0
    assert choose([simple, within], promote=1.0) == 0
    assert choose([simple, within], promote=0.4) == 1
    assert choose([simple, within, beyond], promote=1.0) == 2
    assert choose([simple, within, beyond], promote=1.5) == 0
    assert choose([beyond, within, simple], promote=1.0) == 0
    assert choose([simple, simple], promote=0.0) == 0

"""The nested score is that of an explicit nested loop, and it is not optimistic."""

from itertools import product

import numpy as np
import pytest

from comp.metrics.bootstrap import GroupBootstrap, Scored
from comp.metrics.macro_f1 import macro_f1
from comp.stacking.candidates import choose
from comp.stacking.evaluation import evaluate
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe

RECIPE = Recipe(
    blenders=({"name": "mean"}, {"name": "best_single"}, {"name": "greedy", "steps": 5}),
    thresholds=({"name": "exact"}, {"name": "bagged", "bags": 10}),
    bootstraps=100,
)


def drawn(skill: float, seed: int = 0, count: int = 250, models: int = 3, folds: int = 4) -> PredictionSet:
    rng = np.random.default_rng(seed)
    labels = rng.random((count, 4)) < [0.03, 0.1, 0.3, 0.5]
    logits = (skill * labels + rng.normal(size=(models, count, 4)) - 1).astype(np.float32)
    return PredictionSet(
        logits, tuple("abcdef"[:models]), rng.integers(0, folds, count).astype(np.int8), rng.integers(0, count // 2, count), labels
    )


def nested_by_hand(predictions: PredictionSet) -> np.ndarray:
    """The full pipeline written out: for every fold, choose by cross-validation over the others, fit, decide."""
    labels, folds = predictions.known_labels, predictions.folds
    candidates = RECIPE.candidates()
    decisions = np.zeros(labels.shape, bool)
    for outer in range(4):
        labelled = predictions.take(folds != outer)
        inner = np.zeros((6, len(labelled), 4), bool)
        for fold in set(range(4)) - {outer}:
            stacks = candidates.fit(labelled.take(labelled.folds != fold))
            inner[:, labelled.folds == fold] = candidates.decide(stacks, labelled.take(labelled.folds == fold))
        bootstrap = GroupBootstrap(labelled.known_labels, labelled.groups, RECIPE.bootstraps, RECIPE.seed)
        chosen = choose([bootstrap.score(each) for each in inner], RECIPE.min_gain_se, candidates.singles)
        stack = candidates.fit(labelled)[chosen]
        decisions[folds == outer] = stack.decide(stack.blended(predictions.take(folds == outer)))[0]
    return decisions


@pytest.mark.parametrize("seed", range(3))
def test_evaluation_is_the_nested_loop(seed: int) -> None:
    predictions = drawn(1.5, seed)
    evaluation = evaluate(predictions, RECIPE)
    by_hand = nested_by_hand(predictions)
    assert (evaluation.decisions[0] == by_hand).all()
    assert evaluation.nested.value == macro_f1(predictions.known_labels, by_hand)


def test_labels_of_a_fold_do_not_touch_its_own_decisions() -> None:
    predictions = drawn(1.5)
    labels = predictions.known_labels.copy()
    labels[predictions.folds == 2] = ~labels[predictions.folds == 2]
    other = PredictionSet(predictions.logits, predictions.models, predictions.folds, predictions.groups, labels)
    before, after = evaluate(predictions, RECIPE).decisions[0], evaluate(other, RECIPE).decisions[0]
    assert (before[predictions.folds == 2] == after[predictions.folds == 2]).all()
    assert (before != after).any()


def test_random_logits_score_in_sample_and_not_nested() -> None:
    """Random logits: on fresh rows a fitted stack scores its nested score, not its in-sample score."""
    gaps, claims = [], []
    for seed in range(12):
        predictions, fresh = drawn(0.0, seed, count=150, models=6), drawn(0.0, seed + 100, count=4000, models=6)
        evaluation = evaluate(predictions, RECIPE)
        truth = macro_f1(fresh.known_labels, evaluation.stack.decide(evaluation.stack.blended(fresh))[0])
        gaps.append(evaluation.nested.value - truth)
        claims.append(evaluation.in_sample - truth)
    assert abs(np.mean(gaps)) < 0.03
    assert np.mean(claims) > 0.06


def test_order_of_rows_and_models_does_not_matter() -> None:
    predictions = drawn(1.0)
    rng = np.random.default_rng(1)
    mixed, models = rng.permutation(len(predictions)), rng.permutation(3)
    other = PredictionSet(
        predictions.logits[models], tuple(predictions.models[m] for m in models), predictions.folds, predictions.groups, predictions.labels
    ).take(mixed)
    one, two = evaluate(predictions, RECIPE), evaluate(other, RECIPE)
    assert (one.nested, one.gains, one.candidates, one.chosen, one.row_subsets) == (
        two.nested,
        two.gains,
        two.candidates,
        two.chosen,
        two.row_subsets,
    )
    assert one.stack.blend == two.stack.blend
    assert (one.decisions[:, mixed] == two.decisions).all()


def test_the_chosen_stack_is_fitted_on_all_rows() -> None:
    predictions = drawn(1.5)
    evaluation = evaluate(predictions, RECIPE)
    stack = RECIPE.candidates().fit(predictions)[evaluation.chosen]
    assert stack.blend == evaluation.stack.blend
    assert (stack.thresholds == evaluation.stack.thresholds).all()
    assert evaluation.in_sample == macro_f1(predictions.known_labels, stack.decide(stack.blended(predictions))[0])


def test_each_candidate_is_compared_with_the_best_single_model_and_the_mean() -> None:
    evaluation = evaluate(drawn(1.5), RECIPE)
    best = {name: max(one.nested.value for one in evaluation.candidates if one.blender == name) for name in ("best_single", "mean")}
    for one in evaluation.candidates:
        for name, gain in one.gains.items():
            assert gain.value == pytest.approx(one.nested.value - best[name])
    assert sum(one.chosen_in for one in evaluation.candidates) == 4


def test_known_and_new_groups_are_scored_apart() -> None:
    predictions = drawn(1.5)
    known = np.array([len({int(f) for f in predictions.folds[predictions.groups == group]}) > 1 for group in predictions.groups])
    evaluation = evaluate(predictions, RECIPE, known)
    assert [subset.rows for subset in evaluation.row_subsets] == [known.sum(), (~known).sum()]
    shared = predictions.known_labels[known].any(axis=0) & predictions.known_labels[~known].any(axis=0)
    scores = [macro_f1(predictions.known_labels[some][:, shared], evaluation.decisions[0][some][:, shared]) for some in (known, ~known)]
    assert [subset.nested.value for subset in evaluation.row_subsets] == scores
    assert evaluate(predictions, RECIPE).row_subsets == ()
    assert evaluate(predictions, RECIPE, np.zeros(len(predictions), bool)).row_subsets == ()


def test_kinds_of_rows_without_a_class_in_common_have_no_score() -> None:
    predictions = drawn(1.5)
    known = np.arange(len(predictions)) < 150
    labels = predictions.known_labels & np.where(known[:, None], [True, True, False, False], [False, False, True, True])
    assert (
        evaluate(
            PredictionSet(predictions.logits, predictions.models, predictions.folds, predictions.groups, labels), RECIPE, known
        ).row_subsets
        == ()
    )


def test_classes_without_positives_break_nothing() -> None:
    predictions = drawn(1.5, count=120)
    labels = predictions.known_labels.copy()
    labels[:, 1] = False
    labels[:, 0] = np.arange(120) == 3
    evaluation = evaluate(PredictionSet(predictions.logits, predictions.models, predictions.folds, predictions.groups, labels), RECIPE)
    assert not evaluation.decisions[0][:, 1].any()
    assert 0 < evaluation.nested.value < 0.75
    assert evaluation.decisions[0].any(axis=1).all()


def test_two_folds_leave_nothing_to_choose_by() -> None:
    with pytest.raises(ValueError, match="three folds"):
        evaluate(drawn(1.0, folds=2), RECIPE)


def scored(value: float, *draws: float) -> Scored:
    return Scored(value, np.array(draws))


def test_the_first_that_the_best_does_not_clearly_beat_is_chosen() -> None:
    simple = scored(0.50, 0.50, 0.50)
    within = scored(0.51, 0.53, 0.49)  # gain 0.01, error 0.02
    beyond = scored(0.53, 0.55, 0.51)  # gain 0.03 over the simplest, error 0.02; gain 0.02 over the other, error 0
    assert choose([simple, within], min_gain_se=1.0) == 0
    assert choose([simple, within], min_gain_se=0.4) == 1
    assert choose([simple, within, beyond], min_gain_se=1.0) == 2
    assert choose([simple, within, beyond], min_gain_se=1.5) == 0
    assert choose([beyond, within, simple], min_gain_se=1.0) == 0
    assert choose([simple, simple], min_gain_se=0.0) == 0


def test_a_single_model_must_beat_every_blend_by_twice_as_much() -> None:
    blend, other = scored(0.50, 0.49, 0.51), scored(0.49, 0.49, 0.49)
    near, far = scored(0.515, 0.515, 0.515), scored(0.525, 0.525, 0.525)  # 1.5 and 2.5 errors above the blend; the other is below both
    assert choose([blend, other, near], 1.0, singles={2}) == 0
    assert choose([blend, other, far], 1.0, singles={2}) == 2
    assert choose([far, blend, other], 1.0, singles={0}) == 0
    assert choose([near, far, blend], 1.0, singles={0, 1}) == 1
    assert choose([blend, near], 1.0, singles=()) == 1
    assert choose([blend, near], 0.0, singles={1}) == 1  # the best wins, whatever it is
    assert choose([blend, blend], 0.0, singles={1}) == 0
    assert choose([near, far], 1.0, singles={0, 1}) == 1  # without any blend


def test_the_choice_is_that_of_a_slow_version() -> None:
    rng = np.random.default_rng(0)
    chosen = []
    for _ in range(200):
        draws = 0.5 + 0.01 * rng.normal(size=(5, 1)) + 0.01 * rng.normal(size=(5, 30))
        all_scored = [Scored(float(own.mean()), own) for own in draws]
        singles = {1, 3}
        beats = {
            (one, other, times): draws[one].mean() - draws[other].mean() > times * (draws[one] - draws[other]).std()
            for one, other, times in product(range(5), range(5), (1, 2))
        }
        far_ahead = [one for one in (1, 3) if all(beats[one, blend, 2] for blend in (0, 2, 4))]
        expected = next(one for one in far_ahead or (0, 2, 4) if not any(beats[other, one, 1] for other in far_ahead or (0, 2, 4)))
        chosen.append(choose(all_scored, 1.0, singles))
        assert chosen[-1] == expected
    assert set(chosen) == set(range(5))

"""What to expect of the submission, against slow versions of the resamples and of the halves."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from comp.metrics.bootstrap import Estimate, GroupBootstrap
from comp.metrics.macro_f1 import macro_f1
from comp.stacking.candidates import choose
from comp.stacking.evaluation import Evaluation, evaluate
from comp.stacking.expectation import expect, few_groups, has_few_groups, lines_of, random_parts, score_of_halves
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe

RECIPE = Recipe(
    blenders=({"name": "mean"}, {"name": "best_single"}), thresholds=({"name": "exact"}, {"name": "bagged", "bags": 5}), bootstraps=300
)


def drawn(seed: int = 0, count: int = 240) -> PredictionSet:
    rng = np.random.default_rng(seed)
    labels = rng.random((count, 4)) < [0.04, 0.1, 0.3, 0.5]
    logits = (1.5 * labels + rng.normal(size=(3, count, 4)) - 1).astype(np.float32)
    groups = np.sort(rng.integers(0, 40, count) ** 2)
    return PredictionSet(logits, ("a", "b", "c"), (groups % 4).astype(np.int8), groups, labels)


@pytest.fixture(scope="module")
def labelled() -> PredictionSet:
    rows = drawn()
    return replace(rows, folds=random_parts(rows.groups, 4, np.random.default_rng(0)))


@pytest.fixture(scope="module")
def evaluation(labelled: PredictionSet) -> Evaluation:
    return evaluate(labelled, RECIPE)


def slowly(labelled: PredictionSet, decisions: np.ndarray, rows: int, draws: int = 2000) -> np.ndarray:
    """Scores of whole groups drawn until there are `rows` rows, the last group cut."""
    rng, names = np.random.default_rng(5), np.unique(labelled.groups)
    of_group = [np.flatnonzero(labelled.groups == name) for name in names]
    scores = []
    for _ in range(draws):
        found = np.concatenate([of_group[group] for group in rng.integers(len(names), size=4 * len(names))])[:rows]
        scores.append(macro_f1(labelled.known_labels[found], decisions[found]))
    return np.array(scores)


@pytest.mark.parametrize("rows", [60, 240, 400])
def test_value_and_error_are_those_of_resampled_rows(labelled: PredictionSet, evaluation: Evaluation, rows: int) -> None:
    found = expect(evaluation, labelled, rows, RECIPE, None)
    here, there = (slowly(labelled, evaluation.decisions[0], count) for count in (len(labelled), rows))
    assert found.score.value == pytest.approx(evaluation.nested.value + there.mean() - here.mean(), abs=0.01)
    assert found.score.error == pytest.approx(np.hypot(here.std(), there.std()), rel=0.12)
    assert (found.groups, found.splits) == (len(np.unique(labelled.groups)), None)


def test_a_test_set_as_large_as_the_labelled_rows_scores_the_nested_score(labelled: PredictionSet, evaluation: Evaluation) -> None:
    assert expect(evaluation, labelled, len(labelled), RECIPE, None).score.value == pytest.approx(evaluation.nested.value, abs=0.005)


def test_the_interval_narrows_with_the_test_set_but_holds_the_error_of_the_nested_score(
    labelled: PredictionSet, evaluation: Evaluation
) -> None:
    errors = [expect(evaluation, labelled, rows, RECIPE, None).score.error for rows in (20, 100, 1000, 20_000)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == pytest.approx(evaluation.nested.error, rel=0.05)


def test_half_of_the_distance_to_the_halves_is_one_more_error(labelled: PredictionSet, evaluation: Evaluation) -> None:
    plain = expect(evaluation, labelled, 200, RECIPE, None).score
    split = expect(evaluation, labelled, 200, RECIPE, Estimate(plain.value - 0.2, 0.05)).score
    assert split.value == plain.value
    assert split.error == pytest.approx(np.sqrt(plain.error**2 + 0.1**2))


def test_few_groups_widen_the_interval_by_students_t_and_it_stays_within_0_and_1() -> None:
    rows = drawn(count=60)
    rows = replace(rows, groups=np.arange(60) % 3, folds=(np.arange(60) % 3).astype(np.int8))
    score = expect(evaluate(rows, RECIPE), rows, 5, RECIPE, None).score
    assert score.width == pytest.approx(4.3027, abs=1e-3)  # of a table of Student's t, two degrees of freedom
    low, high = score.interval
    assert 0 <= low <= score.value <= high <= 1
    one = replace(rows, groups=np.zeros(60, np.int64))
    assert expect(evaluate(rows, RECIPE), one, 5, RECIPE, None).score.width == pytest.approx(12.706, abs=1e-3)


def halves_by_hand(labelled: PredictionSet) -> list[float]:
    """The full pipeline on every half: choose by cross-validation over its two quarters, fit on both, score the other half."""
    part = random_parts(labelled.groups, 4, np.random.default_rng(RECIPE.seed))
    candidates, scores = RECIPE.candidates(), []
    for half in combinations(range(4), 2):
        own, others = (labelled.take(np.isin(part, half) == inside) for inside in (True, False))
        folds = part[np.isin(part, half)]
        own = replace(own, folds=folds)
        inner = np.zeros((4, len(own), 4), bool)
        for fold in half:
            fitted = candidates.fit(own.take(folds != fold))
            inner[:, folds == fold] = candidates.decide(fitted, own.take(folds == fold))
        bootstrap = GroupBootstrap(own.known_labels, own.groups, RECIPE.bootstraps, RECIPE.seed)
        stack = candidates.fit(own)[choose([bootstrap.score(each) for each in inner], RECIPE.min_gain_se, candidates.singles)]
        scores.append(macro_f1(others.known_labels, stack.decide(stack.blended(others))[0]))
    return scores


def test_halves_are_scored_by_the_pipeline_fitted_on_the_others(labelled: PredictionSet) -> None:
    scores = halves_by_hand(labelled)
    found = score_of_halves(labelled, RECIPE)
    assert found.value == pytest.approx(np.mean(scores))
    assert found.error == pytest.approx(np.std(scores, ddof=1))


def test_parts_are_random_whole_groups_of_about_equal_size() -> None:
    groups = drawn(count=2000).groups
    parts = random_parts(groups, 4, np.random.default_rng(0))
    assert all(len(np.unique(parts[groups == group])) == 1 for group in np.unique(groups))
    largest = np.unique(groups, return_counts=True)[1].max()
    assert np.ptp(np.bincount(parts, minlength=4)) <= largest
    assert (random_parts(groups, 4, np.random.default_rng(1)) != parts).any()
    mixed = np.random.default_rng(2).permutation(2000)
    assert (random_parts(groups[mixed], 4, np.random.default_rng(0)) == parts[mixed]).all()


def test_groups_are_few_by_their_number_in_effect() -> None:
    assert not has_few_groups(np.arange(1000))
    assert has_few_groups(np.arange(200))
    assert has_few_groups(np.r_[np.zeros(500, np.int64), np.arange(1, 501)])  # one group holds half of the rows
    assert not has_few_groups(np.arange(600) % 3)  # too few to be halved


def test_what_is_said(labelled: PredictionSet, evaluation: Evaluation) -> None:
    plain = expect(evaluation, labelled, 50, RECIPE, None)
    low, high = plain.score.interval
    assert f"the submission on 50 test rows: expect {plain.score.value:.4f}, 95 % interval {low:.4f} to {high:.4f}" in lines_of(
        plain, 1, 50
    )
    assert "averages 5 folds" in lines_of(plain, 5, 50)[0]
    assert len(lines_of(plain, 5, 50)) == 2
    few = replace(plain, splits=Estimate(0.25, 0.04))
    assert lines_of(few, 5, 50)[1] == few_groups(few)
    assert few_groups(plain) == few_groups(few).partition(";")[0]
    assert few_groups(replace(plain, effective=1000.0)) == ""
    assert "random halves of them score 0.250 +- 0.040" in few_groups(few)

"""What to expect of the submission: the nested score carried over to a test set of this size, with an interval for its score.

Rare classes vanish from small test sets, where they count 0. So the nested score moves by the difference between the mean scores of
resamples with as many rows as the test set and with as many as are labelled. The variance is that of the nested score plus that of
drawing a test set; both come from whole groups. Averaging the folds' networks is left out: on eight real problems the nested score
minus the score of the submission was 0.000 on average (predictions of single networks for other rows lost 0.010, averaging returned 0.011).

Where groups are few in effect, this is too sure: all folds hold the same few groups, so they share the shares of the classes. There
the full pipeline also runs on random halves of the groups. Its score on the other half is too low, because it sees half of the rows.
Half of the distance between the two counts as one more standard error. `tests/studies/test_test_interval.py` and
`tests/studies/test_moods_halves.py` measure how often the interval holds the score.
"""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from comp.metrics.bootstrap import Estimate, GroupBootstrap, Scored, effective_groups
from comp.metrics.macro_f1 import macro_f1
from comp.stacking.evaluation import Evaluation
from comp.stacking.nested_cv import NestedCV
from comp.stacking.parallel_fits import fit_all
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe

FEW = 300  # groups in effect; the interval without halves held 80 to 89 % with 30 to 250 of them, 92 % with 480, 96 % with 1,000
QUARTERS = 4  # random parts of the groups; each two of them are a half


@dataclass(frozen=True)
class Expectation:
    """What to expect of the submission.

    Attributes:
        score: on test rows like the labelled ones; its interval is for a test set of this size.
        effective: how many groups of equal size would be as sure, see `effective_groups`.
        splits: mean and spread of the score over random halves of whole groups, fitted on the other half; None if groups are many, or
            if a model is a stack.
    """

    score: Estimate
    groups: int
    effective: float
    splits: Estimate | None


def expect(evaluation: Evaluation, labelled: PredictionSet, test_rows: int, recipe: Recipe, splits: Estimate | None) -> Expectation:
    """The score to expect of the submission on `test_rows` rows.

    Args:
        labelled: what was evaluated.
        splits: of `score_of_halves`.
    """
    labels, groups = labelled.known_labels, labelled.groups
    here, there = (
        Scored.mean([bootstrap.score(decisions) for decisions in evaluation.decisions]).resampled
        for bootstrap in (GroupBootstrap(labels, groups, recipe.bootstraps, recipe.seed, rows) for rows in (None, test_rows))
    )
    value = float(np.clip(evaluation.nested.value + there.mean() - here.mean(), 0.0, 1.0))
    variances = [here.var(), there.var(), ((value - splits.value) / 2) ** 2 if splits else 0.0]
    effective = effective_groups(groups)
    score = Estimate(value, float(np.sqrt(sum(variances))), is_score=True, width=_half_width(effective))
    return Expectation(score, len(np.unique(groups)), effective, splits)


def few_groups(found: Expectation) -> str:
    """A warning about few groups; empty if they are many."""
    if found.effective >= FEW:
        return ""
    halves = f"; random halves of them score {found.splits.value:.3f} +- {found.splits.error:.3f}" if found.splits else ""
    return f"few groups: {found.groups}, which count like {found.effective:.0f} of equal size{halves}"


def lines_of(found: Expectation, networks: int, test_rows: int) -> list[str]:
    """What to expect of what, for the details."""
    low, high = found.score.interval
    expected = f"expect {found.score.value:.4f}, 95 % interval {low:.4f} to {high:.4f}"
    groups = few_groups(found) or f"{found.groups} groups, which count like {found.effective:.0f} of equal size"
    return [f"the submission on {test_rows} test rows: {expected}{averages(networks)}", groups]


def averages(networks: int) -> str:
    """A remark on a submission that averages several networks of each model; empty for one."""
    return f"; it averages {networks} folds, which may score higher" if networks > 1 else ""


def has_few_groups(groups: NDArray[np.int64]) -> bool:
    """Whether the groups (N,) are few in effect, but enough to split them."""
    return effective_groups(groups) < FEW and len(np.unique(groups)) >= QUARTERS


def score_of_halves(labelled: PredictionSet, recipe: Recipe, workers: int = 1) -> Estimate:
    """Mean and spread of macro F1 over random halves of whole groups, of the full pipeline fitted on the other half.

    Stacks are no models here: the choice on a half fits on quarters, which leave a stack no folds to be fitted on.
    """
    quarters = replace(labelled, folds=random_parts(labelled.groups, QUARTERS, np.random.default_rng(recipe.seed)))
    nested = NestedCV(quarters, recipe)
    halves = [frozenset(half) for half in combinations(nested.folds, 2)]
    fit_all([nested], [(0, kept) for kept in [*halves, *(frozenset({part}) for part in nested.folds)]], workers, "halves of the groups")
    scores = []
    for kept in halves:
        stack, others = nested.stack(kept), quarters.take(~nested.inside(kept))
        scores.append(macro_f1(others.known_labels, stack.decide(stack.blended(others))[0]))
    return Estimate(float(np.mean(scores)), float(np.std(scores, ddof=1)), is_score=True)


def random_parts(groups: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """(N,) parts 0 to count - 1 of about equal size: whole groups in random order, each to the part with the fewest rows so far."""
    group, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    part, rows = np.empty(len(sizes), np.int8), np.zeros(count, np.int64)
    for number in rng.permutation(len(sizes)):
        part[number] = rows.argmin()
        rows[part[number]] += sizes[number]
    return part[group]


def _half_width(effective: float) -> float:
    """Half of a 95 % interval in standard errors, by Student's t: few groups do not know their own variance well."""
    from scipy.stats import t  # imported here: `make stack` alone needs it

    return float(t.ppf(0.975, max(effective - 1, 1)))

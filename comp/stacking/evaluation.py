"""Evaluation of a stack: nested, grouped, repeated cross-validation of the full pipeline, including the choice between candidates.

For every outer fold, each candidate is scored by cross-validation over the other folds. One candidate is chosen by these scores,
fitted on the other folds and applied to the outer fold. So nothing that decides about a row was fitted or chosen with the row's fold.
The score of these decisions estimates what the full pipeline, run on all folds, scores on new rows. Further repeats do the same after
splitting the rows again in whole groups; scores are means over repeats. The final choice uses these means and is therefore a little
more reliable than each choice that was evaluated. Intervals resample the decisions, with fitted weights and thresholds held fixed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from comp.folds.stratified_split import stratified_split
from comp.metrics.bootstrap import Estimate, Scored
from comp.metrics.macro_f1 import macro_f1, per_class_f1
from comp.stacking.candidates import choose
from comp.stacking.nested_cv import FoldSet, NestedCV, SubStack
from comp.stacking.parallel_fits import fit_all, fit_substacks
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from comp.stacking.stack import Stack

Bools = NDArray[np.bool_]
REFERENCES = ("best_single", "mean")  # blenders with which all candidates are compared
SIZES = {"under 60": (1, 59), "60 to 599": (60, 599), "600 and more": (600, np.inf)}  # positives of a class


@dataclass(frozen=True)
class Optimism:
    """Mean F1 of the classes of one size, in-sample and nested.

    Attributes:
        size: a key of `SIZES`.
        classes: how many classes have this size.
    """

    size: str
    classes: int
    in_sample: float
    nested: float


@dataclass(frozen=True)
class CandidateEvaluation:
    """The scores of one candidate.

    Attributes:
        nested: macro F1 of its decisions about held-out folds.
        in_sample: macro F1 on the rows it was fitted on.
        gains: its gain over each reference blender with its best threshold rule.
        chosen_in: how many outer folds of all repeats chose it.
        optimism: by class size.
        weights: the weights of the models, fitted on all rows, see `Stack.weights`.
    """

    blender: str
    rule: str
    nested: Estimate
    in_sample: float
    gains: dict[str, Estimate]
    chosen_in: int
    optimism: tuple[Optimism, ...]
    weights: list[dict[str, float]]


@dataclass(frozen=True)
class RowSubsetEvaluation:
    """Nested macro F1 on some of the rows, over the classes that occur in all such subsets."""

    name: str
    rows: int
    classes: int
    nested: Estimate


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of a stack, and the stack fitted on all rows.

    Attributes:
        nested: macro F1 of the full pipeline: the score to expect.
        gains: gain of the full pipeline over each reference blender.
        chosen: number of the candidate chosen on all rows.
        stack: that candidate, fitted on all rows.
        decisions: (repeats, N, C) of the full pipeline about held-out folds.
        blend: (N, C) logits of the full pipeline's blends, each row without its fold; scales differ if folds chose different blenders.
        thresholds: (folds, C) logits, those of the chosen candidate fitted without each fold.
        chosen_blend: (N, C) logits of the chosen candidate's blend, each row without its fold.
        row_subsets: rows of known groups (antibodies that the models were trained on) and of new groups; empty without both.
    """

    nested: Estimate
    gains: dict[str, Estimate]
    candidates: tuple[CandidateEvaluation, ...]
    chosen: int
    stack: Stack
    decisions: Bools
    blend: NDArray[np.float32]
    thresholds: NDArray[np.float64]
    chosen_blend: NDArray[np.float32]
    row_subsets: tuple[RowSubsetEvaluation, ...]

    @property
    def in_sample(self) -> float:
        return self.candidates[self.chosen].in_sample


def evaluate(
    labelled: PredictionSet,
    recipe: Recipe,
    known: Bools | None = None,
    *,
    models: Sequence[str] = (),
    substacks: Sequence[SubStack] = (),
    workers: int = 1,
) -> Evaluation:
    """Nested cross-validation of `recipe` over the folds of labelled predictions.

    Args:
        labelled: predictions of all models, including those that only sub-stacks blend.
        known: (N,) rows of groups that the models were trained on (see `FoldMap.known`); None if unknown.
        models: the models to blend, sub-stacks included; empty: all models of `labelled`.
        workers: how many processes fit candidates.

    Raises:
        ValueError: fewer than three folds, or no labels.
        ConfigError: the recipe names an unknown blender, threshold rule or option.
    """
    folds = np.unique(labelled.folds)
    if len(folds) < 3:
        raise ValueError(f"the choice between candidates needs three folds, there are {len(folds)}")
    splits = [labelled, *(split_again(labelled, len(folds), recipe.seed + repeat) for repeat in range(1, recipe.repeats))]
    repeats = [NestedCV(each, recipe, models, substacks) for each in splits]
    jobs = [(0, repeats[0].folds)]
    for number, nested in enumerate(repeats):
        jobs += [(number, nested.folds - frozenset(left_out)) for left_out in left_out_sets(nested.folds)]
    fit_substacks(repeats, workers)
    fit_all(repeats, jobs, workers)

    first = repeats[0]
    choices = [{fold: nested.choice(nested.folds - {fold}) for fold in nested.folds} for nested in repeats]
    outer = [nested.across(nested.folds) for nested in repeats]  # (candidates, N, C) each
    decisions = np.stack([picked(*each) for each in zip(splits, outer, choices, strict=True)])
    bootstrap = first.bootstrap(np.ones(len(labelled), bool))
    pipeline = Scored.mean([bootstrap.score(each) for each in decisions])
    scored = [Scored.mean([bootstrap.score(each) for each in of_repeats]) for of_repeats in zip(*outer, strict=True)]
    references = _references(first.candidates.names, scored)
    chosen = choose(scored, recipe.min_gain_se, first.candidates.singles)
    stacks = {fold: first.complete(chosen, first.folds - {fold}) for fold in sorted(first.folds)}
    return Evaluation(
        pipeline.estimate,
        {name: pipeline.gain_over(reference) for name, reference in references.items()},
        _candidates(first, outer, scored, references, choices),
        chosen,
        first.complete(chosen, first.folds),
        decisions,
        _blend_across(labelled, {fold: first.stack(first.folds - {fold}) for fold in first.folds}),
        np.stack([stack.thresholds for stack in stacks.values()]),
        _blend_across(labelled, stacks),
        () if known is None else _known_and_new(first, decisions[0], known),
    )


def left_out_sets(folds: FoldSet) -> list[tuple[int, ...]]:
    """The sets of folds to leave out: one outer fold, or an outer and an inner one. Single folds come first: their fits take longest."""
    return [*combinations(sorted(folds), 1), *combinations(sorted(folds), 2)]


def split_again(labelled: PredictionSet, count: int, seed: int) -> PredictionSet:
    """The same rows in other folds: whole groups together, every fold with its share of every class."""
    group = np.unique(labelled.groups, return_inverse=True)[1]
    carried = np.zeros((group.max() + 1, labelled.known_labels.shape[1] + 1), np.int64)
    np.add.at(carried, group, np.c_[labelled.known_labels, np.ones(len(labelled), bool)])
    return replace(labelled, folds=stratified_split(carried, np.full(count, 1 / count), np.random.default_rng(seed))[group])


def picked(labelled: PredictionSet, decisions: Bools, choice: Mapping[int, int]) -> Bools:
    """(N, C) from the decisions (candidates, N, C): those of the candidate chosen for each row's fold."""
    found = np.empty(decisions.shape[1:], bool)
    for fold, number in choice.items():
        found[labelled.folds == fold] = decisions[number, labelled.folds == fold]
    return found


def _candidates(
    first: NestedCV, outer: list[Bools], scored: list[Scored], references: Mapping[str, Scored], choices: list[dict[int, int]]
) -> tuple[CandidateEvaluation, ...]:
    """Every candidate's scores.

    Args:
        first: the cross-validation over the fold map's own folds.
        outer: decisions (candidates, N, C) about held-out folds, one entry per repeat.
        choices: outer fold -> chosen candidate, one entry per repeat.
    """
    labels = first.labelled.known_labels
    in_sample = first.decided(first.folds, first.folds)
    sizes = labels.sum(axis=0)
    found = []
    for number, (blender, rule) in enumerate(first.candidates.names):
        nested_f1 = np.mean([per_class_f1(labels, repeat[number]) for repeat in outer], axis=0)
        found.append(
            CandidateEvaluation(
                blender,
                rule,
                scored[number].estimate,
                macro_f1(labels, in_sample[number]),
                {other: scored[number].gain_over(reference) for other, reference in references.items()},
                sum([*choice.values()].count(number) for choice in choices),
                _optimism(sizes, per_class_f1(labels, in_sample[number]), nested_f1),
                first.fit(first.folds).stacks[number].weights,
            )
        )
    return tuple(found)


def _blend_across(labelled: PredictionSet, stacks: Mapping[int, Stack]) -> NDArray[np.float32]:
    """(N, C) blends: each fold's rows by the stack that was fitted without the fold."""
    found = np.empty(labelled.logits.shape[1:], np.float32)
    for fold, stack in stacks.items():
        found[labelled.folds == fold] = stack.blended(labelled.take(labelled.folds == fold)).logits[0]
    return found


def _references(names: list[tuple[str, str]], scored: list[Scored]) -> dict[str, Scored]:
    """The best-scoring candidate of each reference blender: chosen in hindsight, so that the comparison is not too easy."""
    found = {}
    for reference in REFERENCES:
        if own := [one for (blender, _), one in zip(names, scored, strict=True) if blender == reference]:
            found[reference] = max(own, key=lambda one: one.value)
    return found


def _optimism(sizes: NDArray[np.int64], in_sample: NDArray[np.float64], nested: NDArray[np.float64]) -> tuple[Optimism, ...]:
    found = []
    for name, (least, most) in SIZES.items():
        some = (sizes >= least) & (sizes <= most)
        if some.any():
            found.append(Optimism(name, int(some.sum()), float(in_sample[some].mean()), float(nested[some].mean())))
    return tuple(found)


def _known_and_new(nested: NestedCV, decisions: Bools, known: Bools) -> tuple[RowSubsetEvaluation, ...]:
    shared = classes_of_both(nested.labelled.known_labels, known)
    if not shared.any():
        return ()
    found = []
    for name, some in (("known", known), ("new", ~known)):
        scored = nested.bootstrap(some, shared).score(decisions[some][:, shared])
        found.append(RowSubsetEvaluation(name, int(some.sum()), int(shared.sum()), scored.estimate))
    return tuple(found)


def classes_of_both(labels: Bools, known: Bools) -> Bools:
    """(C,) the classes that occur both in the rows of known groups (N,) and in the others."""
    return np.logical_and(labels[known].any(axis=0), labels[~known].any(axis=0))

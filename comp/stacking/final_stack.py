"""The chosen stack applied to the test images: thresholds for averaged folds and, if the recipe asks for it, for a label shift."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comp.base.files import hash_file
from comp.folds.fold_map import HOLDOUT
from comp.metrics.bootstrap import Estimate, GroupBootstrap
from comp.stacking.averaged_folds import matched
from comp.stacking.evaluation import Evaluation
from comp.stacking.fitted_stack import FittedStack
from comp.stacking.inputs import Inputs
from comp.stacking.label_shift import LabelShift, estimate
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from comp.stacking.stack import Stack


@dataclass(frozen=True, eq=False)
class FinalStack:
    """A stack with thresholds for the test images, and its decisions.

    Attributes:
        blend: the blend of the test predictions, which are means over folds.
        unshifted: the stack with thresholds for means over folds.
        stack: the same, adjusted for the label shift if the recipe asks for it.
        decisions: (T, C) of `stack` about the test images.
        empty: (T,) test images without a label above its threshold.
        threshold_change: mean absolute change of the thresholds of `unshifted` for means over folds, in logits.
    """

    blend: PredictionSet
    shift: LabelShift
    unshifted: Stack
    stack: Stack
    decisions: NDArray[np.bool_]
    empty: NDArray[np.bool_]
    threshold_change: float

    @property
    def filled(self) -> int:
        """How many of the `empty` images got their most likely label."""
        return int(self.empty.sum()) if self.stack.fills else 0

    @property
    def note_on_empty(self) -> str:
        """How many images had no label above its threshold, and what became of them."""
        became = "got their most likely one" if self.stack.fills else "stay empty"
        return f"{self.empty.sum()} had no label above its threshold and {became}"


def final_stack(inputs: Inputs, labelled: PredictionSet, test: PredictionSet, evaluation: Evaluation, recipe: Recipe) -> FinalStack:
    """Adjust the stack's thresholds to the test predictions, which are means over folds, and to their label shift; then decide."""
    blend = evaluation.stack.blended(test)
    singles = [evaluation.stack.blended(inputs.on_test(recipe.features, fold)) for fold in range(inputs.networks)]
    of_all = PredictionSet.joined(singles)
    fitted, shift = evaluation.stack.for_rows(of_all), estimate(labelled.blended(evaluation.chosen_blend), of_all)
    unshifted = _for_means(fitted, singles, blend)
    stack = unshifted
    if recipe.shift:
        stack = _for_means(replace(fitted, thresholds=shift.corrected(fitted.thresholds)), singles, blend)
    decisions, empty = stack.decide(blend)
    return FinalStack(blend, shift, unshifted, stack, decisions, empty, _mean_change(fitted.thresholds, unshifted.thresholds))


def to_keep(inputs: Inputs, name: str, recipe: Recipe, stack: Stack) -> FittedStack:
    """The final stack with what it was fitted on, for its file."""
    task, features = inputs.task, {path.as_posix(): hash_file(path) for path in recipe.features}
    files = {member.name: member.files for member in inputs.members}
    return FittedStack(task.competition.name, name, task.classes.names, stack, features, files, task.folds.fingerprint, task.data)


def _for_means(stack: Stack, singles: list[PredictionSet], mean: PredictionSet) -> Stack:
    """The stack with thresholds for the blend of means over folds; `singles` are the blends of each fold."""
    return replace(stack, thresholds=matched(stack.thresholds, [single.logits[0] for single in singles], mean.logits[0]))


def _mean_change(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Mean absolute difference of the thresholds (C,) of classes that can be predicted, in logits."""
    finite = np.isfinite(before)
    return float(np.abs(before[finite] - after[finite]).mean()) if finite.any() else 0.0


@dataclass(frozen=True)
class HoldoutScore:
    """Macro F1 on the hold-out, which nothing was trained or tuned on.

    Attributes:
        score: None if a member did not predict the hold-out.
        missing: the members that did not.
    """

    rows: int
    score: Estimate | None
    missing: tuple[str, ...]


def score_holdout(inputs: Inputs, stack: Stack, recipe: Recipe) -> HoldoutScore | None:
    """Score the stack on the hold-out; None without a hold-out."""
    held = inputs.task.folds.fold == HOLDOUT
    count = int(held.sum())
    if not count:
        return None
    if missing := tuple(member.name for member in inputs.members if np.isnan(member.train[held]).any()):
        return HoldoutScore(count, None, missing)
    labelled = inputs.labelled(held, recipe.features)
    decisions, _ = stack.decide(stack.blended(labelled))
    bootstrap = GroupBootstrap(labelled.known_labels, labelled.groups, recipe.bootstraps, recipe.seed)
    return HoldoutScore(count, bootstrap.score(decisions).estimate, ())

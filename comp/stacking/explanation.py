"""The JSON beside a submission: how it was made and what it may be expected to score."""

import json
import math
from typing import Any

import numpy as np

from comp.folds.fold_map import HOLDOUT
from comp.metrics.bootstrap import Estimate, smallest_difference
from comp.metrics.curves import f1_curve
from comp.predictions.task import Task
from comp.stacking.evaluation import CandidateEvaluation, Evaluation
from comp.stacking.expectation import Expectation
from comp.stacking.label_shift import LabelShift
from comp.stacking.model_ablation import ModelAblation
from comp.stacking.report import StackReport

DIGITS = 5  # of curves and correlations
LONGEST = 20_000  # characters up to which a blend's fitted state is written: weights are, trees are not


def explanation(report: StackReport) -> dict[str, Any]:
    """The content of the sidecar."""
    task, evaluation, stack = report.inputs.task, report.evaluation, report.final.stack
    differences = {name: smallest_difference(gain, report.rows, report.test_rows) for name, gain in evaluation.gains.items()}
    sidecar = {
        "competition": task.competition.name,
        "stack": report.name,
        "classes": list(task.classes.names),
        "candidate": {"blender": report.chosen.blender, "thresholds": report.chosen.rule},
        "nested": numbers(evaluation.nested),
        "expected": _expected(report.expectation),
        "in_sample": evaluation.in_sample,
        "gains": {name: numbers(gain) for name, gain in evaluation.gains.items()},
        "smallest_difference": differences,
        "weights": stack.weights,
        "blend": stack.blend if len(json.dumps(stack.blend)) < LONGEST else None,
        "logit_thresholds": by_class(task, stack.thresholds.tolist()),
        "empty": int(report.final.empty.sum()),
        "filled": report.final.filled,
        "candidates": [_candidate(one) for one in evaluation.candidates],
        "row_subsets": [
            {"name": subset.name, "rows": subset.rows, "classes": subset.classes, "nested": numbers(subset.nested)}
            for subset in evaluation.row_subsets
        ],
        "ablation": _ablation(report.ablation) if report.ablation else None,
        "leaking": list(report.leaking),
        "models": {member.name: member.files for member in report.inputs.members},
        "stacks": {each.name: list(each.models) for each in report.inputs.substacks},
        "folds": task.folds.fingerprint,
        "data": task.data,
        "recipe": report.recipe.model_dump(mode="json"),
        "shift": shift_of_classes(task, report.final.shift),
        "curves": curves(task, evaluation),
    }
    if report.holdout and report.holdout.score:
        sidecar["holdout"] = numbers(report.holdout.score)
    if report.subset_note:
        sidecar["note"] = report.subset_note
    return sidecar


def curves(task: Task, evaluation: Evaluation) -> dict[str, Any]:
    """For each class, out-of-fold F1 of the chosen candidate against the threshold, and the threshold fitted without each fold."""
    labels = task.labels[task.folds.fold != HOLDOUT]
    found = []
    for column, thresholds in enumerate(evaluation.thresholds.T.tolist()):
        at, f1 = f1_curve(evaluation.chosen_blend[:, column], labels[:, column])
        found.append(
            {
                "logits": np.round(at, DIGITS).tolist(),
                "f1": np.round(f1, DIGITS).tolist(),
                "thresholds_of_folds": [finite(threshold) for threshold in thresholds],
            }
        )
    return by_class(task, found)


def shift_of_classes(task: Task, shift: LabelShift) -> dict[str, Any]:
    """For each class, its share of the train and (estimated) of the test rows, and whether the difference is significant."""
    arrays = (shift.train, shift.test, shift.p_values, shift.fits, shift.moves != 0)
    columns = zip(*(array.tolist() for array in arrays), strict=True)
    return by_class(
        task,
        [
            {"train": train, "test": finite(test), "p_value": finite(p_value), "fits": finite(fits), "significant": significant}
            for train, test, p_value, fits, significant in columns
        ],
    )


def _expected(one: Expectation) -> dict[str, Any]:
    """What to expect of the submission on a test set of this size."""
    splits = {"mean": one.splits.value, "spread": one.splits.error} if one.splits else None
    return numbers(one.score) | {"groups": one.groups, "groups_in_effect": one.effective, "halves": splits}


def _candidate(one: CandidateEvaluation) -> dict[str, Any]:
    return {
        "blender": one.blender,
        "thresholds": one.rule,
        "nested": numbers(one.nested),
        "in_sample": one.in_sample,
        "gains": {name: numbers(gain) for name, gain in one.gains.items()},
        "folds_that_chose_it": one.chosen_in,
        "optimism": {size.size: {"classes": size.classes, "in_sample": size.in_sample, "nested": size.nested} for size in one.optimism},
    }


def _ablation(ablation: ModelAblation) -> dict[str, Any]:
    return {
        "models": {
            one.model: {
                "alone": numbers(one.alone),
                "adds": numbers(one.adds),
                "hurts": one.hurts,
                "most_similar": one.most_similar,
                "correlation": one.correlation,
            }
            for one in ablation.models
        },
        "correlations": np.round(ablation.correlations, DIGITS).tolist(),
        "path": [{"models": list(one.models), "nested": numbers(one.nested), "behind": numbers(one.behind)} for one in ablation.path],
        "cheapest": list(ablation.cheapest.models),
    }


def by_class(task: Task, values: list[Any]) -> dict[str, Any]:
    """Class name -> value; infinity (a class that is never predicted) becomes null."""
    return {name: finite(value) for name, value in zip(task.classes.names, values, strict=True)}


def finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def numbers(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "error": estimate.error, "interval": list(estimate.interval)}

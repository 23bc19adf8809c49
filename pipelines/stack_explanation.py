"""How a submission was made and what it may be expected to score: the JSON beside it, from which a report can be drawn."""

import json
import math
from typing import Any

import numpy as np

from comp.contribution import Contributions
from comp.curves import f1_curve
from comp.folds import HOLDOUT
from comp.members import Task
from comp.proof import CandidateProof, Proof
from comp.resampling import Estimate, smallest_difference
from comp.shift import LabelShift
from comp.stacking import Recipe, Stack
from pipelines.stack_inputs import Inputs

DIGITS = 5  # of what is drawn
LONGEST = 20_000  # characters of a blend's fitted state that are written: weights are, trees are not


def explanation(inputs: Inputs, proof: Proof, stack: Stack, recipe: Recipe, found: Contributions | None) -> dict[str, Any]:
    """What is written beside a submission that `stack` decided, the proven one or the same with its thresholds moved."""
    task, chosen = inputs.task, proof.candidates[proof.chosen]
    count = int((task.folds.fold != HOLDOUT).sum())
    return {
        "competition": task.competition.name,
        "classes": list(task.classes.names),
        "candidate": {"blender": chosen.blender, "thresholds": chosen.rule},
        "nested": numbers(proof.nested),
        "in_sample": proof.in_sample,
        "over": {name: numbers(gain) for name, gain in proof.over.items()},
        "smallest_difference": {name: smallest_difference(gain, count, len(task.test_ids)) for name, gain in proof.over.items()},
        "weights": stack.weights,
        "blend": stack.blend if len(json.dumps(stack.blend)) < LONGEST else None,
        "logit_thresholds": by_class(task, stack.thresholds.tolist()),
        "candidates": [_candidate(one) for one in proof.candidates],
        "parts": [{"name": part.name, "rows": part.rows, "classes": part.classes, "nested": numbers(part.nested)} for part in proof.parts],
        "members": _members(found) if found else None,
        "models": {member.name: member.files for member in inputs.members},
        "stacks": {each.name: list(each.models) for each in inputs.substacks},
        "folds": task.folds.fingerprint,
        "data": task.data,
        "recipe": recipe.model_dump(mode="json"),
    }


def curves(task: Task, proof: Proof) -> dict[str, Any]:
    """Of each class, F1 of the chosen candidate against the threshold, out of fold, and the threshold that each fold's fit had."""
    labels = task.labels[task.folds.fold != HOLDOUT]
    found = []
    for column, thresholds in enumerate(proof.thresholds.T.tolist()):
        at, f1 = f1_curve(proof.chosen_blend[:, column], labels[:, column])
        found.append(
            {
                "logits": np.round(at, DIGITS).tolist(),
                "f1": np.round(f1, DIGITS).tolist(),
                "thresholds_of_folds": [finite(threshold) for threshold in thresholds],
            }
        )
    return by_class(task, found)


def shift_of_classes(task: Task, shift: LabelShift) -> dict[str, Any]:
    """Of each class, its share of the train and (estimated) of the test rows, and whether the difference is significant."""
    arrays = (shift.train, shift.test, shift.p_values, shift.fits, shift.moves != 0)
    columns = zip(*(array.tolist() for array in arrays), strict=True)
    return by_class(
        task,
        [
            {"train": train, "test": finite(test), "p_value": finite(p_value), "fits": finite(fits), "significant": significant}
            for train, test, p_value, fits, significant in columns
        ],
    )


def _candidate(one: CandidateProof) -> dict[str, Any]:
    return {
        "blender": one.blender,
        "thresholds": one.rule,
        "nested": numbers(one.nested),
        "in_sample": one.in_sample,
        "over": {name: numbers(gain) for name, gain in one.over.items()},
        "folds_that_chose_it": one.chosen_in,
        "optimism": {size.size: {"classes": size.classes, "in_sample": size.in_sample, "nested": size.nested} for size in one.optimism},
    }


def _members(found: Contributions) -> dict[str, Any]:
    return {
        "models": {
            one.model: {
                "alone": numbers(one.alone),
                "adds": numbers(one.adds),
                "hurts": one.hurts,
                "twin": one.twin,
                "correlation": one.correlation,
            }
            for one in found.models
        },
        "correlations": np.round(found.correlations, DIGITS).tolist(),
        "path": [{"models": list(one.models), "nested": numbers(one.nested), "behind": numbers(one.behind)} for one in found.path],
        "cheapest": list(found.cheapest.models),
    }


def by_class(task: Task, values: list[Any]) -> dict[str, Any]:
    """Class name -> value; what is infinite, a class that is never predicted, becomes null."""
    return {name: finite(value) for name, value in zip(task.classes.names, values, strict=True)}


def finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def numbers(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "error": estimate.error, "interval": list(estimate.interval)}

"""Blend all complete models, prove the blend on rows it has not seen, and write the submission.

Writes submissions/<competition>/<stack>-<hash8>.csv with a .json that says how it was made.
"""

from typing import TYPE_CHECKING, Any

from pipelines.command import parser, run, say

if TYPE_CHECKING:
    from comp.members import Member, Task
    from comp.proof import Proof
    from comp.resampling import Estimate
    from comp.stacking import Recipe


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="stack these (default: all complete ones)")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    options = arguments.parse_args()

    from comp.folds import HOLDOUT
    from comp.members import read_member, rows_of
    from comp.paths import config
    from comp.proof import prove
    from comp.schema import parse, read_yaml
    from comp.stacking import Recipe
    from pipelines.stack_table import table

    path = config("stacks", options.stack)
    recipe = parse(Recipe, read_yaml(path), str(path))
    task = load_task(options.competition)
    members = [read_member(task, model) for model in choose_models(task, options.models)]
    rows = rows_of(members, task, task.folds.fold != HOLDOUT)
    say(f"stacking {len(members)} models on {len(rows)} rows in {task.folds.count} folds: {', '.join(rows.models)}\n")
    proof = prove(rows, recipe)
    say(table(proof, recipe) + "\n")
    write(members, task, proof, recipe, options.stack, score_holdout(members, task, proof, recipe))


def load_task(name: str) -> "Task":
    """What every model must have predicted; the fold map is made where it is missing."""
    from comp.competition import load_competition, read_test_ids, read_train
    from comp.members import Task
    from comp.paths import Paths
    from pipelines.folds import ensure_folds

    competition, paths = load_competition(name), Paths(name)
    ids, labels = read_train(competition, paths)
    return Task(competition, paths, ensure_folds(competition, paths).in_order(ids), labels, read_test_ids(competition, paths))


def choose_models(task: "Task", asked: list[str]) -> list[str]:
    """The models asked for, else all complete ones; says which are left out, and why.

    Raises:
        PredictionError: there is no complete model.
    """
    from comp.errors import PredictionError
    from comp.members import models_with_predictions, what_is_missing

    if asked:
        return sorted(set(asked))
    missing = {model: what_is_missing(task, model) for model in models_with_predictions(task.paths)}
    for model, reason in missing.items():
        if reason:
            say(f"left out: {model}, {reason}")
    complete = [model for model, reason in missing.items() if not reason]
    if not complete:
        then = f"make model COMP={task.competition.name} MODEL=densenet121, or bring predictions with make import"
        raise PredictionError(f"{task.paths.oof()} holds no complete model", then)
    return complete


def score_holdout(members: "list[Member]", task: "Task", proof: "Proof", recipe: "Recipe") -> "Estimate | None":
    """Macro F1 on the hold-out, which nothing was trained or tuned on; None where there is none or a member did not predict it."""
    import numpy as np

    from comp.folds import HOLDOUT
    from comp.members import rows_of
    from comp.resampling import GroupBootstrap

    held = task.folds.fold == HOLDOUT
    if not held.any():
        return None
    if silent := [member.name for member in members if np.isnan(member.train[held]).any()]:
        say(f"hold-out not scored: {', '.join(silent)} did not predict its {held.sum()} rows")
        return None
    rows = rows_of(members, task, held)
    decisions, _ = proof.stack.decide(proof.stack.blended(rows))
    found = GroupBootstrap(rows.known_labels, rows.groups, recipe.bootstraps, recipe.seed).score(decisions).estimate
    say(f"hold-out, {len(rows)} rows: {found.value:.4f} +- {found.error:.4f}")
    return found


def write(members: "list[Member]", task: "Task", proof: "Proof", recipe: "Recipe", name: str, held: "Estimate | None") -> None:
    """Decide about the test rows and write the submission with its sidecar."""
    from comp.members import test_rows_of
    from comp.submission import write_submission

    decisions, empty = proof.stack.decide(proof.stack.blended(test_rows_of(members, task)))
    sidecar = explanation(members, task, proof, recipe) | {"stack": name, "filled": int(empty.sum())}
    if held:
        sidecar["holdout"] = numbers(held)
    labels = task.competition.labels.strings(decisions)
    path = write_submission(task.paths.submissions(), name, task.test_ids, labels, task.competition, sidecar)
    say(f"{path}: {len(labels)} rows, {empty.sum()} of them empty and filled with their most likely class")


def explanation(members: "list[Member]", task: "Task", proof: "Proof", recipe: "Recipe") -> dict[str, Any]:
    """How a submission was made and what it may be expected to score: the sidecar's content."""
    import math

    chosen = proof.candidates[proof.chosen]
    thresholds = zip(task.competition.classes, proof.stack.thresholds.tolist(), strict=True)
    return {
        "competition": task.competition.name,
        "candidate": {"blender": chosen.blender, "thresholds": chosen.rule},
        "nested": numbers(proof.nested),
        "in_sample": proof.in_sample,
        "over": {name: numbers(gain) for name, gain in proof.over.items()},
        "blend": proof.stack.blend,
        "thresholds": {name: threshold if math.isfinite(threshold) else None for name, threshold in thresholds},
        "candidates": [
            {
                "blender": one.blender,
                "thresholds": one.rule,
                "nested": numbers(one.nested),
                "in_sample": one.in_sample,
                "over": {name: numbers(gain) for name, gain in one.over.items()},
                "folds_that_chose_it": one.chosen_in,
            }
            for one in proof.candidates
        ],
        "parts": [{"name": part.name, "rows": part.rows, "classes": part.classes, "nested": numbers(part.nested)} for part in proof.parts],
        "models": {member.name: member.files for member in members},
        "folds": task.folds.fingerprint,
        "data": task.data,
        "recipe": recipe.model_dump(mode="json"),
    }


def numbers(estimate: "Estimate") -> dict[str, Any]:
    return {"value": estimate.value, "error": estimate.error, "interval": list(estimate.interval)}


if __name__ == "__main__":
    run(main)

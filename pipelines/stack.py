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

FEWEST_FOLDS = 3  # one to judge by, one to choose by, one to fit on


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="stack these (default: all complete ones)")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    options = arguments.parse_args()

    from comp.folds import HOLDOUT
    from comp.members import rows_of
    from comp.paths import config
    from comp.proof import prove
    from comp.stacking import load_recipe
    from pipelines.stack_table import table

    recipe = load_recipe(config("stacks", options.stack))
    task = load_task(options.competition)
    members = read_members(task, options.models)
    in_folds = task.folds.fold != HOLDOUT
    rows = rows_of(members, task, in_folds)
    models = "1 model" if len(members) == 1 else f"{len(members)} models"
    say(f"stacking {models} on {len(rows)} rows in {task.folds.count} folds: {', '.join(rows.models)}\n")
    known = None if all(member.imported for member in members) else task.folds.known()[in_folds]
    proof = prove(rows, recipe, known)
    say(table(proof, recipe) + "\n")
    if len(members) == 1:
        say("one model: every blend is this model again, and only the threshold rules differ")
    write(members, task, proof, recipe, options.stack, score_holdout(members, task, proof, recipe))


def load_task(name: str) -> "Task":
    """What every model must have predicted; the fold map is made where it is missing.

    Raises:
        FoldError: fewer folds than a proof needs.
    """
    from comp.competition import load_competition, read_test_ids, read_train
    from comp.errors import FoldError
    from comp.members import Task
    from comp.paths import Paths
    from pipelines.folds import ensure_folds

    competition, paths = load_competition(name), Paths(name)
    folds = ensure_folds(competition, paths)
    if folds.count < FEWEST_FOLDS:
        what = f"{paths.folds()} has {folds.count} folds, and the choice between candidates needs {FEWEST_FOLDS}"
        then = "ask for more in the competition's YAML, `folds: {count: 5}`, remove the map and the predictions made with it"
        raise FoldError(what, f"{then}, then: make folds COMP={name}")
    ids, labels = read_train(competition, paths)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    folds = folds.in_order([ids[row] for row in order])
    return Task(competition, paths, folds, labels[order], read_test_ids(competition, paths))


def read_members(task: "Task", asked: list[str]) -> "list[Member]":
    """The models asked for, else all complete ones.

    Raises:
        PredictionError: a file is not what it should be; says how to leave out a model that was not asked for.
    """
    from comp.errors import PredictionError
    from comp.members import read_member

    models = choose_models(task, asked)
    members = []
    for model in models:
        try:
            members.append(read_member(task, model))
        except PredictionError as error:
            others = " ".join(other for other in models if other != model)
            leave = f'; or leave it out: make stack COMP={task.competition.name} MODELS="{others}"' if others and not asked else ""
            raise PredictionError(error.what, error.then + leave) from None
    return members


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
    say(f"{path}: {len(labels)} rows, {empty.sum()} of them empty and filled with their most likely class (highest above its threshold)")


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
        "logit_thresholds": {name: threshold if math.isfinite(threshold) else None for name, threshold in thresholds},
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

"""Blend all complete models, prove the blend on rows it has not seen, and write the submission.

Writes submissions/<competition>/<stack>-<hash8>.csv with a .json that says how it was made, and what the stack predicts to
oof/<competition>/<stack>/, so that it can be a model of another stack.
"""

from typing import TYPE_CHECKING

from pipelines.command import parser, run, say

if TYPE_CHECKING:
    from comp.contribution import Contributions
    from comp.members import Task
    from comp.proof import Proof
    from comp.resampling import Estimate
    from comp.rows import Rows
    from comp.stacking import Recipe, Stack
    from pipelines.stack_inputs import Inputs

SMALL = 500_000  # cells (models x rows x classes) below which starting processes costs more than it saves


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="stack these (default: all complete ones)")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    arguments.add_argument("--workers", type=int, metavar="N", help="processes that fit side by side (default: one a core)")
    options = arguments.parse_args()

    from comp.folds import HOLDOUT
    from comp.paths import config
    from comp.proof import prove
    from comp.stacking import load_recipe
    from comp.workers import cores
    from pipelines.stack_inputs import load_task, read_inputs
    from pipelines.stack_table import contribution_table, table

    recipe = load_recipe(config("stacks", options.stack))
    task = load_task(options.competition)
    inputs = read_inputs(task, options.models, options.stack)
    in_folds = task.folds.fold != HOLDOUT
    rows = inputs.rows(task, in_folds, recipe.features)
    models = "1 model" if len(inputs.models) == 1 else f"{len(inputs.models)} models"
    say(f"stacking {models} on {len(rows)} rows in {task.folds.count} folds: {', '.join(inputs.models)}\n")
    known = None if all(member.imported for member in inputs.members) else task.folds.known()[in_folds]
    workers = options.workers or (1 if rows.logits.size < SMALL else cores())
    proof = prove(rows, recipe, known, models=inputs.models, substacks=inputs.substacks, workers=workers)
    say(table(proof, recipe, len(rows), len(task.test_ids)) + "\n")
    found = contributed(rows.only(inputs.models), proof, recipe, workers) if recipe.members and not inputs.substacks else None
    if found:
        say(contribution_table(found, recipe) + "\n")
    elif len(inputs.models) == 1:
        say("one model: every blend is this model again, and only the threshold rules differ")
    write(inputs, task, rows, proof, recipe, options.stack, found)


def contributed(rows: "Rows", proof: "Proof", recipe: "Recipe", workers: int) -> "Contributions | None":
    """What each model contributes, with the chosen threshold rule; None for an only model."""
    from comp.contribution import contributions

    if not recipe.members or len(rows.models) == 1:
        return None
    rule = recipe.thresholds[proof.chosen % len(recipe.thresholds)]
    return contributions(rows, recipe, recipe.members, rule, workers)


def write(inputs: "Inputs", task: "Task", rows: "Rows", proof: "Proof", recipe: "Recipe", name: str, found: "Contributions | None") -> None:
    """Decide about the test rows; write the submission, its explanation, and the stack's own predictions."""
    from dataclasses import replace

    import numpy as np

    from comp.shift import estimate
    from comp.submission import write_submission
    from pipelines.stack_explanation import curves, explanation, numbers, shift_of_classes
    from pipelines.stack_inputs import write_own_predictions
    from pipelines.stack_table import shift_lines

    test = inputs.test_rows(task, recipe.features)
    if copies := len(test) - len(np.unique(test.groups)):
        say(f"{task.paths.test_duplicates()}: {copies} test images are near-duplicates of others, and get their mean predictions")
    blend = proof.stack.blended(test)
    stack = for_means(inputs, task, proof.stack, recipe, blend)
    shift = estimate(rows.blended(proof.chosen_blend), blend)
    for line in shift_lines(shift, task.competition.classes, corrected=recipe.shift):
        say(line)
    deciding = replace(stack, thresholds=shift.corrected(stack.thresholds)) if recipe.shift else stack
    decisions, empty = deciding.decide(blend)
    sidecar = explanation(inputs, task, proof, deciding, recipe, found) | {"stack": name, "filled": int(empty.sum())}
    if held := score_holdout(inputs, task, stack, recipe):
        sidecar["holdout"] = numbers(held)
    sidecar |= {"shift": shift_of_classes(task, shift), "curves": curves(task, proof)}
    write_own_predictions(inputs, task, proof, recipe, name, blend)
    labels = task.competition.labels.strings(decisions)
    path = write_submission(task.paths.submissions(), name, task.test_ids, labels, task.competition, sidecar)
    say(f"{path}: {len(labels)} rows, {empty.sum()} of them empty and filled with their most likely class (highest above its threshold)")


def for_means(inputs: "Inputs", task: "Task", stack: "Stack", recipe: "Recipe", blend: "Rows") -> "Stack":
    """The stack with thresholds for test predictions that are means over folds; itself where they are not."""
    from dataclasses import replace

    import numpy as np

    from comp.fold_means import matched

    if inputs.folds == 1:
        return stack
    singles = [stack.blended(inputs.test_rows(task, recipe.features, fold)).logits[0] for fold in range(inputs.folds)]
    thresholds = matched(stack.thresholds, singles, blend.logits[0])
    finite = np.isfinite(stack.thresholds)
    moved = np.abs(thresholds[finite] - stack.thresholds[finite]).mean()
    say(f"test predictions are means of {inputs.folds} folds, labelled ones of one: thresholds moved by {moved:.2f} logits on average")
    return replace(stack, thresholds=thresholds)


def score_holdout(inputs: "Inputs", task: "Task", stack: "Stack", recipe: "Recipe") -> "Estimate | None":
    """Macro F1 on the hold-out, which nothing was trained or tuned on; None where there is none or a member did not predict it."""
    import numpy as np

    from comp.folds import HOLDOUT
    from comp.resampling import GroupBootstrap

    held = task.folds.fold == HOLDOUT
    if not held.any():
        return None
    if silent := [member.name for member in inputs.members if np.isnan(member.train[held]).any()]:
        say(f"hold-out not scored: {', '.join(silent)} did not predict its {held.sum()} rows")
        return None
    rows = inputs.rows(task, held, recipe.features)
    decisions, _ = stack.decide(stack.blended(rows))
    found = GroupBootstrap(rows.known_labels, rows.groups, recipe.bootstraps, recipe.seed).score(decisions).estimate
    say(f"hold-out, {len(rows)} rows: {found.value:.4f} +- {found.error:.4f}")
    return found


if __name__ == "__main__":
    run(main)

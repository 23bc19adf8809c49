"""Blend all complete models, prove the blend on rows it has not seen, and write the submission.

Writes submissions/<competition>/<stack>-<hash8>.csv with a .json that says how it was made, and what the stack predicts to
oof/<competition>/<stack>/, so that it can be a model of another stack.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipelines.command import parser, positive, run, say

if TYPE_CHECKING:
    from comp.contribution import Contributions
    from comp.proof import Proof
    from comp.resampling import Estimate
    from comp.rows import Rows
    from comp.shift import LabelShift
    from comp.stacking import Recipe, Stack
    from pipelines.stack_inputs import Inputs

MOST_WORKERS = 4  # half a GB each at the size of the competition
SMALL = 500_000  # cells (models x rows x classes) below which starting processes costs more than it saves


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="stack these (default: all complete ones)")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    arguments.add_argument("--workers", type=positive, metavar="N", help="processes that fit side by side (default: one a core, at most 4)")
    options = arguments.parse_args()

    import numpy as np

    from comp.folds import HOLDOUT
    from comp.paths import config
    from comp.proof import prove
    from comp.stacking import load_recipe
    from comp.workers import cores
    from pipelines.stack_inputs import load_task, read_inputs
    from pipelines.stack_table import contribution_table, table

    recipe = load_recipe(config("stacks", options.stack))
    inputs = read_inputs(load_task(options.competition), [model for model in options.models if model], options.stack, recipe)
    task = inputs.task
    in_folds = task.folds.fold != HOLDOUT
    rows = inputs.rows(in_folds, recipe.features)
    test = inputs.test_rows(recipe.features)
    if copies := len(test) - len(np.unique(test.groups)):
        say(f"{task.paths.test_duplicates()}: {copies} of {len(test)} test images copy others, and get mean predictions with them")
    models = "1 model" if len(inputs.models) == 1 else f"{len(inputs.models)} models"
    say(f"stacking {models} on {len(rows)} rows in {task.folds.count} folds: {', '.join(inputs.models)}\n")
    known = None if all(member.imported for member in inputs.members) else task.folds.known()[in_folds]
    workers = options.workers or (1 if rows.logits.size < SMALL else min(cores(), MOST_WORKERS))
    proof = prove(rows, recipe, known, models=inputs.models, substacks=inputs.substacks, workers=workers)
    say(table(proof, recipe, len(rows), len(task.test_ids)) + "\n")
    found = contributed(rows, proof, recipe, inputs, workers)
    if found:
        say(contribution_table(found, recipe) + "\n")
    write(inputs, rows, test, proof, recipe, options.stack, found)


def contributed(rows: "Rows", proof: "Proof", recipe: "Recipe", inputs: "Inputs", workers: int) -> "Contributions | None":
    """What each model contributes, with the chosen threshold rule; None where nobody asks, for an only model, and with stacks."""
    from comp.contribution import contributions

    if len(inputs.models) == 1:
        say("one model: there is nothing to mix, and hardly more than the threshold rules differ")
    elif recipe.members and inputs.substacks:
        say("contributions: not measured, because a model is a stack")
    elif recipe.members:
        rule = recipe.thresholds[proof.chosen % len(recipe.thresholds)]
        return contributions(rows.only(inputs.models), recipe, recipe.members, rule, workers)
    return None


def write(inputs: "Inputs", rows: "Rows", test: "Rows", proof: "Proof", recipe: "Recipe", name: str, found: "Contributions | None") -> None:
    """Decide about the test rows; write the submission, its explanation, and the stack's own predictions."""
    from comp.submission import write_submission
    from pipelines.stack_explanation import curves, explanation, numbers, shift_of_classes
    from pipelines.stack_inputs import write_own_predictions
    from pipelines.stack_table import shift_lines

    task = inputs.task
    for_test = stacks_for_test(inputs, rows, test, proof, recipe)
    for line in shift_lines(for_test.shift, task.classes.names, corrected=recipe.shift):
        say(line)
    if inputs.folds > 1:
        moved_by = distance(proof.stack, for_test.unshifted)
        say(f"test predictions are means of {inputs.folds} folds, labelled ones of one: thresholds moved by {moved_by:.2f} on average")
    decisions, empty = for_test.deciding.decide(for_test.blend)
    sidecar = explanation(inputs, proof, for_test.deciding, recipe, found) | {"stack": name, "filled": int(empty.sum())}
    if held := score_holdout(inputs, for_test.unshifted, recipe):
        sidecar["holdout"] = numbers(held)
    sidecar |= {"shift": shift_of_classes(task, for_test.shift), "curves": curves(task, proof)}
    write_own_predictions(inputs, proof, recipe, name, for_test.blend)
    if left := len(task.competition.classes) - len(task.classes):
        sidecar["note"] = note_of_a_part(proof, len(task.classes), left)
    labels = task.classes.strings(decisions)
    path = write_submission(task.paths.submissions(), name, task.test_ids, labels, task.competition, sidecar)
    say(f"{path}: {len(labels)} rows, {empty.sum()} of them empty and filled with their most likely class (highest above its threshold)")
    if "note" in sidecar:
        say(sidecar["note"])


@dataclass(frozen=True)
class ForTest:
    """A proven stack, ready to decide about test rows.

    Attributes:
        blend: the test rows as it sees them, means over folds.
        unshifted: the stack with thresholds for means over folds.
        deciding: the same, corrected for the label shift where the recipe asks for it.
    """

    blend: "Rows"
    shift: "LabelShift"
    unshifted: "Stack"
    deciding: "Stack"


def stacks_for_test(inputs: "Inputs", rows: "Rows", test: "Rows", proof: "Proof", recipe: "Recipe") -> ForTest:
    """Fit the stack's thresholds to the test rows' means over folds, and to their label shift."""
    from comp.rows import Rows
    from comp.shift import estimate

    blend = proof.stack.blended(test)
    singles = [proof.stack.blended(inputs.test_rows(recipe.features, fold)) for fold in range(inputs.folds)]
    shift = estimate(rows.blended(proof.chosen_blend), Rows.joined(singles))
    unshifted = for_means(proof.stack, singles, blend)
    moved = replace(proof.stack, thresholds=shift.corrected(proof.stack.thresholds))
    return ForTest(blend, shift, unshifted, for_means(moved, singles, blend) if recipe.shift else unshifted)


def note_of_a_part(proof: "Proof", classes: int, left: int) -> str:
    """What to know of a submission that holds labels of some classes, where `left` more count 0 in the competition's score."""
    whole = classes + left
    expected = proof.nested.value * classes / whole
    return f"labels of {classes} of {whole} classes only: over all {whole}, of which the other {left} count 0, expect {expected:.4f}"


def for_means(stack: "Stack", singles: "list[Rows]", mean: "Rows") -> "Stack":
    """The stack with thresholds for blends of means over folds, of which `singles` are those of each fold."""
    from comp.fold_means import matched

    return replace(stack, thresholds=matched(stack.thresholds, [single.logits[0] for single in singles], mean.logits[0]))


def distance(one: "Stack", other: "Stack") -> float:
    """The mean absolute difference of the thresholds of classes that are ever predicted, in logits."""
    import numpy as np

    finite = np.isfinite(one.thresholds)
    return float(np.abs(one.thresholds[finite] - other.thresholds[finite]).mean())


def score_holdout(inputs: "Inputs", stack: "Stack", recipe: "Recipe") -> "Estimate | None":
    """Macro F1 on the hold-out, which nothing was trained or tuned on; None where there is none or a member did not predict it."""
    import numpy as np

    from comp.folds import HOLDOUT
    from comp.resampling import GroupBootstrap

    held = inputs.task.folds.fold == HOLDOUT
    if not held.any():
        return None
    if silent := [member.name for member in inputs.members if np.isnan(member.train[held]).any()]:
        say(f"hold-out not scored: {', '.join(silent)} did not predict its {held.sum()} rows")
        return None
    rows = inputs.rows(held, recipe.features)
    decisions, _ = stack.decide(stack.blended(rows))
    found = GroupBootstrap(rows.known_labels, rows.groups, recipe.bootstraps, recipe.seed).score(decisions).estimate
    say(f"hold-out, {len(rows)} rows: {found:.4f}")
    return found


if __name__ == "__main__":
    run(main)

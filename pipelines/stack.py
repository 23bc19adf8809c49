"""Blend all complete models, evaluate the blend by nested cross-validation, and write the submission.

Writes submissions/<competition>/<stack>-<hash8>.csv, beside it a .json that says how it was made and a .txt with the full tables. The
stack's own predictions go to oof/<competition>/<stack>/, so that it can be a model of another stack, and beside them fitted.json: the
finished stack, with everything it fitted.
"""

from comp.base.command_line import positive
from comp.base.paths import config
from comp.base.processes import cores
from comp.base.progress import say
from comp.folds.fold_map import HOLDOUT
from comp.folds.group_check import other_groups
from comp.predictions.settings_checks import changed_settings
from comp.predictions.task import load_task
from comp.stacking.evaluation import evaluate
from comp.stacking.expectation import expect, has_few_groups, score_of_halves
from comp.stacking.explanation import explanation
from comp.stacking.final_stack import final_stack, score_holdout, to_keep
from comp.stacking.fitted_stack import write_fitted
from comp.stacking.inputs import read_inputs
from comp.stacking.leaks import leaking
from comp.stacking.recipe import load_recipe
from comp.stacking.report import StackReport, ablation_of
from comp.stacking.saved_stack import write_stack
from comp.stacking.summary import summary
from comp.stacking.tables import details
from comp.stacking.test_duplicates import what_is_averaged
from comp.submission.submission import write_submission
from pipelines.command import parser, run

MOST_WORKERS = 4  # half a GB each at the size of the competition
SMALL = 500_000  # cells (models x rows x classes) below which starting processes costs more than it saves


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="*", default=[], metavar="NAME", help="stack these (default: all complete ones)")
    arguments.add_argument("--stack", default="default", metavar="NAME", help="a YAML of configs/stacks (default: default)")
    arguments.add_argument("--workers", type=positive, metavar="N", help="processes that fit candidates (default: one a core, at most 4)")
    arguments.add_argument("--details", action="store_true", help="print the full tables, which the .txt holds, too")
    options = arguments.parse_args()

    recipe = load_recipe(config("stacks", options.stack))
    inputs = read_inputs(load_task(options.competition), [model for model in options.models if model], options.stack, recipe)
    task = inputs.task
    in_folds = task.folds.fold != HOLDOUT
    labelled, test = inputs.labelled(in_folds, recipe.features), inputs.on_test(recipe.features)
    if line := other_groups(task.competition, task.paths, task.folds):
        say(line)
    if line := what_is_averaged(task.competition, task.paths, test.groups):
        say(line)
    for line in changed_settings(task, [member.name for member in inputs.members]):
        say(line)
    models = "1 model" if len(inputs.models) == 1 else f"{len(inputs.models)} models"
    say(f"stacking {models} on {len(labelled)} rows in {task.folds.count} folds: {', '.join(inputs.models)}")
    known = None if all(member.imported for member in inputs.members) else task.folds.known()[in_folds]
    workers = options.workers or (1 if labelled.logits.size < SMALL else min(cores(), MOST_WORKERS))
    evaluation = evaluate(labelled, recipe, known, models=inputs.models, substacks=inputs.substacks, workers=workers)
    ablation = ablation_of(labelled, inputs, evaluation, recipe, workers)
    final = final_stack(inputs, labelled, test, evaluation, recipe)
    holdout = score_holdout(inputs, final.unshifted, recipe)
    halved = has_few_groups(labelled.groups) and not inputs.substacks
    halves = score_of_halves(labelled, recipe, workers) if halved else None
    expectation = expect(evaluation, labelled, len(test), recipe, halves)
    leaks = leaking(inputs.members, task.labels, in_folds, final.shift.moves != 0)
    report = StackReport(options.stack, recipe, inputs, evaluation, ablation, final, holdout, expectation, leaks)

    write_stack(task, options.stack, recipe, inputs.files, evaluation.blend, final.blend.logits[0])
    write_fitted(task.paths.fitted_stack(options.stack), to_keep(inputs, options.stack, recipe, final.stack))
    labels, text = dict(zip(task.test_ids, task.classes.strings(final.decisions), strict=True)), details(report)
    stem = task.paths.submissions() / options.stack
    path = write_submission(stem, labels, task.competition, explanation(report), text, needs_labels=task.needs_labels)
    if options.details:
        say("\n" + text)
    say("\n" + "\n".join(summary(report, path)))


if __name__ == "__main__":
    run(main)

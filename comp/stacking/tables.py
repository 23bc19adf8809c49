"""The details of a stack as text: all candidates, the models' contributions, the hold-out, label shift."""

from collections.abc import Sequence

import numpy as np

from comp.base.text_table import aligned
from comp.metrics.bootstrap import Estimate, smallest_difference
from comp.stacking.evaluation import CandidateEvaluation, Evaluation
from comp.stacking.expectation import lines_of
from comp.stacking.final_stack import HoldoutScore
from comp.stacking.label_shift import LabelShift
from comp.stacking.leaks import leak_line
from comp.stacking.model_ablation import ModelAblation
from comp.stacking.recipe import Recipe, title
from comp.stacking.report import StackReport
from comp.stacking.summary import ranked, why

FEW = 8  # with up to so many candidates, all are shown
NOTES = """nested: macro F1 on folds that the candidate was not fitted on, +- standard error over groups; in-sample: on its own rows.
over X: paired gain over blender X with its best threshold rule.
chosen: how many outer folds chose the candidate; each outer fold makes its own choice. The score of these choices is the line
"full pipeline": the score to expect on new rows of the same kind.
Errors and intervals resample groups with fitted weights and thresholds held fixed, so they are somewhat too small."""


def details(report: StackReport) -> str:
    """Everything the table and its notes say of a stack."""
    task, inputs = report.inputs.task, report.inputs
    folds, models = task.folds.count, ", ".join(inputs.models)
    classes = f"{len(task.classes)} of {len(task.competition.classes)}" if report.missing_classes else f"all {len(task.classes)}"
    blocks = [f"stack {report.name} of {models}\n{report.rows} rows in {folds} folds, macro F1 over {classes} classes", table(report)]
    if report.ablation:
        blocks.append(ablation_table(report.ablation, report.recipe))
    elif len(inputs.models) == 1:
        blocks.append("one model: there is nothing to blend, candidates differ mostly in their threshold rules")
    elif report.recipe.ablation:
        blocks.append("model ablation: not measured, because a model is a stack")
    lines = shift_lines(report.final.shift, task.classes.names, corrected=report.recipe.shift)
    if inputs.networks > 1:
        lines.append(
            f"test predictions average {inputs.networks} folds; "
            f"thresholds were shifted by {report.final.threshold_change:.2f} logits on average to match"
        )
    if report.holdout:
        lines.append(holdout_line(report.holdout))
    lines.append(f"{report.test_rows} test rows; {report.final.note_on_empty}")
    if report.subset_note:
        lines.append(report.subset_note)
    if report.leaking:
        lines.append(leak_line(", ".join(report.leaking)))
    return "\n\n".join([*blocks, "\n".join(lines)])


def table(report: StackReport) -> str:
    """One line per candidate, then the full pipeline, then the choice and the reason for it."""
    evaluation = report.evaluation
    folds = sum(one.chosen_in for one in evaluation.candidates)
    references = list(evaluation.gains)
    lines = [["", "nested", "in-sample", *(f"over {name}" for name in references), "chosen"]]
    shown = _shown(evaluation)
    for one in shown:
        gains = [_gain(one.gains[name]) for name in references]
        lines.append([_name(one), f"{one.nested:.4f}", f"{one.in_sample:.4f}", *gains, f"{one.chosen_in}/{folds}"])
    gains = [_gain(evaluation.gains[name]) for name in references]
    lines.append(["full pipeline", f"{evaluation.nested:.4f}", f"{evaluation.in_sample:.4f}", *gains, ""])
    text = aligned(lines)
    text.insert(-1, "-" * len(text[0]))
    if hidden := len(evaluation.candidates) - len(shown):
        text.append(f"Shown: each blender with its best threshold rule, and the chosen candidate. {hidden} more are in the .json.")
    return "\n".join([*text, NOTES, "", *_verdict(report)])


def ablation_table(ablation: ModelAblation, recipe: Recipe) -> str:
    """What each model contributes, which models hurt, and how few are enough."""
    lines = [["model", "alone", "adds", "most similar"]]
    for one in sorted(ablation.models, key=lambda one: -one.adds.value):
        similar = f"{one.most_similar} {one.correlation:.2f}" if one.most_similar else "-"
        lines.append([one.model, f"{one.alone:.4f}", _gain(one.adds), similar])
    hurting = [one.model for one in ablation.models if one.hurts]
    cheapest = ablation.cheapest
    return "\n".join(
        [
            *aligned(lines),
            f"nested macro F1 with the blender {title(recipe.ablation or {})}; adds: all models minus all other models;",
            "most similar: highest mean correlation of probabilities.",
            f"models that lower the score by more than 1 standard error: {', '.join(hurting) or 'none'}",
            f"{len(cheapest.models)} of {len(ablation.models)} models are within 1 standard error of the best subset "
            f"({cheapest.nested:.4f}): {' '.join(cheapest.models)}",
        ]
    )


def shift_lines(shift: LabelShift, classes: Sequence[str], *, corrected: bool) -> list[str]:
    """A warning about classes whose share differs significantly between train and test; empty without any."""
    moved = np.flatnonzero(shift.moves)
    if not len(moved):
        return []
    shares = (f"{classes[int(column)]} {shift.train[column]:.1%} in train, {shift.test[column]:.1%} in test" for column in moved)
    then = "their thresholds are adjusted" if corrected else "thresholds stay; `shift: true` in the stack's YAML adjusts them"
    return [f"label shift, estimated from the test predictions: {'; '.join(shares)}", f"  {then}"]


def holdout_line(holdout: HoldoutScore) -> str:
    if holdout.score:
        return f"hold-out, {holdout.rows} rows: {holdout.score:.4f}"
    return f"hold-out not scored: {', '.join(holdout.missing)} did not predict its {holdout.rows} rows"


def _shown(evaluation: Evaluation) -> list[CandidateEvaluation]:
    if len(evaluation.candidates) <= FEW:
        return list(evaluation.candidates)
    best: dict[str, CandidateEvaluation] = {}
    for one in evaluation.candidates:
        if one.blender not in best or one.nested.value > best[one.blender].nested.value:
            best[one.blender] = one
    kept = [*best.values(), evaluation.candidates[evaluation.chosen]]
    return [one for one in evaluation.candidates if any(one is other for other in kept)]


def _verdict(report: StackReport) -> list[str]:
    evaluation = report.evaluation
    low, high = evaluation.nested.interval
    lines = [
        f"expect {evaluation.nested.value:.4f}, 95 % interval {low:.4f} to {high:.4f}; the in-sample score is {evaluation.in_sample:.4f}",
        *lines_of(report.expectation, report.inputs.networks, report.test_rows),
        f"chosen on all rows: {_name(report.chosen)} ({why(report)})",
    ]
    lines += [f"weights: {ranked(weights)}" for weights in evaluation.stack.weights]
    lines += [
        f"in-sample minus nested F1 of {size.classes} classes with {size.size} images: {size.in_sample - size.nested:+.3f}"
        for size in report.chosen.optimism
    ]
    for subset in evaluation.row_subsets:
        score = f"{subset.name} groups: {subset.nested:.4f} on {subset.rows} rows"
        lines.append(f"{score}, over the {subset.classes} classes that both known and new groups have")
    for name, gain in evaluation.gains.items():
        if least := smallest_difference(gain, report.rows, report.test_rows):
            lines.append(
                f"full pipeline against {name} on {report.test_rows} test rows: differences below {least:.3f} are within noise (95 %)"
            )
    return lines


def _name(candidate: CandidateEvaluation) -> str:
    return f"{candidate.blender} + {candidate.rule}"


def _gain(estimate: Estimate) -> str:
    same = estimate.value == 0 == estimate.error
    return "-" if same else f"{estimate:+.4f}"

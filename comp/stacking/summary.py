"""What `make stack` prints at its end: at most ten lines on the submission, the score to expect, the choice and warnings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from comp.metrics.bootstrap import Estimate
from comp.stacking.candidates import SINGLE_MARGIN
from comp.stacking.expectation import averages, few_groups
from comp.stacking.leaks import leak_line
from comp.stacking.report import StackReport

MOST_LINES = 10
MOST_NAMES = 4  # class names in a warning


def summary(report: StackReport, path: Path) -> list[str]:
    """At most ten lines.

    Args:
        path: the submission; its details are in the .txt beside it.
    """
    evaluation, inputs = report.evaluation, report.inputs
    empty = f"; {report.final.note_on_empty}" if report.final.empty.any() else ""
    classes, missing = len(inputs.task.classes), report.missing_classes
    on_test, it_averages = report.expectation.score, averages(inputs.networks)
    over = f" over {classes} of {classes + missing} classes" if missing else ""
    lines = [
        ("submission", f"{path} ({report.test_rows} rows{empty})"),
        ("expected score", f"{evaluation.nested.value:.3f} macro F1{over}, {_interval(evaluation.nested)}: {_of_what(inputs.networks)}"),
        ("test set", f"{on_test.value:.3f}{over}, {_interval(on_test)}: the submission on {report.test_rows} rows like these{it_averages}"),
    ]
    if report.best_single:
        score, model = report.best_single
        lines.append(("best single", f"{score.value:.3f}, {_interval(score)}: {model}"))
    lines.append(("chosen", f"{report.chosen.blender} + {report.chosen.rule} thresholds: {why(report)}"))
    lines.append(("models", _models(report)))
    if report.holdout and report.holdout.score:
        lines.append(("hold-out", f"{report.holdout.score.value:.3f} macro F1 on {report.holdout.rows} rows that nothing was tuned on"))
    found = warnings(report)
    room = MOST_LINES - len(lines) - 1
    if len(found) > room:
        found = [*found[: room - 1], f"{len(found) - room + 1} more, see the details"]
    lines += [("warnings" if number == 0 else "", text) for number, text in enumerate(found)]
    lines.append(("details", f"{path.with_suffix('.txt')} (DETAILS=1 prints them here)"))
    return [f"{name:<15}{text}" for name, text in lines]


def warnings(report: StackReport) -> list[str]:
    """What a competitor should know before submitting, the most important first."""
    found = []
    if report.subset_note:
        found.append(report.subset_note)
    if report.leaking:
        found.append(leak_line(_listed(report.leaking)))
    if report.evaluation.row_subsets:
        known, new = report.evaluation.row_subsets
        if known.nested.value - new.nested.value > 2 * np.hypot(known.nested.error, new.nested.error):
            found.append(f"new groups score far lower: {new.nested.value:.3f} (known groups: {known.nested.value:.3f})")
    if few := few_groups(report.expectation):
        found.append(few)
    shift, names = report.final.shift, report.inputs.task.classes.names
    if moved := [names[column] for column in np.flatnonzero(shift.moves)]:
        then = "thresholds are adjusted" if report.recipe.shift else "`shift: true` in the stack's YAML adjusts thresholds"
        found.append(f"label shift between train and test in {_listed(moved)}: {then}")
    if report.holdout and report.holdout.missing:
        found.append(f"hold-out not scored: {_listed(report.holdout.missing)} did not predict its {report.holdout.rows} rows")
    if hurting := [one.model for one in report.ablation.models if one.hurts] if report.ablation else []:
        found.append(f"models that lower the score in the model ablation: {_listed(hurting)}")
    return found


def ranked(weights: Mapping[str, float]) -> str:
    """The models with their weights, the largest first."""
    order = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{model} {weight:.2f}" for model, weight in order if weight)


def _of_what(networks: int) -> str:
    return f"the mean{' of single-fold networks' if networks > 1 else ''} on rows like these (nested cross-validation)"


def _interval(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"95 % interval {low:.3f} to {high:.3f}"


def why(report: StackReport) -> str:
    """Why the chosen candidate was chosen."""
    least = report.recipe.min_gain_se
    if len(report.evaluation.candidates) == 1:
        return "the only candidate"
    if not least:
        return "the best candidate"
    if report.is_single:
        return f"a single model, more than {_errors(SINGLE_MARGIN * least)} ahead of every blend"
    return f"the first blend in order of preference within {_errors(least)} of the best"


def _errors(number: float) -> str:
    """ "1 standard error", "2 standard errors"."""
    return f"{number:g} standard error{'' if number == 1 else 's'}"


def _models(report: StackReport) -> str:
    weights = report.evaluation.stack.weights
    if len(weights) == 1:
        return ranked(weights[0])
    used = {model for each in weights for model, weight in each.items() if weight}
    return ", ".join(sorted(used) or report.inputs.models)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more

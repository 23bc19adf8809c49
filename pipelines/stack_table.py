"""The tables that explain a stack on a terminal."""

from collections.abc import Mapping, Sequence

import numpy as np

from comp.contribution import Contributions
from comp.proof import CandidateProof, Proof
from comp.resampling import Estimate, smallest_difference
from comp.shift import LabelShift
from comp.stacking import Recipe, title

FEW = 8  # candidates, up to which all are shown
NOTES = """nested: macro F1 on folds not fitted on, +- standard error over groups; in-sample: what the same would claim on its own rows.
over ...: paired gain over that blender, at whichever threshold rule serves it best.
chosen: by how many outer folds, each of which chooses anew; what these choices score is the procedure's line,
and the number to expect of new rows drawn like these.
errors and intervals resample groups with fitted weights and thresholds held fixed, so they are somewhat narrow."""


def table(proof: Proof, recipe: Recipe, rows: int, test_rows: int) -> str:
    """A line a candidate, the whole procedure below, then what was chosen and why."""
    folds = sum(one.chosen_in for one in proof.candidates)
    references = list(proof.over)
    lines = [["", "nested", "in-sample", *(f"over {name}" for name in references), "chosen"]]
    shown = _shown(proof)
    for one in shown:
        gains = [_gain(one.over[name]) for name in references]
        lines.append([_name(one), f"{one.nested:.4f}", f"{one.in_sample:.4f}", *gains, f"{one.chosen_in}/{folds}"])
    lines.append(["procedure", f"{proof.nested:.4f}", f"{proof.in_sample:.4f}", *(_gain(proof.over[name]) for name in references), ""])
    drawn = aligned(lines)
    drawn.insert(-1, "-" * len(drawn[0]))
    if hidden := len(proof.candidates) - len(shown):
        drawn.append(f"of each blender its best threshold rule in hindsight, and what was chosen; {hidden} more are in the .json.")
    return "\n".join([*drawn, NOTES, "", *_verdict(proof, recipe, rows, test_rows)])


def contribution_table(found: Contributions, recipe: Recipe) -> str:
    """What each model contributes, which ones hurt, and how few would do."""
    lines = [["model", "alone", "adds", "most like"]]
    for one in sorted(found.models, key=lambda one: -one.adds.value):
        twin = f"{one.twin} {one.correlation:.2f}" if one.twin else "-"
        lines.append([one.model, f"{one.alone:.4f}", _gain(one.adds), twin])
    hurt = [one.model for one in found.models if one.hurts]
    cheapest = found.cheapest
    return "\n".join(
        [
            *aligned(lines),
            f"nested scores of the blender {title(recipe.members or {})}; adds: all models minus all others;",
            "most like: highest mean correlation of probabilities.",
            f"hurt by more than one s.e.: {', '.join(hurt) or 'none'}",
            f"{len(cheapest.models)} of {len(found.models)} models are within one s.e. of the best subset ({cheapest.nested:.4f}): "
            + " ".join(cheapest.models),
        ]
    )


def shift_lines(shift: LabelShift, classes: Sequence[str], *, corrected: bool) -> list[str]:
    """A warning of the classes whose share differs significantly between train and test; nothing without any."""
    moved = np.flatnonzero(shift.moves)
    if not len(moved):
        return []
    shares = (f"{classes[int(column)]} {shift.train[column]:.1%}, now {shift.test[column]:.1%}" for column in moved)
    then = "their thresholds follow it" if corrected else "thresholds stay; `shift: true` in the stack's YAML lets them follow"
    return [f"label shift, estimated from the test predictions: {'; '.join(shares)}", f"  {then}"]


def aligned(lines: list[list[str]]) -> list[str]:
    """Columns of equal width, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]


def _shown(proof: Proof) -> list[CandidateProof]:
    if len(proof.candidates) <= FEW:
        return list(proof.candidates)
    best: dict[str, CandidateProof] = {}
    for one in proof.candidates:
        if one.blender not in best or one.nested.value > best[one.blender].nested.value:
            best[one.blender] = one
    kept = [*best.values(), proof.candidates[proof.chosen]]
    return [one for one in proof.candidates if any(one is other for other in kept)]


def _verdict(proof: Proof, recipe: Recipe, rows: int, test_rows: int) -> list[str]:
    low, high = proof.nested.interval
    chosen = proof.candidates[proof.chosen]
    why = f"the first in order that the best one does not beat by more than {recipe.promote:g} paired s.e."
    lines = [
        f"expect {proof.nested.value:.4f}, 95 % interval {low:.4f} to {high:.4f}; in-sample it would have claimed {proof.in_sample:.4f}",
        f"chosen on all rows: {_name(chosen)} ({why})",
    ]
    lines += [f"weights: {_ranked(weights)}" for weights in proof.stack.weights]
    lines += [
        f"in-sample minus nested F1 of {size.classes} classes with {size.size} images: {size.in_sample - size.nested:+.3f}"
        for size in chosen.optimism
    ]
    for part in proof.parts:
        lines.append(f"{part.name} groups: {part.nested:.4f} on {part.rows} rows, over the {part.classes} classes that both kinds have")
    for name, gain in proof.over.items():
        if least := smallest_difference(gain, rows, test_rows):
            lines.append(f"on {test_rows} test rows, the procedure and {name} differ by mere chance up to {least:.3f} (95 %)")
    return lines


def _ranked(weights: Mapping[str, float]) -> str:
    ranked = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{model} {weight:.2f}" for model, weight in ranked if weight)


def _name(candidate: CandidateProof) -> str:
    return f"{candidate.blender} + {candidate.rule}"


def _gain(estimate: Estimate) -> str:
    same = estimate.value == 0 == estimate.error
    return "-" if same else f"{estimate:+.4f}"

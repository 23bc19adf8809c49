"""The table that explains a stack on a terminal."""

from comp.proof import CandidateProof, Proof
from comp.resampling import Estimate
from comp.stacking import Recipe

NOTES = """nested: macro F1 on folds not fitted on, +- standard error over groups; in-sample: what the same would claim on its own rows.
over ...: paired gain over that blender, at whichever threshold rule serves it best.
procedure: the choice between candidates made anew within each fold; the number to expect of new rows drawn like these.
errors and intervals resample groups with fitted weights and thresholds held fixed, so they are somewhat narrow."""


def table(proof: Proof, recipe: Recipe) -> str:
    """A line a candidate, the whole procedure below, then what was chosen and why."""
    folds = sum(one.chosen_in for one in proof.candidates)
    references = list(proof.over)
    lines = [["", "nested", "in-sample", *(f"over {name}" for name in references), "chosen by"]]
    for one in proof.candidates:
        gains = [_gain(one.over[name]) for name in references]
        lines.append([_name(one), _score(one.nested), f"{one.in_sample:.4f}", *gains, f"{one.chosen_in} of {folds} folds"])
    lines.append(["procedure", _score(proof.nested), f"{proof.in_sample:.4f}", *(_gain(proof.over[name]) for name in references), ""])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    drawn = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]
    drawn.insert(-1, "-" * len(drawn[0]))
    return "\n".join([*drawn, NOTES, "", *_verdict(proof, recipe)])


def _verdict(proof: Proof, recipe: Recipe) -> list[str]:
    low, high = proof.nested.interval
    chosen = proof.candidates[proof.chosen]
    margin = f"by more than {recipe.promote:g} s.e."
    why = f"it beat the simpler one that stood before {margin}" if proof.chosen else f"the simplest; no other beat it {margin}"
    lines = [
        f"expect {proof.nested.value:.4f}, 95 % interval {low:.4f} to {high:.4f}; in-sample it would have claimed {proof.in_sample:.4f}",
        f"chosen on all rows: {_name(chosen)} ({why})",
    ]
    if isinstance(proof.stack.blend, dict):
        weights = sorted(proof.stack.blend.items(), key=lambda item: (-item[1], item[0]))
        lines.append("weights: " + ", ".join(f"{model} {weight:.2f}" for model, weight in weights))
    for part in proof.parts:
        lines.append(f"{part.name} groups: {_score(part.nested)} on {part.rows} rows, over the {part.classes} classes that both kinds have")
    return lines


def _name(candidate: CandidateProof) -> str:
    return f"{candidate.blender} + {candidate.rule}"


def _score(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} +- {estimate.error:.4f}"


def _gain(estimate: Estimate) -> str:
    same = estimate.value == 0 == estimate.error
    return "-" if same else f"{estimate.value:+.4f} +- {estimate.error:.4f}"

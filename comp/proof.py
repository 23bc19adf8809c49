"""The proof: nested cross-validation of everything a stack does, the choice between candidates included.

Whatever decides about a row was fitted and chosen without the row's fold: for every outer fold, each candidate is scored
by cross-validation over the other folds, one is chosen by these scores, fitted on the other folds and applied to the outer
one. The score of these decisions is what the same procedure, run on all folds, promises for new rows. Its interval resamples
these decisions, with fitted weights and thresholds held fixed.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from comp.metrics import macro_f1
from comp.progress import track
from comp.resampling import Estimate, GroupBootstrap, Scored
from comp.rows import Rows
from comp.stacking import Recipe, Stack

Bools = NDArray[np.bool_]
REFERENCES = ("best_single", "mean")  # blenders that the others are held against


@dataclass(frozen=True)
class CandidateProof:
    """One line of the table.

    Attributes:
        nested: macro F1 of its decisions about held-out folds.
        in_sample: macro F1 on the rows it was fitted on.
        over: its gain over each reference, at the threshold rule that serves the reference best.
        chosen_in: how many outer folds chose it.
    """

    blender: str
    rule: str
    nested: Estimate
    in_sample: float
    over: dict[str, Estimate]
    chosen_in: int


@dataclass(frozen=True)
class PartProof:
    """Nested macro F1 on some of the rows, over the classes that all such parts contain."""

    name: str
    rows: int
    classes: int
    nested: Estimate


@dataclass(frozen=True, eq=False)
class Proof:
    """What is known about a stack.

    Attributes:
        nested: macro F1 of the whole procedure: the number to expect.
        over: its gain over each reference.
        chosen: number of the candidate chosen on all rows.
        stack: that candidate, fitted on all rows.
        decisions: (N, C) of the procedure about held-out folds.
        parts: rows of groups (antibodies) that the models were trained on, and the others; empty without both.
    """

    nested: Estimate
    over: dict[str, Estimate]
    candidates: tuple[CandidateProof, ...]
    chosen: int
    stack: Stack
    decisions: Bools
    parts: tuple[PartProof, ...]

    @property
    def in_sample(self) -> float:
        return self.candidates[self.chosen].in_sample


def prove(rows: Rows, recipe: Recipe, known: Bools | None = None) -> Proof:
    """Nested cross-validation of `recipe` over the folds of labelled rows.

    Args:
        known: (N,) rows of groups that the models were trained on (see `Folds.known`); None where nobody can say.

    Raises:
        ValueError: fewer than three folds, or rows without labels.
        ConfigError: the recipe names a part or option that there is not.
    """
    folds = [int(fold) for fold in np.unique(rows.folds)]
    if len(folds) < 3:
        raise ValueError(f"the choice between candidates needs three folds, there are {len(folds)}")
    labels, candidates = rows.known_labels, recipe.candidates()
    shape = (len(candidates.names), *labels.shape)
    in_sample, outer = np.zeros(shape, bool), np.zeros(shape, bool)
    inner = {fold: np.zeros(shape, bool) for fold in folds}  # decisions by stacks that have seen neither `fold` nor the row's own
    for left_out in track([*combinations(folds, 2), *combinations(folds, 1), ()], "nested folds", unit="fit"):
        held = np.isin(rows.folds, left_out) if left_out else np.ones(len(rows), bool)
        stacks = candidates.fit(rows.take(~held) if left_out else rows)
        decided = candidates.decide(stacks, rows.take(held))
        if len(left_out) == 2:
            for fold, other in (left_out, left_out[::-1]):
                inner[fold][:, rows.folds == other] = decided[:, rows.folds[held] == other]
        elif left_out:
            outer[:, held] = decided
        else:
            in_sample = decided

    decisions = np.zeros(labels.shape, bool)
    choices = []
    for fold in folds:
        seen = rows.folds != fold
        bootstrap = _bootstrap(rows, seen, recipe)
        choices.append(choose([bootstrap.score(each[seen]) for each in inner[fold]], recipe.promote))
        decisions[~seen] = outer[choices[-1], ~seen]

    bootstrap = _bootstrap(rows, np.ones(len(rows), bool), recipe)
    procedure, scored = bootstrap.score(decisions), [bootstrap.score(each) for each in outer]
    references = _references(candidates.names, scored)
    chosen = choose(scored, recipe.promote)
    return Proof(
        procedure.estimate,
        {name: procedure.over(reference) for name, reference in references.items()},
        tuple(
            CandidateProof(
                *name,
                scored[number].estimate,
                macro_f1(labels, in_sample[number]),
                {other: scored[number].over(reference) for other, reference in references.items()},
                choices.count(number),
            )
            for number, name in enumerate(candidates.names)
        ),
        chosen,
        stacks[chosen],
        decisions,
        () if known is None else _parts(rows, decisions, known, recipe),
    )


def choose(scored: list[Scored], promote: float) -> int:
    """The candidate that stands, from the simplest on: one replaces it by a gain of more than `promote` standard errors."""
    standing = 0
    for number, candidate in enumerate(scored):
        gain = candidate.over(scored[standing])
        if gain.value > promote * gain.error:
            standing = number
    return standing


def _bootstrap(rows: Rows, some: Bools, recipe: Recipe, classes: Bools | slice = slice(None)) -> GroupBootstrap:
    return GroupBootstrap(rows.known_labels[some][:, classes], rows.groups[some], recipe.bootstraps, recipe.seed)


def _references(names: list[tuple[str, str]], scored: list[Scored]) -> dict[str, Scored]:
    """The best-scoring candidate of each reference blender: in hindsight, so that the stack is not compared with a weak one."""
    found = {}
    for reference in REFERENCES:
        if own := [one for (blender, _), one in zip(names, scored, strict=True) if blender == reference]:
            found[reference] = max(own, key=lambda one: one.value)
    return found


def _parts(rows: Rows, decisions: Bools, known: Bools, recipe: Recipe) -> tuple[PartProof, ...]:
    shared = np.logical_and(rows.known_labels[known].any(axis=0), rows.known_labels[~known].any(axis=0))
    if not shared.any():
        return ()
    found = []
    for name, some in (("known", known), ("new", ~known)):
        scored = _bootstrap(rows, some, recipe, shared).score(decisions[some][:, shared])
        found.append(PartProof(name, int(some.sum()), int(shared.sum()), scored.estimate))
    return tuple(found)

"""The proof: nested, grouped, repeated cross-validation of everything a stack does, the choice between candidates included.

Whatever decides about a row was fitted and chosen without the row's fold: for every outer fold, each candidate is scored
by cross-validation over the other folds, one is chosen by these scores, fitted on the other folds and applied to the outer
one. The score of these decisions is what the same procedure, run on all folds, promises for new rows. Further repeats do the
same with folds dealt anew in whole groups, and scores are means over repeats; the final choice is by these means, and so a little
surer than any of those that were proven. The intervals resample these decisions, with
fitted weights and thresholds held fixed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from comp.metrics import macro_f1, per_class_f1
from comp.nest import FoldSet, Nest, SubStack
from comp.nest_filling import fill, fill_inner
from comp.resampling import Estimate, Scored
from comp.rows import Rows
from comp.stacking import Recipe, Stack, choose
from comp.stratify import deal

Bools = NDArray[np.bool_]
REFERENCES = ("best_single", "mean")  # blenders that the others are held against
SIZES = {"under 60": (1, 59), "60 to 599": (60, 599), "600 and more": (600, np.inf)}  # positives of a class


@dataclass(frozen=True)
class Optimism:
    """Mean F1 of the classes with so many positives, in-sample and nested.

    Attributes:
        size: a key of `SIZES`.
    """

    size: str
    classes: int
    in_sample: float
    nested: float


@dataclass(frozen=True)
class CandidateProof:
    """One line of the table.

    Attributes:
        nested: macro F1 of its decisions about held-out folds.
        in_sample: macro F1 on the rows it was fitted on.
        over: its gain over each reference, at the threshold rule that serves the reference best.
        chosen_in: how many outer folds of all repeats chose it.
        optimism: by class size.
    """

    blender: str
    rule: str
    nested: Estimate
    in_sample: float
    over: dict[str, Estimate]
    chosen_in: int
    optimism: tuple[Optimism, ...]


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
        decisions: (repeats, N, C) of the procedure about held-out folds.
        blend: (N, C) logits of the procedure's blends, each row's without its fold; scales differ where folds chose different blenders.
        thresholds: (folds, C) logits, those of the chosen candidate fitted without each fold.
        chosen_blend: (N, C) logits of the chosen candidate's blend, each row's without its fold.
        parts: rows of groups (antibodies) that the models were trained on, and the others; empty without both.
    """

    nested: Estimate
    over: dict[str, Estimate]
    candidates: tuple[CandidateProof, ...]
    chosen: int
    stack: Stack
    decisions: Bools
    blend: NDArray[np.float32]
    thresholds: NDArray[np.float64]
    chosen_blend: NDArray[np.float32]
    parts: tuple[PartProof, ...]

    @property
    def in_sample(self) -> float:
        return self.candidates[self.chosen].in_sample


def prove(
    rows: Rows,
    recipe: Recipe,
    known: Bools | None = None,
    *,
    models: Sequence[str] = (),
    substacks: Sequence[SubStack] = (),
    workers: int = 1,
) -> Proof:
    """Nested cross-validation of `recipe` over the folds of labelled rows.

    Args:
        rows: of all models, those that only sub-stacks blend included.
        known: (N,) rows of groups that the models were trained on (see `Folds.known`); None where nobody can say.
        models: what is blended, sub-stacks included; without it, all models of `rows`.
        workers: processes that fit side by side.

    Raises:
        ValueError: fewer than three folds, or rows without labels.
        ConfigError: the recipe names a part or option that there is not.
    """
    labels, folds = rows.known_labels, np.unique(rows.folds)
    if len(folds) < 3:
        raise ValueError(f"the choice between candidates needs three folds, there are {len(folds)}")
    dealt = [rows, *(dealt_anew(rows, len(folds), recipe.seed + repeat) for repeat in range(1, recipe.repeats))]
    nests = [Nest(each, recipe, models, substacks) for each in dealt]
    jobs = [(0, nests[0].folds)]
    for number, nest in enumerate(nests):
        jobs += [(number, nest.folds - frozenset(left_out)) for left_out in left_out_sets(nest.folds)]
    fill_inner(nests, workers)
    fill(nests, jobs, workers)

    choices = [{fold: nest.choice(nest.folds - {fold}) for fold in nest.folds} for nest in nests]
    outer = [nest.across(nest.folds) for nest in nests]  # (candidates, N, C) each
    decisions = np.stack([picked(*each) for each in zip(dealt, outer, choices, strict=True)])
    bootstrap = nests[0].bootstrap(np.ones(len(rows), bool))
    procedure = Scored.mean([bootstrap.score(each) for each in decisions])
    scored = [Scored.mean([bootstrap.score(each) for each in repeats]) for repeats in zip(*outer, strict=True)]
    references = _references(nests[0].candidates.names, scored)
    chosen = choose(scored, recipe.promote)
    in_sample = nests[0].decided(nests[0].folds, nests[0].folds)
    sizes = labels.sum(axis=0)
    candidates = []
    for number, name in enumerate(nests[0].candidates.names):
        nested_f1 = np.mean([per_class_f1(labels, repeat[number]) for repeat in outer], axis=0)
        candidates.append(
            CandidateProof(
                *name,
                scored[number].estimate,
                macro_f1(labels, in_sample[number]),
                {other: scored[number].over(reference) for other, reference in references.items()},
                sum([*choice.values()].count(number) for choice in choices),
                _optimism(sizes, per_class_f1(labels, in_sample[number]), nested_f1),
            )
        )
    stacks = {fold: nests[0].complete(chosen, nests[0].folds - {fold}) for fold in sorted(nests[0].folds)}
    return Proof(
        procedure.estimate,
        {name: procedure.over(reference) for name, reference in references.items()},
        tuple(candidates),
        chosen,
        nests[0].complete(chosen, nests[0].folds),
        decisions,
        _blend_across(rows, {fold: nests[0].stack(nests[0].folds - {fold}) for fold in nests[0].folds}),
        np.stack([stack.thresholds for stack in stacks.values()]),
        _blend_across(rows, stacks),
        () if known is None else _parts(nests[0], decisions[0], known),
    )


def left_out_sets(folds: FoldSet) -> list[tuple[int, ...]]:
    """One fold to judge by, or two, the second to choose by; single ones first: they are fitted to more rows."""
    return [*combinations(sorted(folds), 1), *combinations(sorted(folds), 2)]


def dealt_anew(rows: Rows, count: int, seed: int) -> Rows:
    """The same rows in other folds, whole groups together, every fold with its share of every class."""
    group = np.unique(rows.groups, return_inverse=True)[1]
    carried = np.zeros((group.max() + 1, rows.known_labels.shape[1] + 1), np.int64)
    np.add.at(carried, group, np.c_[rows.known_labels, np.ones(len(rows), bool)])
    return replace(rows, folds=deal(carried, np.full(count, 1 / count), np.random.default_rng(seed))[group])


def picked(rows: Rows, decisions: Bools, choice: dict[int, int]) -> Bools:
    """(N, C) of the decisions (candidates, N, C), those of the candidate that each row's fold got."""
    found = np.empty(decisions.shape[1:], bool)
    for fold, number in choice.items():
        found[rows.folds == fold] = decisions[number, rows.folds == fold]
    return found


def _blend_across(rows: Rows, stacks: dict[int, Stack]) -> NDArray[np.float32]:
    """(N, C) what each fold's stack, fitted without the fold, says of its rows."""
    found = np.empty(rows.logits.shape[1:], np.float32)
    for fold, stack in stacks.items():
        found[rows.folds == fold] = stack.blended(rows.take(rows.folds == fold)).logits[0]
    return found


def _references(names: list[tuple[str, str]], scored: list[Scored]) -> dict[str, Scored]:
    """The best-scoring candidate of each reference blender: in hindsight, so that the stack is not compared with a weak one."""
    found = {}
    for reference in REFERENCES:
        if own := [one for (blender, _), one in zip(names, scored, strict=True) if blender == reference]:
            found[reference] = max(own, key=lambda one: one.value)
    return found


def _optimism(sizes: NDArray[np.int64], in_sample: NDArray[np.float64], nested: NDArray[np.float64]) -> tuple[Optimism, ...]:
    found = []
    for name, (least, most) in SIZES.items():
        some = (sizes >= least) & (sizes <= most)
        if some.any():
            found.append(Optimism(name, int(some.sum()), float(in_sample[some].mean()), float(nested[some].mean())))
    return tuple(found)


def _parts(nest: Nest, decisions: Bools, known: Bools) -> tuple[PartProof, ...]:
    labels = nest.rows.known_labels
    shared = np.logical_and(labels[known].any(axis=0), labels[~known].any(axis=0))
    if not shared.any():
        return ()
    found = []
    for name, some in (("known", known), ("new", ~known)):
        scored = nest.bootstrap(some, shared).score(decisions[some][:, shared])
        found.append(PartProof(name, int(some.sum()), int(shared.sum()), scored.estimate))
    return tuple(found)

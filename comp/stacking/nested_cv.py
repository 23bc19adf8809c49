"""Nested cross-validation: whatever decides about a row is fitted and chosen on folds that do not hold the row.

A `NestedCV` fits all candidates on a set of folds, once, and keeps their decisions about the other folds. It chooses between the
candidates by cross-validation within a set of folds. A stack among the models has a nested cross-validation of its own: it is chosen
and fitted again on every set of folds, and the candidates are fitted on its cross-fitted predictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError
from comp.metrics.bootstrap import GroupBootstrap, Scored
from comp.stacking.candidates import choose
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from comp.stacking.stack import Stack

Bools = NDArray[np.bool_]
FoldSet = frozenset[int]


@dataclass(frozen=True)
class SubStack:
    """A stack that is a model of another stack: its recipe and the models it blends."""

    name: str
    recipe: Recipe
    models: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Fitted:
    """All candidates, fitted on some folds.

    Attributes:
        stacks: the fitted candidates.
        bits: (candidates, n, ceil(C / 8)) packed decisions about the n rows outside these folds; about all rows if no fold is outside.
    """

    stacks: list[Stack]
    bits: NDArray[np.uint8]


class NestedCV:
    """Nested cross-validation of a recipe's candidates on labelled predictions.

    Args:
        labelled: predictions of all models, including those that only sub-stacks blend.
        models: the models of the candidates, sub-stacks included; empty: all models of `labelled`.

    Raises:
        ConfigError: the recipe names an unknown blender, rule or option, or there are too few folds for sub-stacks.
    """

    def __init__(self, labelled: PredictionSet, recipe: Recipe, models: Sequence[str] = (), substacks: Sequence[SubStack] = ()) -> None:
        self.labelled, self.recipe = labelled, recipe
        self.candidates = recipe.candidates()
        self.folds: FoldSet = frozenset(np.unique(labelled.folds).tolist())
        self.models = tuple(models or labelled.models)
        self.fitted: dict[FoldSet, Fitted] = {}
        self.choices: dict[FoldSet, int] = {}
        self.inner = {each.name: NestedCV(labelled.only(each.models), each.recipe) for each in substacks}
        if self.inner and len(self.folds) < 4:
            raise ConfigError(f"{len(self.folds)} folds are too few to refit {', '.join(self.inner)} inside", "use four or more")

    def fit(self, kept: FoldSet) -> Fitted:
        """The candidates fitted on the folds `kept`; each set of folds is fitted once."""
        if kept not in self.fitted:
            stacks = self.candidates.fit(self.for_fitting(kept))
            decided = self.candidates.decide(stacks, self.for_deciding(kept, self.labelled.take(self.outside(kept))))
            self.fitted[kept] = Fitted(stacks, np.packbits(decided, axis=-1))
        return self.fitted[kept]

    def outside(self, kept: FoldSet) -> Bools:
        """(N,) the rows outside these folds; all rows if no fold is outside."""
        return ~self.inside(kept) if kept != self.folds else np.ones(len(self.labelled), bool)

    def inside(self, folds: FoldSet) -> Bools:
        """(N,) the rows in these folds."""
        return np.isin(self.labelled.folds, list(folds))

    def for_fitting(self, kept: FoldSet) -> PredictionSet:
        """What candidates are fitted on: the rows of these folds. Each row's sub-stack predictions are fitted without the row's fold."""
        own = self.labelled.take(self.inside(kept))
        added = {}
        for name, nested in self.inner.items():
            added[name] = np.empty(own.logits.shape[1:], np.float32)
            for fold in kept:
                rows = own.folds == fold
                added[name][rows] = nested.stack(kept - {fold}).blended(own.take(rows).only(nested.models)).logits[0]
        return own.with_models(added).only(self.models)

    def for_deciding(self, kept: FoldSet, predictions: PredictionSet) -> PredictionSet:
        """Other rows as input of candidates fitted on these folds: sub-stacks are fitted on these folds too."""
        added = {name: nested.stack(kept).blended(predictions.only(nested.models)).logits[0] for name, nested in self.inner.items()}
        return predictions.with_models(added).only(self.models)

    def decided(self, kept: FoldSet, folds: FoldSet) -> Bools:
        """(candidates, n, C) decisions of the candidates fitted on `kept` about the n rows of other folds, in row order."""
        rows = self.inside(folds)[self.outside(kept)]
        return np.unpackbits(self.fit(kept).bits[:, rows], axis=-1, count=self.labelled.logits.shape[2]).astype(bool)

    def across(self, folds: FoldSet) -> Bools:
        """(candidates, n, C) decisions about the n rows of these folds, each fold by candidates fitted on the others of them."""
        fold_of = self.labelled.folds[self.inside(folds)]
        found = np.empty((len(self.candidates.names), len(fold_of), self.labelled.logits.shape[2]), bool)
        for fold in folds:
            found[:, fold_of == fold] = self.decided(folds - {fold}, frozenset({fold}))
        return found

    def scores(self, folds: FoldSet) -> list[Scored]:
        """Macro F1 of every candidate by cross-validation over these folds."""
        bootstrap = self.bootstrap(self.inside(folds))
        return [bootstrap.score(decisions) for decisions in self.across(folds)]

    def choice(self, kept: FoldSet) -> int:
        """The number of the candidate chosen on these folds. A single fold allows no choice: it gets the first candidate."""
        if kept not in self.choices:
            least, singles = self.recipe.min_gain_se, self.candidates.singles
            self.choices[kept] = choose(self.scores(kept), least, singles) if len(kept) > 1 else 0
        return self.choices[kept]

    def stack(self, kept: FoldSet) -> Stack:
        """The candidate chosen on these folds, fitted on them."""
        return self.complete(self.choice(kept), kept)

    def complete(self, number: int, kept: FoldSet) -> Stack:
        """A candidate fitted on these folds, with its sub-stacks."""
        substacks = {name: nested.stack(kept) for name, nested in self.inner.items()}
        return replace(self.fit(kept).stacks[number], models=self.models, substacks=substacks)

    def bootstrap(self, some: Bools, classes: Bools | slice = slice(None)) -> GroupBootstrap:
        """The resamples for all standard errors on some rows (N,)."""
        labels, recipe = self.labelled.known_labels[some][:, classes], self.recipe
        return GroupBootstrap(labels, self.labelled.groups[some], recipe.bootstraps, recipe.seed)

"""The nest: whatever decides about a row is fitted and chosen on folds that do not hold it.

A `Nest` fits all candidates on any set of folds, once, and remembers what they decide about the other folds. Its choice between
them on some folds is by cross-validation over these folds alone. Stacks among the models are nests of their own: on every
set of folds they are chosen and fitted anew, and what the candidates are fitted to is their cross-fitted predictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comp.errors import ConfigError
from comp.resampling import GroupBootstrap, Scored
from comp.rows import Rows
from comp.stacking import Recipe, Stack, choose

Bools = NDArray[np.bool_]
FoldSet = frozenset[int]


@dataclass(frozen=True)
class SubStack:
    """A stack that is a model of another: its recipe and the models it blends."""

    name: str
    recipe: Recipe
    models: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Fitted:
    """All candidates, fitted on some folds.

    Attributes:
        stacks: the candidates, empty where only the decisions were asked for.
        bits: (candidates, n, ceil(C / 8)) packed decisions about the n rows outside of these folds; about all rows, if none is.
    """

    stacks: list[Stack]
    bits: NDArray[np.uint8]


class Nest:
    """Candidates on rows with labels and folds.

    Args:
        rows: of all models, those of the sub-stacks included.
        models: the candidates' models, sub-stacks included; without it, all of `rows`.

    Raises:
        ConfigError: the recipe names a part or option that there is not, or there are too few folds for sub-stacks.
    """

    def __init__(self, rows: Rows, recipe: Recipe, models: Sequence[str] = (), substacks: Sequence[SubStack] = ()) -> None:
        self.rows, self.recipe = rows, recipe
        self.candidates = recipe.candidates()
        self.folds: FoldSet = frozenset(np.unique(rows.folds).tolist())
        self.models = tuple(models or rows.models)
        self.fitted: dict[FoldSet, Fitted] = {}
        self.choices: dict[FoldSet, int] = {}
        self.inner = {each.name: Nest(rows.only(each.models), each.recipe) for each in substacks}
        if self.inner and len(self.folds) < 4:
            raise ConfigError(f"{len(self.folds)} folds are too few to refit {', '.join(self.inner)} inside", "use four or more")

    def fit(self, kept: FoldSet) -> Fitted:
        """The candidates on the folds `kept`, from memory where they were fitted before."""
        if kept not in self.fitted:
            stacks = self.candidates.fit(self.seen(kept))
            decided = self.candidates.decide(stacks, self.unseen(kept, self.rows.take(self.outside(kept))))
            self.fitted[kept] = Fitted(stacks, np.packbits(decided, axis=-1))
        return self.fitted[kept]

    def outside(self, kept: FoldSet) -> Bools:
        """(N,) the rows outside of these folds; all rows, if none is."""
        return ~self.inside(kept) if kept != self.folds else np.ones(len(self.rows), bool)

    def inside(self, folds: FoldSet) -> Bools:
        return np.isin(self.rows.folds, list(folds))

    def seen(self, kept: FoldSet) -> Rows:
        """The rows of these folds as candidates may be fitted to them: sub-stacks have not seen a row's fold."""
        rows = self.rows.take(self.inside(kept))
        added = {}
        for name, nest in self.inner.items():
            added[name] = np.empty(rows.logits.shape[1:], np.float32)
            for fold in kept:
                own = rows.folds == fold
                added[name][own] = nest.stack(kept - {fold}).blended(rows.take(own).only(nest.models)).logits[0]
        return rows.with_models(added).only(self.models)

    def unseen(self, kept: FoldSet, rows: Rows) -> Rows:
        """Other rows as candidates fitted on these folds see them: sub-stacks are fitted on these folds too."""
        added = {name: nest.stack(kept).blended(rows.only(nest.models)).logits[0] for name, nest in self.inner.items()}
        return rows.with_models(added).only(self.models)

    def decided(self, kept: FoldSet, folds: FoldSet) -> Bools:
        """(candidates, n, C) what the candidates fitted on `kept` decide about the n rows of other folds, in the rows' order."""
        rows = self.inside(folds)[self.outside(kept)]
        return np.unpackbits(self.fit(kept).bits[:, rows], axis=-1, count=self.rows.logits.shape[2]).astype(bool)

    def across(self, folds: FoldSet) -> Bools:
        """(candidates, n, C) what they decide about the n rows of these folds, each fold by those fitted on the others of them."""
        some = self.rows.folds[self.inside(folds)]
        found = np.empty((len(self.candidates.names), len(some), self.rows.logits.shape[2]), bool)
        for fold in folds:
            found[:, some == fold] = self.decided(folds - {fold}, frozenset({fold}))
        return found

    def scores(self, folds: FoldSet) -> list[Scored]:
        """Macro F1 of every candidate by cross-validation over these folds."""
        bootstrap = self.bootstrap(self.inside(folds))
        return [bootstrap.score(decisions) for decisions in self.across(folds)]

    def choice(self, kept: FoldSet) -> int:
        """The number of the candidate that these folds choose; the first where a single fold leaves nothing to choose by."""
        if kept not in self.choices:
            self.choices[kept] = choose(self.scores(kept), self.recipe.promote) if len(kept) > 1 else 0
        return self.choices[kept]

    def stack(self, kept: FoldSet) -> Stack:
        """The candidate that these folds choose, fitted on them."""
        return self.complete(self.choice(kept), kept)

    def complete(self, number: int, kept: FoldSet) -> Stack:
        """A candidate fitted on these folds, with its sub-stacks."""
        substacks = {name: nest.stack(kept) for name, nest in self.inner.items()}
        return replace(self.fit(kept).stacks[number], models=self.models, substacks=substacks)

    def bootstrap(self, some: Bools, classes: Bools | slice = slice(None)) -> GroupBootstrap:
        """The resamples behind all standard errors on some rows (N,)."""
        labels, recipe = self.rows.known_labels[some][:, classes], self.recipe
        return GroupBootstrap(labels, self.rows.groups[some], recipe.bootstraps, recipe.seed)

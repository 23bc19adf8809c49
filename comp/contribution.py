"""What each model contributes to a stack, which ones hurt, and how few would do: people pay for inference."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.nest import Nest
from comp.nest_filling import fill
from comp.resampling import Estimate, GroupBootstrap, Scored
from comp.rows import Rows
from comp.stacking import Recipe

Subset = tuple[str, ...]


@dataclass(frozen=True)
class Contribution:
    """One model.

    Attributes:
        alone: its nested macro F1 by itself.
        adds: nested macro F1 of all models minus that of all others, with the paired standard error.
        twin: the model it correlates with most, None for an only one.
        correlation: with its twin, see `correlations`.
    """

    model: str
    alone: Estimate
    adds: Estimate
    twin: str | None
    correlation: float

    @property
    def hurts(self) -> bool:
        """Whether the others do better without it, by more than one standard error."""
        return self.adds.value < -self.adds.error


@dataclass(frozen=True)
class SubsetProof:
    """Nested macro F1 of some models, and how far it lies behind the best subset, with the paired standard error."""

    models: Subset
    nested: Estimate
    behind: Estimate


@dataclass(frozen=True, eq=False)
class Contributions:
    """All models, and a path of subsets from all of them to one.

    Attributes:
        correlations: (M, M).
        path: all models, then without those whose absence alone cost least. Ordered by the scores it shows, so these flatter a little.
        cheapest: the smallest of the path within one standard error of its best.
    """

    models: tuple[Contribution, ...]
    correlations: NDArray[np.float64]
    path: tuple[SubsetProof, ...]
    cheapest: SubsetProof


def contributions(rows: Rows, recipe: Recipe, blender: dict[str, Any], rule: dict[str, Any], workers: int = 1) -> Contributions:
    """Nested scores of subsets of the models, blended by one blender with one threshold rule over the rows' folds.

    Args:
        recipe: whose bootstraps and seed are used.
    """
    alone = recipe.model_copy(update={"blenders": (blender,), "thresholds": (rule,), "repeats": 1})
    scores = _Scores(rows, alone, workers)
    names = rows.models
    without = {model: tuple(other for other in names if other != model) for model in names if len(names) > 1}
    scores.find([names, *((model,) for model in names), *without.values()])
    dispensable = sorted(without, key=lambda model: (-scores.of[without[model]].value, scores.of[(model,)].value, model))
    path = [names, *(tuple(model for model in names if model not in dispensable[:count]) for count in range(1, len(names)))]
    scores.find(path)
    best = max((scores.of[subset] for subset in path), key=lambda scored: scored.value)
    proofs = [SubsetProof(subset, scores.of[subset].estimate, best.over(scores.of[subset])) for subset in path]
    cheapest = [proof for proof in proofs if proof.behind.value <= proof.behind.error][-1]
    related = correlations(rows)
    models = []
    for number, model in enumerate(names):
        adds = scores.of[names].over(scores.of[without[model]]) if without else scores.of[names].estimate
        nearest = int(np.argmax(np.where(np.arange(len(names)) == number, -np.inf, related[number])))
        twin = (names[nearest], float(related[number, nearest])) if without else (None, 0.0)
        models.append(Contribution(model, scores.of[(model,)].estimate, adds, *twin))
    return Contributions(tuple(models), related, tuple(proofs), cheapest)


def correlations(rows: Rows) -> NDArray[np.float64]:
    """(M, M) Pearson correlations of the models' probabilities, means over the classes in which both vary; 0 without such a class."""
    count = len(rows.models)
    total, classes = np.zeros((2, count, count))
    probs = 1 / (1 + np.exp(-np.clip(rows.logits, -30, 30), dtype=np.float64))
    for column in range(rows.logits.shape[2]):
        varies = np.ptp(probs[:, :, column], axis=1) > 0
        if varies.any():
            both = np.ix_(varies, varies)
            total[both] += np.atleast_2d(np.corrcoef(probs[varies, :, column]))
            classes[both] += 1
    return total / np.maximum(classes, 1)


class _Scores:
    """Nested scores of subsets, each found once."""

    def __init__(self, rows: Rows, recipe: Recipe, workers: int) -> None:
        self.rows, self.recipe, self.workers = rows, recipe, workers
        self.of: dict[Subset, Scored] = {}
        self.bootstrap = GroupBootstrap(rows.known_labels, rows.groups, recipe.bootstraps, recipe.seed)

    def find(self, subsets: Iterable[Subset]) -> None:
        new = [subset for subset in dict.fromkeys(subsets) if subset not in self.of]
        nests = [Nest(self.rows, self.recipe, subset) for subset in new]
        jobs = [(number, nest.folds - {fold}) for number, nest in enumerate(nests) for fold in sorted(nest.folds)]
        fill(nests, jobs, self.workers, "subsets of models")
        for subset, nest in zip(new, nests, strict=True):
            self.of[subset] = self.bootstrap.score(nest.across(nest.folds)[0])

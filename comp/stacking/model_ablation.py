"""Model ablation: what each model adds to a stack, which models hurt, and how few are enough, since inference costs time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.metrics.bootstrap import Estimate, GroupBootstrap, Scored
from comp.stacking.nested_cv import NestedCV
from comp.stacking.parallel_fits import fit_all
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe

Subset = tuple[str, ...]


@dataclass(frozen=True)
class Contribution:
    """What one model contributes.

    Attributes:
        alone: nested macro F1 of the model alone.
        adds: nested macro F1 of all models minus that of all other models, with the paired standard error.
        most_similar: the model with the highest correlation to it; None for a single model.
        correlation: with the most similar model, see `correlations`.
    """

    model: str
    alone: Estimate
    adds: Estimate
    most_similar: str | None
    correlation: float

    @property
    def hurts(self) -> bool:
        """Whether the other models score higher without it, by more than one standard error."""
        return self.adds.value < -self.adds.error


@dataclass(frozen=True)
class ModelSubsetEvaluation:
    """Nested macro F1 of some models, and how far it is behind the best subset, with the paired standard error."""

    models: Subset
    nested: Estimate
    behind: Estimate


@dataclass(frozen=True, eq=False)
class ModelAblation:
    """The contributions of all models, and a path of subsets from all models to one.

    Attributes:
        correlations: (M, M).
        path: all models, then without the model whose removal costs least, and so on. It is ordered by the scores it shows, so
            these are slightly optimistic.
        cheapest: the smallest subset of the path within one standard error of the best.
    """

    models: tuple[Contribution, ...]
    correlations: NDArray[np.float64]
    path: tuple[ModelSubsetEvaluation, ...]
    cheapest: ModelSubsetEvaluation


def ablate(labelled: PredictionSet, recipe: Recipe, blender: dict[str, Any], rule: dict[str, Any], workers: int = 1) -> ModelAblation:
    """Nested scores of subsets of the models, with one blender and one threshold rule.

    Args:
        recipe: supplies `bootstraps` and `seed`.
    """
    single = recipe.model_copy(update={"blenders": (blender,), "thresholds": (rule,), "repeats": 1})
    scores = _Scores(labelled, single, workers)
    names = labelled.models
    others = {model: tuple(other for other in names if other != model) for model in names if len(names) > 1}
    scores.find([names, *((model,) for model in names), *others.values()])
    dispensable = sorted(others, key=lambda model: (-scores.of[others[model]].value, scores.of[(model,)].value, model))
    path = [names, *(tuple(model for model in names if model not in dispensable[:count]) for count in range(1, len(names)))]
    scores.find(path)
    best = max((scores.of[subset] for subset in path), key=lambda scored: scored.value)
    evaluations = [ModelSubsetEvaluation(subset, scores.of[subset].estimate, best.gain_over(scores.of[subset])) for subset in path]
    cheapest = [each for each in evaluations if each.behind.value <= each.behind.error][-1]
    related = correlations(labelled)
    models = []
    for number, model in enumerate(names):
        adds = scores.of[names].gain_over(scores.of[others[model]]) if others else scores.of[names].estimate
        nearest = int(np.argmax(np.where(np.arange(len(names)) == number, -np.inf, related[number])))
        similar = (names[nearest], float(related[number, nearest])) if others else (None, 0.0)
        models.append(Contribution(model, scores.of[(model,)].estimate, adds, *similar))
    return ModelAblation(tuple(models), related, tuple(evaluations), cheapest)


def correlations(predictions: PredictionSet) -> NDArray[np.float64]:
    """(M, M) Pearson correlations of the models' probabilities: means over the classes in which both vary, 0 without such a class."""
    count = len(predictions.models)
    total, classes = np.zeros((2, count, count))
    probs = 1 / (1 + np.exp(-np.clip(predictions.logits, -30, 30), dtype=np.float64))
    for column in range(predictions.logits.shape[2]):
        varies = np.ptp(probs[:, :, column], axis=1) > 0
        if varies.any():
            both = np.ix_(varies, varies)
            total[both] += np.atleast_2d(np.corrcoef(probs[varies, :, column]))
            classes[both] += 1
    return total / np.maximum(classes, 1)


class _Scores:
    """Nested scores of subsets of the models, each computed once."""

    def __init__(self, labelled: PredictionSet, recipe: Recipe, workers: int) -> None:
        self.labelled, self.recipe, self.workers = labelled, recipe, workers
        self.of: dict[Subset, Scored] = {}
        self.bootstrap = GroupBootstrap(labelled.known_labels, labelled.groups, recipe.bootstraps, recipe.seed)

    def find(self, subsets: Iterable[Subset]) -> None:
        new = [subset for subset in dict.fromkeys(subsets) if subset not in self.of]
        all_nested = [NestedCV(self.labelled, self.recipe, subset) for subset in new]
        jobs = [(number, nested.folds - {fold}) for number, nested in enumerate(all_nested) for fold in sorted(nested.folds)]
        fit_all(all_nested, jobs, self.workers, "subsets of models")
        for subset, nested in zip(new, all_nested, strict=True):
            self.of[subset] = self.bootstrap.score(nested.across(nested.folds)[0])

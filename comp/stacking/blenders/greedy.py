"""Greedy selection with replacement, one weight a model for all classes (Caruana et al. 2004)."""

import numpy as np
from numpy.typing import NDArray

from comp.stacking.bounds import NoOrMoreBags, Seed, Steps
from comp.stacking.greedy_objectives import Metric, climb
from comp.stacking.member_bags import Share, member_bags
from comp.stacking.prediction_set import PredictionSet


class Greedy:
    """Each step adds the model that, averaged with those already selected, gives the highest metric.

    Macro F1 is computed at the best thresholds of each step. The best step is kept, the earliest among equals; among equal
    models the first by name is added. With `bags`, each bag selects from its own random `fraction` of the models, and the
    weights are means over bags. They then depend less on which model is added first.
    """

    def __init__(self, steps: int, metric: Metric, bags: int, fraction: float, seed: int) -> None:
        self.steps = steps
        self.metric = metric
        self.bags = bags
        self.fraction = fraction
        self.seed = seed

    def fit(self, predictions: PredictionSet) -> dict[str, float]:
        if not self.bags:
            return self.selected(predictions)
        chosen = member_bags(predictions.models, self.bags, self.fraction, self.seed)
        found = {bag: self.selected(predictions.only(bag)) for bag in sorted(set(chosen))}
        sums = {model: sum(found[bag].get(model, 0.0) for bag in chosen) for model in predictions.models}
        return {model: total / self.bags for model, total in sums.items() if total}

    def selected(self, predictions: PredictionSet) -> dict[str, float]:
        """The weights of the selected models."""
        metric = climb(self.metric, predictions)
        added: list[int] = []
        reached: list[float] = []
        for _ in range(self.steps):
            scores = metric.tried()
            added.append(int(np.argmax(scores)))
            reached.append(float(scores[added[-1]]))
            metric.add(added[-1])
        kept = added[: int(np.argmax(reached)) + 1]
        return {predictions.models[number]: kept.count(number) / len(kept) for number in sorted(set(kept))}

    def predict(self, state: dict[str, float], predictions: PredictionSet) -> NDArray[np.float64]:
        return predictions.mean_probability(state)


def build(steps: Steps = 25, metric: Metric = "macro_f1", bags: NoOrMoreBags = 0, fraction: Share = 0.5, seed: Seed = 0) -> Greedy:
    return Greedy(steps, metric, bags, fraction, seed)

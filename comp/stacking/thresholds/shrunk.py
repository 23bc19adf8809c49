"""Each class's own threshold, shrunk towards the common threshold of all classes: more for fewer positives."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from comp.base import registry
from comp.base.between import Between
from comp.metrics.f1_search import best_common_threshold
from comp.stacking.prediction_set import PredictionSet


class Shrunk:
    """(n t + k common) / (n + k) in logits, for n positives: the common threshold counts as k positives.

    Args:
        own: the rule that gives each class its own threshold t.
        k: the number of positives at which both have equal weight.
    """

    def __init__(self, own: Any, k: float) -> None:
        self.own = own
        self.k = k

    def fit(self, predictions: PredictionSet) -> NDArray[np.float64]:
        labels = predictions.known_labels
        thresholds = self.own.fit(predictions)
        present = labels.any(axis=0)
        count = labels.sum(axis=0)[present]
        trust = count / (count + self.k)
        thresholds[present] = trust * thresholds[present] + (1 - trust) * best_common_threshold(predictions.logits[0], labels)
        return thresholds


def build(own: dict[str, Any] | None = None, k: Annotated[float, Between(0)] = 10.0) -> Shrunk:
    return Shrunk(registry.build("thresholds", {"name": "bagged"} if own is None else own), k)

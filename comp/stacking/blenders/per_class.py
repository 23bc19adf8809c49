"""Another blender, fitted separately for each class with enough positives; the other classes share one fit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base import registry
from comp.stacking.bounds import Rows
from comp.stacking.prediction_set import PredictionSet


class PerClass:
    """The state: "shared" is the fit on all classes, "own" has a fit for each frequent class, by class number."""

    def __init__(self, blender: Any, positives: int) -> None:
        self.blender = blender
        self.positives = positives

    def fit(self, predictions: PredictionSet) -> dict[str, Any]:
        frequent = np.flatnonzero(predictions.known_labels.sum(axis=0) >= self.positives).tolist()
        own = {str(column): self.blender.fit(predictions.of_classes([column])) for column in frequent}
        return {"shared": self.blender.fit(predictions), "own": own}

    def predict(self, state: dict[str, Any], predictions: PredictionSet) -> NDArray[np.float64]:
        predicted = self.blender.predict(state["shared"], predictions)
        for column, fitted in state["own"].items():
            predicted[:, int(column)] = self.blender.predict(fitted, predictions.of_classes([int(column)]))[:, 0]
        return predicted


def build(blender: dict[str, Any], positives: Rows = 200) -> PerClass:
    return PerClass(registry.build("blenders", blender), positives)

"""The mean of all models' probabilities."""

import numpy as np
from numpy.typing import NDArray

from comp.stacking.prediction_set import PredictionSet


class Mean:
    def fit(self, predictions: PredictionSet) -> dict[str, float]:
        return {model: 1 / len(predictions.models) for model in predictions.models}

    def predict(self, state: dict[str, float], predictions: PredictionSet) -> NDArray[np.float64]:
        return predictions.mean_probability(state)


def build() -> Mean:
    return Mean()

"""The mean of all models' logits: for models with similar calibration, since one confident wrong model outvotes all others."""

import numpy as np
from numpy.typing import NDArray

from comp.stacking.prediction_set import PredictionSet


class MeanLogits:
    def fit(self, predictions: PredictionSet) -> dict[str, float]:
        return {model: 1 / len(predictions.models) for model in predictions.models}

    def predict(self, state: dict[str, float], predictions: PredictionSet) -> NDArray[np.float64]:
        return predictions.mean_logit(state)


def build() -> MeanLogits:
    return MeanLogits()

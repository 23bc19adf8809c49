"""The single model with the highest macro F1, each model at its own best thresholds."""

import numpy as np
from numpy.typing import NDArray

from comp.metrics.f1_search import best_f1, class_major, positive_rows
from comp.stacking.prediction_set import PredictionSet


class BestSingle:
    def fit(self, predictions: PredictionSet) -> dict[str, float]:
        positives = positive_rows(predictions.known_labels)
        scores = [best_f1(class_major(logits), positives).mean() for logits in predictions.logits]
        return {predictions.models[int(np.argmax(scores))]: 1.0}

    def predict(self, state: dict[str, float], predictions: PredictionSet) -> NDArray[np.float64]:
        return predictions.mean_probability(state)


def build() -> BestSingle:
    return BestSingle()

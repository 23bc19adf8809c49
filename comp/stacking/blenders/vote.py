"""The majority vote: each model predicts at its own best F1 thresholds."""

import numpy as np
from numpy.typing import NDArray

from comp.metrics.f1_search import NEVER, best_thresholds
from comp.stacking.prediction_set import PredictionSet

Thresholds = dict[str, list[float | None]]  # (C,) logits of each model; None for a class without positives


class Vote:
    """The logit of the share of models that predict the class; above 0 is a majority.

    Among rows with equal votes, those farther above the thresholds rank higher: the mean over models of tanh(distance / 2),
    between -1 and 1, counts as half a vote. It decides ties and never overturns a majority.
    """

    def fit(self, predictions: PredictionSet) -> Thresholds:
        return {
            model: [None if threshold == NEVER else float(threshold) for threshold in best_thresholds(logits, predictions.known_labels)]
            for model, logits in zip(predictions.models, predictions.logits, strict=True)
        }

    def predict(self, state: Thresholds, predictions: PredictionSet) -> NDArray[np.float64]:
        votes, distance = np.zeros((2, *predictions.logits.shape[1:]))
        for model, logits in zip(predictions.models, predictions.logits, strict=True):
            above = logits - np.array([NEVER if threshold is None else threshold for threshold in state[model]])
            votes += above >= 0
            distance += np.tanh(above / 2) / len(predictions.models)
        smoothed = votes + distance / 2 + 1  # one vote more for each side (Laplace smoothing) keeps logits finite
        return np.log(smoothed) - np.log(len(predictions.models) + 2 - smoothed)


def build() -> Vote:
    return Vote()

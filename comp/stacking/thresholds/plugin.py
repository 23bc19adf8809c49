"""Half of the highest expected F1, on calibrated probabilities: the optimal threshold if calibration is perfect.

Lipton, Elkan and Naryanaswamy 2014, "Optimal thresholding of classifiers to maximize F1 measure", theorem 1.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from comp.metrics.calibration import CALIBRATORS, Calibrator, cross_fitted
from comp.metrics.expected_f1 import expected_f1
from comp.metrics.f1_search import BELOW_ALL, NEVER
from comp.stacking.prediction_set import PredictionSet


class Plugin:
    def __init__(self, calibrator: type[Calibrator]) -> None:
        self.calibrator = calibrator

    def fit(self, predictions: PredictionSet) -> NDArray[np.float64]:
        thresholds = np.full(predictions.logits.shape[2], NEVER)
        for column, (scores, is_positive) in enumerate(zip(predictions.logits[0].T, predictions.known_labels.T, strict=True)):
            if is_positive.any():
                order = np.lexsort((predictions.folds, is_positive, scores))  # sums must not depend on the order of the rows
                thresholds[column] = self.threshold(scores[order], is_positive[order], predictions.folds[order])
        return thresholds

    def threshold(self, scores: NDArray[np.floating], is_positive: NDArray[np.bool_], folds: NDArray[np.integer]) -> float:
        """The threshold of one class from ascending scores, labels and folds (N,), clipped to the range of the scores."""
        best = expected_f1(cross_fitted(self.calibrator, scores, is_positive, folds))
        threshold = self.calibrator.fit(scores, is_positive).score_at(best / 2)
        return float(np.clip(threshold, scores[0] - BELOW_ALL, scores[-1]))


def build(calibrator: Literal["platt", "isotonic"] = "platt") -> Plugin:
    return Plugin(CALIBRATORS[calibrator])

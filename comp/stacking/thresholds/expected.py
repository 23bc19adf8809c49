"""The highest expected F1 for exactly the rows that are decided about, on calibrated probabilities.

Unlike the other rules it is fitted again to every set of rows, without their labels: see `comp.metrics.expected_f1.thresholds_for_rows`.
"""

import numpy as np
from numpy.typing import NDArray

from comp.metrics.calibration import Platt
from comp.metrics.expected_f1 import thresholds_for_rows
from comp.stacking.prediction_set import PredictionSet


class Expected:
    def fit(self, predictions: PredictionSet) -> NDArray[np.float64]:
        """The thresholds (C,) for the labelled rows themselves."""
        return thresholds_for_rows(self.curves(predictions), predictions.logits[0])

    def curves(self, predictions: PredictionSet) -> tuple[Platt | None, ...]:
        """The calibrator of each class; None for a class without positives."""
        found: list[Platt | None] = []
        for scores, is_positive in zip(predictions.logits[0].T, predictions.known_labels.T, strict=True):
            order = np.lexsort((is_positive, scores))  # sums must not depend on the order of the rows
            found.append(Platt.fit(scores[order], is_positive[order]) if is_positive.any() else None)
        return tuple(found)


def build() -> Expected:
    return Expected()

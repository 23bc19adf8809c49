"""Half of the highest expected F1, on calibrated probabilities: where the best threshold lies if they are right.

Lipton, Elkan and Naryanaswamy 2014, "Optimal thresholding of classifiers to maximize F1 measure", theorem 1.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from comp.calibration import CALIBRATORS, Calibrator, cross_fitted
from comp.cuts import BELOW_ALL, NEVER
from comp.rows import Rows


class Plugin:
    def __init__(self, calibrator: type[Calibrator]) -> None:
        self.calibrator = calibrator

    def fit(self, rows: Rows) -> NDArray[np.float64]:
        thresholds = np.full(rows.logits.shape[2], NEVER)
        for column, (scores, has) in enumerate(zip(rows.logits[0].T, rows.known_labels.T, strict=True)):
            if has.any():
                order = np.lexsort((rows.folds, has, scores))  # sums must not depend on the order of the rows
                thresholds[column] = self.threshold(scores[order], has[order], rows.folds[order])
        return thresholds

    def threshold(self, scores: NDArray[np.floating], has: NDArray[np.bool_], folds: NDArray[np.integer]) -> float:
        """The threshold of one class from ascending scores, labels and folds (N,), within reach of the scores."""
        best = expected_f1(cross_fitted(self.calibrator, scores, has, folds))
        cut = self.calibrator.fit(scores, has).score_at(best / 2)
        return float(np.clip(cut, scores[0] - BELOW_ALL, scores[-1]))


def expected_f1(probs: NDArray[np.float64]) -> float:
    """The highest F1 that predicting the likeliest rows of `probs` (N,) can expect: of the expected counts, over all cuts."""
    descending = np.sort(probs)[::-1]
    return float((2 * descending.cumsum() / (np.arange(1, len(probs) + 1) + probs.sum())).max())


def build(calibrator: Literal["platt", "isotonic"] = "platt") -> Plugin:
    return Plugin(CALIBRATORS[calibrator])

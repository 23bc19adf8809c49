"""The F1 to expect of calibrated probabilities, and the thresholds at which it is highest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from comp.metrics.calibration import Calibrator
from comp.metrics.f1_search import BELOW_ALL, NEVER


def expected_f1(probs: NDArray[np.float64]) -> float:
    """The highest F1 of the expected counts, over all thresholds on `probs` (N,)."""
    descending = np.sort(probs)[::-1]
    return float((2 * descending.cumsum() / (np.arange(1, len(probs) + 1) + probs.sum())).max())


def thresholds_for_rows(curves: Sequence[Calibrator | None], scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """The thresholds (C,) with the highest expected F1 for exactly these rows, scores (N, C).

    The rows with a probability of at least half of that F1 are predicted (Lipton, Elkan and Naryanaswamy 2014, theorem 1, on these rows).
    Without a limit on the labels of a row, macro F1 is a mean of classes that can be maximised one by one. So this is the optimum that
    block-coordinate ascent over rows (xCOLUMNs) approaches.

    Args:
        curves: the calibrator of each class; None for a class that is never predicted.
    """
    thresholds = np.full(len(curves), NEVER)
    for column, curve in enumerate(curves):
        if curve is not None:
            values = np.sort(scores[:, column])  # sums must not depend on the order of the rows
            threshold = curve.score_at(expected_f1(curve.predict(values)) / 2)
            thresholds[column] = np.clip(threshold, values[0] - BELOW_ALL, values[-1])
    return thresholds

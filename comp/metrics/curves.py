"""F1 of a class as a curve over its threshold."""

import numpy as np
from numpy.typing import NDArray

from comp.metrics.macro_f1 import f1_from_counts

POINTS = 41


def f1_curve(
    scores: NDArray[np.floating], is_positive: NDArray[np.bool_], points: int = POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thresholds (P,) ascending and the F1 (P,) at each, for scores and labels (N,) of one class.

    From one threshold to the next the number of predicted rows falls by about the same factor, from all rows to one. So the curve shows
    rare classes as well as frequent ones. It has at most `points` thresholds.
    """
    ordered = np.sort(scores.astype(np.float64))
    counts = np.unique(np.geomspace(1, len(ordered), points).round().astype(int))
    thresholds = np.unique(ordered[len(ordered) - counts])
    predicted = len(ordered) - np.searchsorted(ordered, thresholds)
    positives = np.sort(scores[is_positive].astype(np.float64))
    hits = len(positives) - np.searchsorted(positives, thresholds)
    return thresholds, f1_from_counts(hits, predicted - hits, len(positives) - hits)

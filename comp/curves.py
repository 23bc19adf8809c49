"""What a report draws of each class: F1 against the threshold."""

import numpy as np
from numpy.typing import NDArray

from comp.metrics import f1_from_counts

POINTS = 41


def f1_curve(scores: NDArray[np.floating], has: NDArray[np.bool_], points: int = POINTS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thresholds (P,) ascending and the F1 (P,) at each, for scores and labels (N,) of one class.

    The thresholds stand where the predicted share of the rows falls by equal factors, from all rows to one, so that rare classes show as
    much as frequent ones. At most `points` of them.
    """
    ordered = np.sort(scores.astype(np.float64))
    counts = np.unique(np.geomspace(1, len(ordered), points).round().astype(int))
    thresholds = np.unique(ordered[len(ordered) - counts])
    predicted = len(ordered) - np.searchsorted(ordered, thresholds)
    positives = np.sort(scores[has].astype(np.float64))
    hits = len(positives) - np.searchsorted(positives, thresholds)
    return thresholds, f1_from_counts(hits, predicted - hits, len(positives) - hits)

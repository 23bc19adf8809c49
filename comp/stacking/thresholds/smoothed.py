"""The threshold with the highest smoothed F1: each row counts as a Gaussian around its score, so no single row decides."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from comp.base.between import Between
from comp.metrics.f1_search import NEVER
from comp.stacking.prediction_set import PredictionSet

BINS = 8  # per bandwidth
MOST_BINS = 20_000  # per class; wider bins if the scores would need more, e.g. logits near +-16
REACH = 4  # bandwidths after which a Gaussian is cut off


class Smoothed:
    """F1 from a Gaussian kernel estimate of the number of rows above each threshold.

    Args:
        bandwidth: factor on Silverman's rule (1986, section 3.4.2), 0.9 * spread * P^-0.2, for the class's P positives; the spread is
            their standard deviation.
    """

    def __init__(self, bandwidth: float) -> None:
        self.bandwidth = bandwidth

    def fit(self, predictions: PredictionSet) -> NDArray[np.float64]:
        thresholds = np.full(predictions.logits.shape[2], NEVER)
        for column, (scores, is_positive) in enumerate(zip(predictions.logits[0].T, predictions.known_labels.T, strict=True)):
            if is_positive.any():
                ordered = np.sort(scores).astype(np.float64)
                positives = np.sort(scores[is_positive]).astype(np.float64)
                thresholds[column] = best_smoothed(ordered, positives, self.bandwidth * silverman(positives, ordered))
        return thresholds


def silverman(positives: NDArray[np.float64], ordered: NDArray[np.float64]) -> float:
    """The bandwidth 0.9 * spread * P^-0.2, for the positives' scores (P,); 1 if all scores are equal.

    The spread is their standard deviation, computed with one more positive that has the spread of all scores `ordered` (N,): one or
    two positives alone do not show how far others would scatter.
    """
    spread = np.sqrt((((positives - positives.mean()) ** 2).sum() + ordered.var()) / len(positives))
    return float(0.9 * spread * len(positives) ** -0.2) or 1.0


def best_smoothed(ordered: NDArray[np.float64], positives: NDArray[np.float64], bandwidth: float) -> float:
    """The threshold with the highest smoothed F1 on a grid, from all scores (N,) and those of positives (P,); the highest among equals."""
    low, high = positives[0] - REACH * bandwidth, ordered[-1] + REACH * bandwidth
    step = max(bandwidth / BINS, (high - low) / MOST_BINS)
    grid = low + step * np.arange(int((high - low) / step) + 2)
    reachable = ordered[np.searchsorted(ordered, low - REACH * bandwidth) :]
    hits, predicted = (_above(values, low, step, len(grid), bandwidth / step) for values in (positives, reachable))
    f1 = 2 * hits / (predicted + len(positives))
    return float(grid[len(f1) - 1 - int(f1[::-1].argmax())])


def _above(values: NDArray[np.float64], low: float, step: float, bins: int, deviation: float) -> NDArray[np.float64]:
    """The number of smoothed values above each grid point; those at the point itself count half."""
    pad = int(REACH * deviation) + 1
    counts = np.bincount(np.maximum(np.rint((values - low) / step).astype(np.int64) + pad, 0), minlength=bins + pad)
    blurred = gaussian_filter1d(counts.astype(np.float64), deviation, mode="constant", truncate=REACH)
    return (blurred[::-1].cumsum()[::-1] - blurred / 2)[pad : pad + bins]


def build(bandwidth: Annotated[float, Between(0.01, 100)] = 0.5) -> Smoothed:
    return Smoothed(bandwidth)

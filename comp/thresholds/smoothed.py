"""The threshold of highest smoothed F1: every row counts as a Gaussian around its score, so that no single row decides."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from comp.cuts import NEVER
from comp.rows import Rows

BINS = 8  # of a bandwidth
MOST_BINS = 20_000  # of a class: beyond, as for logits that are all but +-16, bins widen
REACH = 4  # bandwidths beyond which a Gaussian counts as nothing


class Smoothed:
    """F1 of the counts that a Gaussian kernel estimate of the scores' distribution has above each threshold.

    Args:
        bandwidth: times 0.9 * spread * P^-0.2, Silverman's rule (1986, section 3.4.2) with the standard deviation for the spread of
            the class' P positives.
    """

    def __init__(self, bandwidth: float) -> None:
        self.bandwidth = bandwidth

    def fit(self, rows: Rows) -> NDArray[np.float64]:
        thresholds = np.full(rows.logits.shape[2], NEVER)
        for column, (scores, has) in enumerate(zip(rows.logits[0].T, rows.known_labels.T, strict=True)):
            if has.any():
                ordered = np.sort(scores).astype(np.float64)
                positives = np.sort(scores[has]).astype(np.float64)
                thresholds[column] = best_smoothed(ordered, positives, self.bandwidth * silverman(positives, ordered))
        return thresholds


def silverman(positives: NDArray[np.float64], ordered: NDArray[np.float64]) -> float:
    """The bandwidth 0.9 * spread * P^-0.2, for the positives' scores (P,), 1 where no score differs from another.

    The spread is their standard deviation, to which one more positive with the spread of all scores `ordered` (N,) is added:
    of one or two positives nobody can say how far others would scatter.
    """
    spread = np.sqrt((((positives - positives.mean()) ** 2).sum() + ordered.var()) / len(positives))
    return float(0.9 * spread * len(positives) ** -0.2) or 1.0


def best_smoothed(ordered: NDArray[np.float64], positives: NDArray[np.float64], bandwidth: float) -> float:
    """The threshold of highest smoothed F1 for all scores (N,) and the positives' (P,), on a grid; the highest among equals."""
    low, high = positives[0] - REACH * bandwidth, ordered[-1] + REACH * bandwidth
    step = max(bandwidth / BINS, (high - low) / MOST_BINS)
    grid = low + step * np.arange(int((high - low) / step) + 2)
    reachable = ordered[np.searchsorted(ordered, low - REACH * bandwidth) :]
    hits, predicted = (_above(values, low, step, len(grid), bandwidth / step) for values in (positives, reachable))
    f1 = 2 * hits / (predicted + len(positives))
    return float(grid[len(f1) - 1 - int(f1[::-1].argmax())])


def _above(values: NDArray[np.float64], low: float, step: float, bins: int, deviation: float) -> NDArray[np.float64]:
    """How many of the blurred values lie above each point of the grid, half of those at the point itself."""
    pad = int(REACH * deviation) + 1
    counts = np.bincount(np.maximum(np.rint((values - low) / step).astype(np.int64) + pad, 0), minlength=bins + pad)
    blurred = gaussian_filter1d(counts.astype(np.float64), deviation, mode="constant", truncate=REACH)
    return (blurred[::-1].cumsum()[::-1] - blurred / 2)[pad : pad + bins]


def build(bandwidth: Annotated[float, Ge(0.01), Le(100)] = 0.5) -> Smoothed:
    return Smoothed(bandwidth)

"""The mean over bootstrap samples of the best F1 threshold: less noisy than the single exact threshold when positives are few."""

import numpy as np
from numpy.typing import NDArray

from comp.metrics.f1_search import NEVER, midpoints
from comp.stacking.bounds import Bags, Seed
from comp.stacking.prediction_set import PredictionSet

Floats = NDArray[np.floating]


class Bagged:
    """Each bag counts every row Poisson(1) times (Chamandy et al. 2012), which approximates the bootstrap for many rows.

    Rows between two neighbouring positives change the counts of the same thresholds, so a bag draws their total count at once, and
    one sort serves all bags. Random counts belong to ranks, not to rows, so the order of the rows does not matter.
    """

    def __init__(self, bags: int, seed: int) -> None:
        self.bags = bags
        self.seed = seed

    def fit(self, predictions: PredictionSet) -> NDArray[np.float64]:
        thresholds = np.full(predictions.logits.shape[2], NEVER)
        for column, (scores, is_positive) in enumerate(zip(predictions.logits[0].T, predictions.known_labels.T, strict=True)):
            if is_positive.any():
                thresholds[column] = self.threshold(scores, is_positive)
        return thresholds

    def threshold(self, scores: Floats, is_positive: NDArray[np.bool_]) -> float:
        """The threshold of one class from scores (N,) and labels (N,), at least one of them positive."""
        ordered = np.sort(scores)
        candidates, hits = np.unique(scores[is_positive], return_counts=True)
        candidates, hits = candidates[::-1], hits[::-1]  # descending: each predicts all rows that the ones before it do
        predicted = len(ordered) - np.searchsorted(ordered, candidates)
        misses = np.diff(predicted, prepend=0) - hits
        best = best_in_bags(hits, misses, np.random.default_rng(self.seed), self.bags)
        return float(midpoints(candidates[best].astype(np.float64), ordered).mean())


def best_in_bags(hits: NDArray[np.int64], misses: NDArray[np.int64], rng: np.random.Generator, bags: int) -> NDArray[np.int64]:
    """(bags,) the index of the threshold with the highest F1 in each bag, the highest among equals; bags without positives are left out.

    Args:
        hits, misses: (K,) rows with and without the label that each threshold, from the highest on, adds to those predicted.
    """
    true = rng.poisson(hits, (bags, len(hits))).cumsum(axis=1)
    false = rng.poisson(misses, (bags, len(misses))).cumsum(axis=1)
    true, false = true[true[:, -1] > 0], false[true[:, -1] > 0]
    if not len(true):
        true, false = hits.cumsum()[None], misses.cumsum()[None]
    return (2 * true / (true + false + true[:, -1:])).argmax(axis=1)


def build(bags: Bags = 50, seed: Seed = 0) -> Bagged:
    return Bagged(bags, seed)

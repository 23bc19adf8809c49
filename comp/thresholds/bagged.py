"""The mean over bootstraps of the threshold of highest F1: smoother than the one exact threshold where positives are few."""

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from comp.cuts import NEVER, midpoints
from comp.rows import Rows

Floats = NDArray[np.floating]


class Bagged:
    """Every bag counts each row Poisson(1) times (Chamandy et al. 2012), which for many rows is the bootstrap.

    Rows between two neighbouring positives change the counts of the same cuts, so a bag draws their number at once, and
    one sort serves all bags. The draws belong to ranks, not to rows: the order of the rows does not matter.
    """

    def __init__(self, bags: int, seed: int) -> None:
        self.bags = bags
        self.seed = seed

    def fit(self, rows: Rows) -> NDArray[np.float64]:
        thresholds = np.full(rows.logits.shape[2], NEVER)
        for column, (scores, has) in enumerate(zip(rows.logits[0].T, rows.known_labels.T, strict=True)):
            if has.any():
                thresholds[column] = self.threshold(scores, has)
        return thresholds

    def threshold(self, scores: Floats, has: NDArray[np.bool_]) -> float:
        """The threshold of one class from scores (N,) and labels (N,), at least one of them positive."""
        ordered = np.sort(scores)
        cuts, hits = np.unique(scores[has], return_counts=True)
        cuts, hits = cuts[::-1], hits[::-1]  # descending: the first K rows lie above the K-th cut
        predicted = len(ordered) - np.searchsorted(ordered, cuts)
        misses = np.diff(predicted, prepend=0) - hits
        best = best_in_bags(hits, misses, np.random.default_rng(self.seed), self.bags)
        return float(midpoints(cuts[best].astype(np.float64), ordered).mean())


def best_in_bags(hits: NDArray[np.int64], misses: NDArray[np.int64], rng: np.random.Generator, bags: int) -> NDArray[np.int64]:
    """(bags,) number of the cut of highest F1 in each bag, the highest cut among equals; bags without positives are left out.

    Args:
        hits, misses: (K,) rows with and without the label that each cut, from the highest, adds to those predicted.
    """
    true = rng.poisson(hits, (bags, len(hits))).cumsum(axis=1)
    false = rng.poisson(misses, (bags, len(misses))).cumsum(axis=1)
    true, false = true[true[:, -1] > 0], false[true[:, -1] > 0]
    if not len(true):
        true, false = hits.cumsum()[None], misses.cumsum()[None]
    return (2 * true / (true + false + true[:, -1:])).argmax(axis=1)


def build(bags: PositiveInt = 50, seed: NonNegativeInt = 0) -> Bagged:
    return Bagged(bags, seed)

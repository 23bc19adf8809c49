"""Mean average precision with standard errors by resampling whole groups."""

import numpy as np
from numpy.typing import NDArray

from comp.resampling import Scored


class PrecisionBootstrap:
    """Scores of the same rows, resampled together, so that their differences are paired.

    Args:
        labels: (N, C).
        groups: (N,) equal for rows drawn together.
        draws: how many resamples, each of as many groups as there are; those without any positive are left out.
    """

    def __init__(self, labels: NDArray[np.bool_], groups: NDArray[np.int64], draws: int, seed: int) -> None:
        self.labels = labels
        group = np.unique(groups, return_inverse=True)[1]
        count = group.max(initial=-1) + 1
        generator = np.random.default_rng(seed)
        times = np.stack([np.bincount(generator.integers(count, size=count), minlength=count) for _ in range(draws)])
        scored = times[:, group] @ labels.any(axis=1) > 0
        self.weights = np.vstack([np.ones(len(group)), times[scored][:, group]]).astype(np.float32)  # the rows as they are come first

    def score(self, scores: NDArray[np.floating]) -> Scored:
        """The mean over the classes with positives, which in a resample may be fewer, of the average precision of scores (N, C)."""
        found = [_average_precision(scores[:, column], self.labels[:, column], self.weights) for column in range(scores.shape[1])]
        mean = np.nanmean(np.stack(found), axis=0)
        return Scored(float(mean[0]), mean[1:])


def _average_precision(scores: NDArray[np.floating], has: NDArray[np.bool_], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """(R,) for each of the row weights (R, N): the mean, over the positives, of precision down to them and all of their score.

    NaN where there is no positive.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)  # of equal scores
    ordered = weights[:, order].astype(np.float64)
    hits, seen = np.cumsum(ordered * has[order], axis=1)[:, last], np.cumsum(ordered, axis=1)[:, last]
    total = np.where(hits[:, -1] > 0, hits[:, -1], np.nan)
    gained = np.diff(hits, axis=1, prepend=0)
    return (gained * hits / np.maximum(seen, 1)).sum(axis=1) / total

"""Area under the ROC curve: how well scores rank positives above negatives."""

import numpy as np
from numpy.typing import NDArray


def mean_auroc(labels: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Mean AUROC over the columns of (N, C) arrays in which both outcomes occur; ties count half (Mann and Whitney 1947).

    NaN where no column has both.
    """
    found = []
    for truth, score in zip(labels.T, scores.T, strict=True):
        positives = int(truth.sum())
        if 0 < positives < len(truth):
            _, place, count = np.unique(score, return_inverse=True, return_counts=True)
            rank = (np.cumsum(count) - (count - 1) / 2)[place]
            above = rank[truth].sum() - positives * (positives + 1) / 2
            found.append(above / (positives * (len(truth) - positives)))
    return float(np.mean(found)) if found else float("nan")

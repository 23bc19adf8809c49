"""Images that copy each other get the mean of their predictions."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from comp.stacking.prediction_set import PredictionSet


def averaged(predictions: PredictionSet, components: NDArray) -> PredictionSet:
    """Replace each model's logits of near-duplicates by the logit of their mean probability.

    Args:
        components: (N,) equal for near-duplicates; a row without near-duplicates keeps its exact logits.
    """
    _, component, sizes = np.unique(components, return_inverse=True, return_counts=True)
    copies = np.flatnonzero(sizes[component] > 1)
    if not len(copies):
        return predictions
    copies = copies[np.argsort(component[copies], kind="stable")]
    starts = np.flatnonzero(np.diff(component[copies], prepend=-1))
    logits = predictions.logits[:, copies].astype(np.float64)
    # sums of probabilities and of their complements as logarithms, log p = -log(1 + exp(-z)): exact near 0 and near 1
    likely, unlikely = (np.logaddexp.reduceat(-np.logaddexp(0, -sign * logits), starts, axis=1) for sign in (1, -1))
    mean = np.repeat(likely - unlikely, np.diff(np.append(starts, len(copies))), axis=1)
    changed = predictions.logits.copy()
    changed[:, copies] = mean
    return replace(predictions, logits=changed)

"""Shared by peers that fit one classifier per class."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from comp.stacking.prediction_set import PredictionSet
from tests.benchmarks.peers import Margins

Bools = NDArray[np.bool_]
Split = tuple[NDArray[np.int64], NDArray[np.int64]]  # rows to fit on, rows to evaluate on
Fit = Callable[[int, list[Split]], NDArray[np.float64]]  # class, inner splits -> margins (H,)
FEWEST_SPLITS = 2


def margins_by_class(train: PredictionSet, held: PredictionSet, fit: Fit) -> Margins:
    """Margins (H, C). A class without a positive in `train` is never predicted."""
    margins = np.full((len(held), train.logits.shape[2]), -np.inf)
    for column, is_positive in enumerate(train.known_labels.T):
        if is_positive.any() and not is_positive.all():
            margins[:, column] = fit(column, inner_splits(train.folds, is_positive))
    return margins


def inner_splits(folds: NDArray[np.int8], is_positive: Bools) -> list[Split]:
    """Each fold against the others, which keeps groups together. Needed are both outcomes to fit on and a positive to evaluate on.

    Empty if there are fewer than `FEWEST_SPLITS` such splits, which are too few to tune a threshold on.
    """
    splits = []
    for fold in np.unique(folds):
        held = folds == fold
        if is_positive[held].any() and is_positive[~held].any() and not is_positive[~held].all():
            splits.append((np.flatnonzero(~held), np.flatnonzero(held)))
    return splits if len(splits) >= FEWEST_SPLITS else []

"""What peers share that fit a classifier for each class."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from comp.rows import Rows
from pipelines.benchmarks.peers import Margins

Bools = NDArray[np.bool_]
Split = tuple[NDArray[np.int64], NDArray[np.int64]]  # rows to fit on, rows to judge by
Fit = Callable[[int, list[Split]], NDArray[np.float64]]  # class, inner splits -> margins (H,)
FEWEST_SPLITS = 2


def margins_by_class(train: Rows, held: Rows, fit: Fit) -> Margins:
    """The margins (H, C); a class without a positive to fit on is never predicted."""
    margins = np.full((len(held), train.logits.shape[2]), -np.inf)
    for column, has in enumerate(train.known_labels.T):
        if has.any() and not has.all():
            margins[:, column] = fit(column, inner_splits(train.folds, has))
    return margins


def inner_splits(folds: NDArray[np.int8], has: Bools) -> list[Split]:
    """Each fold against the others, which keeps groups together; only those with both outcomes to fit on and a positive to judge by.

    Empty where fewer than `FEWEST_SPLITS` are left: too few to tune a threshold on.
    """
    splits = []
    for fold in np.unique(folds):
        held = folds == fold
        if has[held].any() and has[~held].any() and not has[~held].all():
            splits.append((np.flatnonzero(~held), np.flatnonzero(held)))
    return splits if len(splits) >= FEWEST_SPLITS else []

"""The mean of values of images, with a standard error that knows that images of one group look alike."""

import numpy as np
from numpy.typing import NDArray

from comp.metrics.bootstrap import Estimate


def group_mean(values: NDArray[np.floating], groups: NDArray) -> Estimate:
    """The mean of values (N,), with its standard error over groups (N,); it is NaN for a single group.

    The error is that of a ratio of sums over groups (Cochran 1977, section 6.3): of G groups with n values in all, it is the square root of
    G / (G - 1) times the sum of the squared sums of a group's deviations, divided by n.
    """
    deviations = values - values.mean()
    sums = np.bincount(np.unique(groups, return_inverse=True)[1].ravel(), weights=deviations)
    correction = len(sums) / (len(sums) - 1) if len(sums) > 1 else np.nan
    return Estimate(float(values.mean()), float(np.sqrt(correction * np.square(sums).sum()) / len(values)))

"""Thresholds for means over folds: they are tuned on rows that one network of a model has seen, and decide about test rows that are
means over the networks of all folds, which are surer of themselves.

The thresholds move so that as many test rows lie above them as, on average, above the old ones in the blend of single networks. No
label is needed. On drawn sets (`tests/fold_mean_study.py`), with 0.1, 0.3 and 0.6 of the error variance a network's own, the difference
cost 0.001, 0.006 and 0.040 of macro F1, and this gave back -0.000, 0.003 and 0.028.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def matched(thresholds: NDArray[np.float64], singles: Sequence[Floats], mean: Floats) -> NDArray[np.float64]:
    """Thresholds (C,) for the blend of means over folds.

    A threshold stays where the numbers agree already, and where not a single row is above it in any blend.

    Args:
        thresholds: (C,) logits, tuned on single networks; infinite ones stay.
        singles: K arrays (T, C), the blend of each fold's networks.
        mean: (T, C), the blend of means over folds.
    """
    wanted = np.mean([(single >= thresholds).sum(axis=0) for single in singles], axis=0).round().astype(int)
    ordered = np.sort(mean, axis=0).astype(np.float64)
    found = thresholds.copy()
    for column in np.flatnonzero(wanted != (mean >= thresholds).sum(axis=0)):
        place = len(ordered) - wanted[column]  # of the lowest row that is predicted
        lower, upper = (ordered[np.clip(at, 0, len(ordered) - 1), column] for at in (place - 1, place))
        if wanted[column] == 0:
            found[column] = np.nextafter(upper, np.inf)
        elif place == 0:
            found[column] = upper
        else:
            found[column] = (lower + upper) / 2
    return found

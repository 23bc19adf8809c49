"""Near-duplicates among the test images: one field of view is predicted once, by the mean of its copies' predictions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from comp.data.duplicates import components, read_pairs
from comp.errors import DataError
from comp.paths import Paths
from comp.rows import Rows


def test_duplicates(paths: Paths, ids: Sequence[str]) -> NDArray[np.int64]:
    """(T,) numbers of the test images, equal for near-duplicates; all different where no list of them lies beside the cache.

    The list is a CSV with columns id_a and id_b, which `make folds` writes and anybody may.

    Raises:
        DataError: the list is damaged, or names an id that is not in `ids`.
    """
    path = paths.test_duplicates()
    if not path.exists():
        return np.arange(len(ids))
    again = f"remove it, then: make folds COMP={paths.competition}"
    try:
        return np.unique(components(ids, read_pairs(path, again)), return_inverse=True)[1]
    except DataError as error:
        what = error.what if str(path) in error.what else f"{path}: {error.what}"
        raise DataError(what, again) from None


def averaged(rows: Rows, components: NDArray) -> Rows:
    """The rows with each model's logits of near-duplicates replaced by the logit of their mean probability.

    Args:
        components: (N,) equal for near-duplicates; a row without any keeps its bits.
    """
    _, component, sizes = np.unique(components, return_inverse=True, return_counts=True)
    twins = np.flatnonzero(sizes[component] > 1)
    if not len(twins):
        return rows
    twins = twins[np.argsort(component[twins], kind="stable")]
    starts = np.flatnonzero(np.diff(component[twins], prepend=-1))
    logits = rows.logits[:, twins].astype(np.float64)
    # sums of probabilities and of their complements, both as logarithms: log p = -log(1 + exp(-z)), so that neither end loses digits
    likely, unlikely = (np.logaddexp.reduceat(-np.logaddexp(0, -sign * logits), starts, axis=1) for sign in (1, -1))
    mean = np.repeat(likely - unlikely, np.diff(np.append(starts, len(twins))), axis=1)
    changed = rows.logits.copy()
    changed[:, twins] = mean
    return replace(rows, logits=changed)

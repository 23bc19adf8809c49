"""Oversampling: copies of images with rare labels, so that label counts become more even."""

import numpy as np
from numpy.typing import NDArray


def copies(
    labels: NDArray[np.bool_], below: int, target: int, generator: np.random.Generator, among: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Rows of `labels` (N, C) to copy, ascending, so that each label with fewer than `below` images reaches `target` images and copies.

    Labels are processed from the rarest one on. A copy counts for all labels of its image. Of a label's images, the one with the fewest
    copies is copied next. Among equals it is the one with the smallest sum of the counts of its labels, which adds least to the sum
    of squares of the counts. After that, chance decides. Labels without an image get no copies.

    Args:
        among: (N,) the rows that may be copied; None: all.
    """
    carried = labels if among is None else labels & among[:, None]
    count, times = labels.sum(axis=0), np.zeros(len(labels), np.int64)
    rare = [column for column in np.argsort(count, kind="stable") if 0 < count[column] < below]
    for column in rare:
        rows = generator.permutation(np.flatnonzero(carried[:, column]))
        while len(rows) and count[column] < target:
            row = rows[np.lexsort((labels[rows] @ count, times[rows]))[0]]
            times[row] += 1
            count += labels[row]
    return np.repeat(np.arange(len(labels)), times)

"""Copies of images with rare labels, so that the label distribution evens out."""

import numpy as np
from numpy.typing import NDArray


def copies(labels: NDArray[np.bool_], below: int, target: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Rows of `labels` (N, C) to add, ascending, so that each label with fewer than `below` images has `target` of them with its copies.

    From the rarest label on. A copy counts for all labels of its image. Of a label's images, the one copied least often is copied
    next; among equals the one whose labels have the fewest images so far in sum, which adds least to the sum of squares of the label
    counts; then chance decides. Labels without an image stay without.
    """
    count, times = labels.sum(axis=0), np.zeros(len(labels), np.int64)
    rare = [column for column in np.argsort(count, kind="stable") if 0 < count[column] < below]
    for column in rare:
        rows = generator.permutation(np.flatnonzero(labels[:, column]))
        while count[column] < target:
            row = rows[np.lexsort((labels[rows] @ count, times[rows]))[0]]
            times[row] += 1
            count += labels[row]
    return np.repeat(np.arange(len(labels)), times)

"""Copies of images with rare labels, so that the label distribution evens out."""

import numpy as np
from numpy.typing import NDArray


def copies(labels: NDArray[np.bool_], below: int, target: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Rows of `labels` (N, C) to add, so that each label with fewer than `below` images has `target` of them with its copies.

    From the rarest label on; a label's images are copied in turn, in random order, and count for all their labels. Labels without an
    image stay without.
    """
    count = labels.sum(axis=0)
    rare = [column for column in np.argsort(count, kind="stable") if 0 < count[column] < below]
    added: list[int] = []
    for column in rare:
        rows = generator.permutation(np.flatnonzero(labels[:, column]))
        lacking = max(target - int(count[column] + labels[added, column].sum()), 0)
        added += np.resize(rows, lacking).tolist()
    return np.array(added, np.int64)

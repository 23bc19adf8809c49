"""Random labels, and counts per fold, for the tests of fold maps."""

import numpy as np
from numpy.typing import NDArray

from comp.folds.fold_map import FoldMap

Table = tuple[list[str], NDArray[np.bool_]]


def random_table(rows: int, classes: int = 12, seed: int = 0) -> Table:
    """Labels as imbalanced as HPA's; the last two classes have one image and none."""
    rng = np.random.default_rng(seed)
    labels = rng.random((rows, classes)) < 0.5 * 0.6 ** np.arange(classes)
    labels[:, -2:] = False
    labels[rows // 2, -2] = True
    return [f"image-{row:05d}" for row in rng.permutation(rows)], labels


def per_fold(folds: FoldMap, labels: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(K, C + 1) images of each class, and all images, in each fold."""
    return np.stack([np.append(labels[folds.fold == fold].sum(0), (folds.fold == fold).sum()) for fold in range(folds.count)])

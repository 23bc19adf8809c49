"""The threshold of highest F1 of each class, found exactly; a class without positives is never predicted."""

import numpy as np
from numpy.typing import NDArray

from comp.cuts import best_thresholds
from comp.rows import Rows


class Exact:
    def fit(self, rows: Rows) -> NDArray[np.float64]:
        return best_thresholds(rows.logits[0], rows.known_labels)


def build() -> Exact:
    return Exact()

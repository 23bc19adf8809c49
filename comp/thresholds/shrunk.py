"""Each class' own threshold, pulled towards the one of all classes: the more, the fewer positives it has."""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray
from pydantic import FiniteFloat

from comp import parts
from comp.cuts import best_common_threshold
from comp.rows import Rows


class Shrunk:
    """(n t + k common) / (n + k) in logits, for n positives: what k positives would say if they spoke for the common one.

    Args:
        own: the rule that gives each class its own threshold t.
        k: the number of positives at which the two count alike.
    """

    def __init__(self, own: Any, k: float) -> None:
        self.own = own
        self.k = k

    def fit(self, rows: Rows) -> NDArray[np.float64]:
        labels = rows.known_labels
        thresholds = self.own.fit(rows)
        present = labels.any(axis=0)
        count = labels.sum(axis=0)[present]
        trust = count / (count + self.k)
        thresholds[present] = trust * thresholds[present] + (1 - trust) * best_common_threshold(rows.logits[0], labels)
        return thresholds


def build(own: dict[str, Any] | None = None, k: Annotated[FiniteFloat, Ge(0)] = 10.0) -> Shrunk:
    return Shrunk(parts.build("thresholds", {"name": "bagged"} if own is None else own), k)

"""The same given probability for every class: the baseline for the other rules."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from comp.base.between import Between
from comp.metrics.f1_search import NEVER
from comp.metrics.logits import logit
from comp.stacking.prediction_set import PredictionSet


class Fixed:
    def __init__(self, at: float) -> None:
        self.threshold = logit(np.array(at))

    def fit(self, predictions: PredictionSet) -> NDArray[np.float64]:
        return np.where(predictions.known_labels.any(axis=0), self.threshold, NEVER)


def build(at: Annotated[float, Between(above=0, below=1)] = 0.5) -> Fixed:
    return Fixed(at)

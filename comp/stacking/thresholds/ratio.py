"""A given share of the rows is predicted: shares from the YAML (e.g. known for the test set), else those of the labels."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from comp.base.between import Between
from comp.base.errors import ConfigError
from comp.metrics.f1_search import NEVER, midpoints
from comp.stacking.prediction_set import PredictionSet

Share = Annotated[float, Between(above=0, most=1)]


class Ratio:
    """The threshold lies midway between the last predicted row and the next; rows that tie with the last are predicted too.

    Args:
        ratios: share of the rows to predict, by class number; other classes use the share of their labels.
        factor: multiplies the shares taken from the labels.
    """

    def __init__(self, ratios: Mapping[int, float], factor: float) -> None:
        self.ratios = ratios
        self.factor = factor

    def fit(self, predictions: PredictionSet) -> NDArray[np.float64]:
        """Raises ConfigError if `ratios` names an unknown class."""
        scores, shares = np.sort(predictions.logits[0], axis=0), np.minimum(predictions.known_labels.mean(axis=0) * self.factor, 1)
        for column, share in self.ratios.items():
            if column >= len(shares):
                raise ConfigError(f"thresholds.ratio: ratios name class {column}", f"number the classes 0 to {len(shares) - 1}")
            shares[column] = share
        thresholds = np.full(len(shares), NEVER)
        for column, (share, ordered) in enumerate(zip(shares, scores.T, strict=True)):
            if share > 0:
                last = len(ordered) - max(round(share * len(ordered)), 1)
                thresholds[column] = midpoints(ordered[[last]].astype(np.float64), ordered)[0]
        return thresholds


def build(ratios: dict[Annotated[int, Between(0)], Share] | None = None, factor: Annotated[float, Between(above=0)] = 1.0) -> Ratio:
    return Ratio(ratios or {}, factor)

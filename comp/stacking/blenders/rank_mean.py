"""The mean over models of a row's rank in each class: for models with different calibration."""

import numpy as np
from numpy.typing import NDArray

from comp.stacking.bounds import Rows
from comp.stacking.prediction_set import PredictionSet

Floats = NDArray[np.floating]
Grid = list[list[float]]  # ascending logits of a model, and the logits of their ranks


class RankMean:
    """The rank of a row is the share of the fitted rows below it; ties count half. It is the empirical distribution function.

    For each model and class it is kept at `points` logits, evenly spaced in the logit of the rank. This resolves the few highest
    rows, which matter for rare classes. It is interpolated between the points and constant beyond the fitted rows.
    """

    def __init__(self, points: int) -> None:
        self.points = points

    def fit(self, predictions: PredictionSet) -> dict[str, list[Grid]]:
        return {
            model: [self.grid(values) for values in logits.T] for model, logits in zip(predictions.models, predictions.logits, strict=True)
        }

    def grid(self, values: Floats) -> Grid:
        levels, counts = np.unique(values, return_counts=True)
        rank = (np.cumsum(counts) - counts / 2) / len(values)
        height = np.log(rank) - np.log1p(-rank)
        if len(levels) > self.points:
            kept = np.unique(np.searchsorted(height, np.linspace(height[0], height[-1], self.points)))
            levels, height = levels[kept], height[kept]
        return [levels.tolist(), height.tolist()]

    def predict(self, state: dict[str, list[Grid]], predictions: PredictionSet) -> NDArray[np.float64]:
        rank = np.zeros(predictions.logits.shape[1:])
        for model, logits in zip(predictions.models, predictions.logits, strict=True):
            for column, (levels, height) in enumerate(state[model]):
                rank[:, column] += 1 / (1 + np.exp(-np.interp(logits[:, column], levels, height)))
        rank /= len(predictions.models)
        return np.log(rank) - np.log1p(-rank)


def build(points: Rows = 128) -> RankMean:
    return RankMean(points)

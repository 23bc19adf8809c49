"""The mean over models of a row's rank in each class: for models whose probabilities mean different things."""

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from comp.rows import Rows

Floats = NDArray[np.floating]
Grid = list[list[float]]  # ascending logits of a model, and the logits of their ranks


class RankMean:
    """A rank is the share of the fitted rows below, those that tie counting half: their empirical distribution function.

    Each model and class keeps it at `points` logits, evenly spaced in the logit of the rank, so that the few highest rows,
    among which a rare class is decided, are told apart. In between it is interpolated, beyond the fitted rows it is constant.
    """

    def __init__(self, points: int) -> None:
        self.points = points

    def fit(self, rows: Rows) -> dict[str, list[Grid]]:
        return {model: [self.grid(values) for values in logits.T] for model, logits in zip(rows.models, rows.logits, strict=True)}

    def grid(self, values: Floats) -> Grid:
        levels, counts = np.unique(values, return_counts=True)
        rank = (np.cumsum(counts) - counts / 2) / len(values)
        height = np.log(rank) - np.log1p(-rank)
        if len(levels) > self.points:
            kept = np.unique(np.searchsorted(height, np.linspace(height[0], height[-1], self.points)))
            levels, height = levels[kept], height[kept]
        return [levels.tolist(), height.tolist()]

    def predict(self, state: dict[str, list[Grid]], rows: Rows) -> NDArray[np.float64]:
        rank = np.zeros(rows.logits.shape[1:])
        for model, logits in zip(rows.models, rows.logits, strict=True):
            for column, (levels, height) in enumerate(state[model]):
                rank[:, column] += 1 / (1 + np.exp(-np.interp(logits[:, column], levels, height)))
        rank /= len(rows.models)
        return np.log(rank) - np.log1p(-rank)


def build(points: PositiveInt = 128) -> RankMean:
    return RankMean(points)

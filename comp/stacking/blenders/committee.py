"""A committee: the mean of the logits of several blenders."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base import registry
from comp.base.errors import ConfigError
from comp.stacking.prediction_set import PredictionSet


class Committee:
    def __init__(self, members: list[Any]) -> None:
        self.members = members

    def fit(self, predictions: PredictionSet) -> list[Any]:
        return [member.fit(predictions) for member in self.members]

    def predict(self, state: list[Any], predictions: PredictionSet) -> NDArray[np.float64]:
        predicted = [member.predict(fitted, predictions) for member, fitted in zip(self.members, state, strict=True)]
        return np.mean(predicted, axis=0)


def build(of: list[dict[str, Any]]) -> Committee:
    if not of:
        raise ConfigError("blenders.committee: the list `of` is empty", "name some blenders, as in of: [{name: greedy}, {name: convex}]")
    return Committee([registry.build("blenders", spec) for spec in of])

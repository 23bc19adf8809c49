"""Another blender, fitted again and again with models dropped at random; the mean of the probabilities of all fits."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base import registry
from comp.stacking.bounds import Bags, Seed
from comp.stacking.member_bags import Share, member_bags
from comp.stacking.prediction_set import PredictionSet


class Dropout:
    """No blend can rest on one model then. The state has the models and the fitted blender of each fit."""

    def __init__(self, blender: Any, bags: int, fraction: float, seed: int) -> None:
        self.blender = blender
        self.bags = bags
        self.fraction = fraction
        self.seed = seed

    def fit(self, predictions: PredictionSet) -> list[dict[str, Any]]:
        bags = member_bags(predictions.models, self.bags, self.fraction, self.seed)
        fitted = {bag: self.blender.fit(predictions.only(bag)) for bag in sorted(set(bags))}
        return [{"kept": list(bag), "blend": state, "times": bags.count(bag)} for bag, state in fitted.items()]

    def predict(self, state: list[dict[str, Any]], predictions: PredictionSet) -> NDArray[np.float64]:
        fits = [self.blender.predict(each["blend"], predictions.only(each["kept"])) for each in state]
        names = [f"{number:03}" for number in range(len(state))]
        total = sum(each["times"] for each in state)
        weights = {name: each["times"] / total for name, each in zip(names, state, strict=True)}
        return replace(predictions, logits=np.stack(fits).astype(np.float32), models=tuple(names)).mean_probability(weights)


def build(blender: dict[str, Any], bags: Bags = 10, fraction: Share = 0.75, seed: Seed = 0) -> Dropout:
    return Dropout(registry.build("blenders", blender), bags, fraction, seed)

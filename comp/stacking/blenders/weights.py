"""Weights given in the YAML, e.g. to reproduce a published ensemble."""

from math import inf, isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError
from comp.stacking.prediction_set import PredictionSet

Kind = Literal["probabilities", "logits"]


class Weights:
    def __init__(self, weights: dict[str, float], of: Kind) -> None:
        self.weights = weights
        self.of = of

    def fit(self, predictions: PredictionSet) -> dict[str, float]:
        """The weights, with sum 1.

        Raises:
            ConfigError: a weight names an unknown model, or a model has no weight.
        """
        there = ", ".join(predictions.models)
        if unknown := sorted(set(self.weights) - set(predictions.models)):
            raise ConfigError(f"blenders.weights: there is no model {unknown[0]!r}", f"give weights to exactly these models: {there}")
        if missing := [model for model in predictions.models if model not in self.weights]:
            raise ConfigError(f"blenders.weights: {missing[0]!r} has no weight", f"add `{missing[0]}: 0` to leave it out")
        total = sum(self.weights[model] for model in predictions.models)
        return {model: self.weights[model] / total for model in predictions.models}

    def predict(self, state: dict[str, float], predictions: PredictionSet) -> NDArray[np.float64]:
        return predictions.mean_logit(state) if self.of == "logits" else predictions.mean_probability(state)


def build(weights: dict[str, float], of: Kind = "probabilities") -> Weights:
    if wrong := [model for model, weight in weights.items() if not (isfinite(weight) and weight >= 0)]:
        raise ConfigError(f"blenders.weights: the weight of {wrong[0]!r} is {weights[wrong[0]]:g}", "give each model 0 or more")
    if not 0 < (total := sum(weights.values())) < inf:
        raise ConfigError(f"blenders.weights: the weights add up to {total:g}", "give some model more than 0, as in {densenet121: 1}")
    return Weights(weights, of)

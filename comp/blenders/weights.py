"""The weights that the YAML gives: replays an ensemble that was published."""

from math import inf, isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from comp.errors import ConfigError
from comp.rows import Rows

Kind = Literal["probabilities", "logits"]


class Weights:
    def __init__(self, weights: dict[str, float], of: Kind) -> None:
        self.weights = weights
        self.of = of

    def fit(self, rows: Rows) -> dict[str, float]:
        """The weights, with sum 1.

        Raises:
            ConfigError: a weight for a model that is not there, or a model without one.
        """
        there = ", ".join(rows.models)
        if unknown := sorted(set(self.weights) - set(rows.models)):
            raise ConfigError(f"blenders.weights: there is no model {unknown[0]!r}", f"give weights to exactly these models: {there}")
        if missing := [model for model in rows.models if model not in self.weights]:
            raise ConfigError(f"blenders.weights: {missing[0]!r} has no weight", f"add `{missing[0]}: 0` to leave it out")
        total = sum(self.weights[model] for model in rows.models)
        return {model: self.weights[model] / total for model in rows.models}

    def predict(self, state: dict[str, float], rows: Rows) -> NDArray[np.float64]:
        return rows.mean_logit(state) if self.of == "logits" else rows.mean_probability(state)


def build(weights: dict[str, float], of: Kind = "probabilities") -> Weights:
    if wrong := [model for model, weight in weights.items() if not (isfinite(weight) and weight >= 0)]:
        raise ConfigError(f"blenders.weights: the weight of {wrong[0]!r} is {weights[wrong[0]]:g}", "give each model 0 or more")
    if not 0 < (total := sum(weights.values())) < inf:
        raise ConfigError(f"blenders.weights: the weights add up to {total:g}", "give some model more than 0, as in {densenet121: 1}")
    return Weights(weights, of)

"""The mean of the thresholds of several rules, in logits: their errors differ and partly cancel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base import registry
from comp.base.errors import ConfigError
from comp.stacking.prediction_set import PredictionSet


class Committee:
    """A class that any of the rules never predicts is never predicted."""

    def __init__(self, rules: list[Any]) -> None:
        self.rules = rules

    def fit(self, predictions: PredictionSet) -> NDArray[np.float64]:
        return np.mean([rule.fit(predictions) for rule in self.rules], axis=0)


Specs = tuple[dict[str, Any], ...]
USUAL: Specs = ({"name": "smoothed"}, {"name": "plugin", "calibrator": "isotonic"}, {"name": "ratio"})


def build(of: Specs = USUAL) -> Committee:
    if not of:
        raise ConfigError("thresholds.committee: the list `of` is empty", "name some rules, as in of: [{name: bagged}, {name: ratio}]")
    return Committee([registry.build("thresholds", spec) for spec in of])

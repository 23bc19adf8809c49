"""Another blender on calibrated models: each class of each model is calibrated by its own curve before blending."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base import registry
from comp.metrics.calibration import Platt
from comp.stacking.prediction_set import PredictionSet

Curves = dict[str, list[list[float]]]  # model -> slope and intercept, in log-odds, of each class


class Calibrated:
    """For models with poorly calibrated probabilities, such as neighbour votes; see `comp.metrics.calibration.Platt`."""

    def __init__(self, blender: Any) -> None:
        self.blender = blender

    def fit(self, predictions: PredictionSet) -> dict[str, Any]:
        ordered = predictions.in_own_order()  # sums must not depend on the order of the rows
        curves: Curves = {}
        for model, logits in zip(ordered.models, ordered.logits, strict=True):
            found = [Platt.fit(scores, is_positive) for scores, is_positive in zip(logits.T, ordered.known_labels.T, strict=True)]
            curves[model] = [[float(curve.slope), float(curve.intercept)] for curve in found]
        return {"curves": curves, "blend": self.blender.fit(calibrated(predictions, curves))}

    def predict(self, state: dict[str, Any], predictions: PredictionSet) -> NDArray[np.float64]:
        return self.blender.predict(state["blend"], calibrated(predictions, state["curves"]))


def calibrated(predictions: PredictionSet, curves: Curves) -> PredictionSet:
    """The same images with calibrated logits."""
    slopes, intercepts = np.moveaxis(np.array([curves[model] for model in predictions.models]), -1, 0)[:, :, None]
    return replace(predictions, logits=(slopes * predictions.logits + intercepts).astype(np.float32))


def build(blender: dict[str, Any]) -> Calibrated:
    return Calibrated(registry.build("blenders", blender))

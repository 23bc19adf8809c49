"""Another blender, of calibrated models: each class of each model follows a curve of its own before the models are blended."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp import parts
from comp.calibration import Platt
from comp.rows import Rows

Curves = dict[str, list[list[float]]]  # model -> slope and intercept, in log-odds, of each class


class Calibrated:
    """For models whose probabilities do not mean what they say, as votes of neighbours; see `comp.calibration.Platt`."""

    def __init__(self, blender: Any) -> None:
        self.blender = blender

    def fit(self, rows: Rows) -> dict[str, Any]:
        ordered = rows.in_own_order()  # sums must not depend on the order of the rows
        curves: Curves = {}
        for model, logits in zip(ordered.models, ordered.logits, strict=True):
            found = [Platt.fit(scores, has) for scores, has in zip(logits.T, ordered.known_labels.T, strict=True)]
            curves[model] = [[float(curve.slope), float(curve.intercept)] for curve in found]
        return {"curves": curves, "blend": self.blender.fit(calibrated(rows, curves))}

    def predict(self, state: dict[str, Any], rows: Rows) -> NDArray[np.float64]:
        return self.blender.predict(state["blend"], calibrated(rows, state["curves"]))


def calibrated(rows: Rows, curves: Curves) -> Rows:
    """The rows as calibrated models see them."""
    slopes, intercepts = np.moveaxis(np.array([curves[model] for model in rows.models]), -1, 0)[:, :, None]
    return replace(rows, logits=(slopes * rows.logits + intercepts).astype(np.float32))


def build(blender: dict[str, Any]) -> Calibrated:
    return Calibrated(parts.build("blenders", blender))

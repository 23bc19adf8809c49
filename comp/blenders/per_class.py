"""Another blender, fitted anew for each class that has the positives to afford it; the other classes share one fit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from comp import parts
from comp.rows import Rows


class PerClass:
    """The state: "shared" is the fit on all classes, "own" has a fit for each frequent class, by the class' number."""

    def __init__(self, blender: Any, positives: int) -> None:
        self.blender = blender
        self.positives = positives

    def fit(self, rows: Rows) -> dict[str, Any]:
        frequent = np.flatnonzero(rows.known_labels.sum(axis=0) >= self.positives).tolist()
        own = {str(column): self.blender.fit(rows.of_classes([column])) for column in frequent}
        return {"shared": self.blender.fit(rows), "own": own}

    def predict(self, state: dict[str, Any], rows: Rows) -> NDArray[np.float64]:
        predicted = self.blender.predict(state["shared"], rows)
        for column, fitted in state["own"].items():
            predicted[:, int(column)] = self.blender.predict(fitted, rows.of_classes([int(column)]))[:, 0]
        return predicted


def build(blender: dict[str, Any], positives: PositiveInt = 200) -> PerClass:
    return PerClass(parts.build("blenders", blender), positives)

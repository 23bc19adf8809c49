"""The mean of all models' probabilities."""

import numpy as np
from numpy.typing import NDArray

from comp.rows import Rows


class Mean:
    def fit(self, rows: Rows) -> dict[str, float]:
        return {model: 1 / len(rows.models) for model in rows.models}

    def predict(self, state: dict[str, float], rows: Rows) -> NDArray[np.float64]:
        return rows.mean_probability(state)


def build() -> Mean:
    return Mean()

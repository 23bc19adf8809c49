"""Rows with a rare label come more often, as the 2nd place did by hand (rare classes repeated 2-10 times)."""

import numpy as np
from numpy.typing import NDArray

from comp.data.batches import Order


def build(power: float = 0.5, most: float = 10.0) -> Order:
    """A row's weight is (largest class / its rarest label's class) ** power, at most `most`; as many draws as rows."""

    def order(labels: NDArray[np.bool_], identity: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
        images = np.maximum(labels.sum(axis=0), 1)
        rarest = np.where(labels, images, images.max()).min(axis=1)
        weight = np.minimum((images.max() / rarest) ** power, most)
        return generator.choice(len(labels), size=len(labels), p=weight / weight.sum())

    return order

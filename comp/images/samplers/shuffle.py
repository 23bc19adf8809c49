"""Every row once an epoch, in random order."""

import numpy as np
from numpy.typing import NDArray

from comp.images.batches import Order


def build() -> Order:
    def order(labels: NDArray[np.bool_], identity: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
        return generator.permutation(len(labels))

    return order

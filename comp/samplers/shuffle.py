"""Every row once an epoch, in random order."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def build() -> Callable[[NDArray[np.bool_], np.random.Generator], NDArray[np.int64]]:
    def order(labels: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.int64]:
        return generator.permutation(len(labels))

    return order

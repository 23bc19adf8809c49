"""No augmentation."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def build() -> Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]:
    return lambda images, generator: images

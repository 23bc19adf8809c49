"""Images with any number of channels as RGB pictures."""

import numpy as np
from numpy.typing import NDArray


def colours(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (N, H, W, C) as RGB (N, H, W, 3). One channel becomes grey; a fourth is added to red and green; further ones are not shown."""
    *shape, count = images.shape
    if count == 1:
        return np.repeat(images, 3, axis=-1)
    shown = np.zeros((*shape, 3), np.uint16)
    shown[..., : min(count, 3)] = images[..., :3]
    if count > 3:
        shown[..., :2] += images[..., 3:4]
    return np.minimum(shown, 255).astype(np.uint8)

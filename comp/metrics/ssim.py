"""Structural similarity of images."""

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

WHITE = 255


def ssim(truth: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N,) structural similarity (Wang et al. 2004) of images (N, H, W) of at least 7 pixels, in windows of 7 x 7 pixels."""
    return np.array([structural_similarity(*pair, data_range=WHITE) for pair in zip(truth, drawn, strict=True)])

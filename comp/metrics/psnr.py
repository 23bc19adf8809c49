"""Peak signal-to-noise ratio of images."""

import numpy as np
from numpy.typing import NDArray

WHITE = 255.0
LEAST_ERROR = 1 / 12  # the mean squared error of rounding: equal images score as if they were rounded apart, 58.9 dB


def psnr(truth: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N,) 10 log10 of 255 squared over the mean squared error, in dB, of images (N, H, W)."""
    error = np.square(truth.astype(np.float64) - drawn).mean(axis=(1, 2))
    return 10 * np.log10(WHITE**2 / np.maximum(error, LEAST_ERROR))

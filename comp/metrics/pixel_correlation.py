"""Correlation of the pixels of images."""

import numpy as np
from numpy.typing import NDArray


def pixel_correlation(truth: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N,) Pearson correlation over the pixels of images (N, H, W); 0 where one of the two is constant."""
    first, second = (images.reshape(len(images), -1).astype(np.float64) for images in (truth, drawn))
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    lengths = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return (first * second).sum(axis=1) / np.where(lengths > 0, lengths, np.inf)

"""Means and covariances of the channels' grey values over pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comp.images.input_channels import Images, InputChannels

LEAST = 1.0  # grey values: the standard deviation of a channel, at least


@dataclass(frozen=True, eq=False)
class PixelMoments:
    """What the grey values of pixels are like.

    Attributes:
        mean: (C,).
        covariance: (C, C); the variances on its diagonal are at least 1.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @property
    def deviation(self) -> NDArray[np.float64]:
        """(C,) the standard deviations."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def correlation(self) -> NDArray[np.float64]:
        """(C, C)."""
        return self.covariance / np.outer(self.deviation, self.deviation)


def pixel_moments(images: Images, channels: InputChannels, rows: NDArray[np.int64], most: int = 512) -> PixelMoments:
    """The moments over all pixels of up to `most` evenly spaced ones of `rows`, of images (N, H, W, C); other rows are not looked at."""
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, num=min(most, len(rows)), dtype=np.int64))]
    count, total, products = 0, np.zeros(len(channels)), np.zeros((len(channels), len(channels)))
    for row in chosen:
        pixels = channels.read(images, row[None]).reshape(-1, len(channels)).astype(np.float64)
        count, total, products = count + len(pixels), total + pixels.sum(axis=0), products + pixels.T @ pixels
    mean = total / count
    covariance = products / count - np.outer(mean, mean)
    variance = np.diag(covariance)
    return PixelMoments(mean, covariance + np.diag(np.maximum(variance, LEAST**2) - variance))

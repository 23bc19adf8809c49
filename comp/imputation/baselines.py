"""What a network that draws channels has to beat: copying the given channels, and a linear regression of each pixel."""

import numpy as np
from numpy.typing import NDArray

from comp.images.pixel_moments import PixelMoments

Greys = NDArray[np.uint8]


def copied(images: Greys, given: NDArray[np.bool_], moments: PixelMoments) -> Greys:
    """The mean of the given channels, each normalised, in place of every channel that is not given, with this one's mean and deviation.

    Args:
        images: (N, H, W, C).
        given: (C,).
        moments: of training images.
    """
    normalised = ((images - moments.mean) / moments.deviation)[..., given].mean(axis=-1, keepdims=True)
    deviation = np.sqrt(max(moments.correlation[np.ix_(given, given)].mean(), 1e-6))  # of that mean
    return _with_given(images, given, normalised / deviation * moments.deviation + moments.mean)


def regressed(images: Greys, given: NDArray[np.bool_], moments: PixelMoments) -> Greys:
    """Least squares: each channel that is not given, as the linear function of the given ones at the same pixel that fits training best.

    Args:
        images: (N, H, W, C).
        given: (C,).
        moments: of training images.
    """
    among, towards = moments.covariance[np.ix_(given, given)], moments.covariance[given]
    slopes = np.linalg.lstsq(among, towards, rcond=None)[0]  # (given, C); equal channels share their slope
    return _with_given(images, given, (images[..., given] - moments.mean[given]) @ slopes + moments.mean)


def _with_given(images: Greys, given: NDArray[np.bool_], drawn: NDArray[np.float64]) -> Greys:
    rounded = np.rint(np.clip(drawn, 0, 255)).astype(np.uint8)
    return np.where(given, images, rounded)

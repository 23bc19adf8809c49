"""The three stains that cells are segmented by, as planes of a network: nuclei, microtubules and endoplasmic reticulum."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
STAINS = ("nuclei", "microtubules", "reticulum")
LOW, HIGH = 1.0, 99.8  # percentiles that become 0 and 1
BRIGHTEST = 2.0  # of a plane, so that a speck of dust does not matter
MOST_SAMPLES = 250_000  # pixels that the percentiles are taken from
CHANNELS = {"blue": "nuclei", "red": "microtubules", "yellow": "reticulum"}  # of the Human Protein Atlas


def stains_of(channels: Sequence[str]) -> dict[str, int]:
    """Stain -> the number of its channel, by the channels' names; a single channel of any name is taken for nuclei."""
    if len(channels) == 1:
        return {"nuclei": 0}
    return {CHANNELS[name]: number for number, name in enumerate(channels) if name in CHANNELS}


def planes(channels: Mapping[str, NDArray[np.generic]], scale: float = 1.0) -> Plane:
    """The planes (H, W, 3) of one image at `scale`, each from its own percentiles; a stain that is not given is 0.

    Args:
        channels: stain -> (H, W) of any type of numbers, all of one shape.
    """
    first = next(iter(channels.values()))
    height, width = scaled_shape(first.shape, scale)
    stacked = np.zeros((height, width, len(STAINS)), np.float32)
    for number, stain in enumerate(STAINS):
        if stain in channels:
            stacked[..., number] = resized(normalised(channels[stain]), (height, width))
    return stacked


def normalised(channel: NDArray[np.generic]) -> Plane:
    """A channel (H, W) in which the 1st percentile is 0 and the 99.8th is 1; a channel of one value is 0."""
    values = np.asarray(channel, np.float32)
    step = max(1, round((values.size / MOST_SAMPLES) ** 0.5))
    low, high = np.percentile(values[::step, ::step], [LOW, HIGH])
    if high <= low:
        high = max(float(values.max()), low)
    if high <= low:
        return np.zeros_like(values)
    return np.clip((values - np.float32(low)) / np.float32(high - low), 0, BRIGHTEST)


def resized(plane: Plane, shape: tuple[int, int]) -> Plane:
    """A plane at another shape (H, W): means over areas when shrinking, linear interpolation when enlarging."""
    if plane.shape[:2] == shape:
        return plane
    shrinking = shape[0] * shape[1] < plane.shape[0] * plane.shape[1]
    return np.asarray(cv2.resize(plane, shape[::-1], interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR), np.float32)


def scaled_shape(shape: Sequence[int], scale: float) -> tuple[int, int]:
    """Height and width at `scale`, at least 1."""
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))

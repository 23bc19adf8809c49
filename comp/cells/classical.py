"""Segmentation without a network, to compare with: Otsu's threshold, and watersheds from the middles of what is bright."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as connected
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from comp.cells.scale import SMOOTH, rough_diameter
from comp.cells.segmenter import Masks
from comp.cells.stains import normalised
from comp.cells.watershed import SMALLEST, numbered


def segment_classically(channels: Mapping[str, NDArray[np.generic]]) -> Masks:
    """Masks of one image by thresholds; cells where microtubules or reticulum are given.

    Args:
        channels: stain -> (H, W); "nuclei" is needed.
    """
    plane = normalised(channels["nuclei"])
    diameter = rough_diameter(plane)
    smooth = cv2.GaussianBlur(plane, (0, 0), SMOOTH)
    if smooth.min() == smooth.max():
        return Masks(np.zeros(plane.shape, np.uint16), None)
    bright = smooth > threshold_otsu(smooth)
    distance = cv2.distanceTransform(np.pad(bright, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    distance = cv2.GaussianBlur(distance, (0, 0), 1)
    peaks = peak_local_max(distance, min_distance=max(1, round(diameter / 3)), labels=connected(bright)[0], exclude_border=False)
    seeds = np.zeros(plane.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    nuclei = numbered(watershed(-distance, seeds, mask=bright), SMALLEST * np.pi / 4 * diameter**2)
    bodies = [normalised(channels[stain]) for stain in ("microtubules", "reticulum") if stain in channels]
    if not bodies:
        return Masks(nuclei.astype(np.uint16), None)
    body = cv2.GaussianBlur(np.mean(bodies, axis=0), (0, 0), diameter / 12)
    level = threshold_otsu(body) / 2 if body.min() < body.max() else 1.0  # Otsu parts bright cells from dim ones
    cells = watershed(-body, nuclei, mask=(body > level) | (nuclei > 0))
    return Masks(nuclei.astype(np.uint16), cells.astype(np.uint16))

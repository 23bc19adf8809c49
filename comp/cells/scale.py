"""How large nuclei are in an image: images are segmented at the scale at which nuclei have the diameter the network is used to."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from skimage.filters import threshold_otsu

from comp.cells.stains import resized, scaled_shape

DIAMETER = 24.0  # pixels of nuclei that the network sees
LARGEST_SCALE = 3.0  # at which images are segmented
SMOOTH = 1.5  # pixels, before nuclei are told from the background
LARGEST_SIDE = 1024  # pixels of the image in which nuclei are measured


def equivalent_diameters(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """The diameter of the circle with the area of each object of a label image, in pixels."""
    areas = np.bincount(labels.ravel())[1:]
    return np.sqrt(4 / np.pi * areas[areas > 0])


def rough_diameter(plane: NDArray[np.float32]) -> float:
    """The diameter of nuclei in a plane (H, W), in pixels, without a network.

    The plane is cut by Otsu's threshold. The thickness of a piece is twice the largest distance to its border, so that pieces of several
    nuclei do not count as large ones. The median of the thickness is weighted by area, so that dust does not matter.
    """
    shrink = min(1.0, LARGEST_SIDE / max(plane.shape))
    small = resized(plane, scaled_shape(plane.shape, shrink))
    smooth = cv2.GaussianBlur(small, (0, 0), SMOOTH)
    if smooth.min() == smooth.max():
        return DIAMETER
    bright = (smooth > threshold_otsu(smooth)).astype(np.uint8)
    count, pieces = cv2.connectedComponents(bright)
    distance = cv2.distanceTransform(np.pad(bright, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    thickness, area = np.zeros(count - 1), np.bincount(pieces.ravel(), minlength=count)[1:]
    for number, box in enumerate(find_objects(pieces)):
        thickness[number] = 2 * distance[box][pieces[box] == number + 1].max()
    return weighted_median(thickness, area) / shrink


def weighted_median(values: NDArray[np.float64], weights: NDArray[np.integer]) -> float:
    """The value at which half of the weight is reached."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])

"""What the segmenting network learns of a label image: where objects are, and how deep a pixel lies inside its object."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

Floats = NDArray[np.float32]


def targets(labels: NDArray[np.integer]) -> Floats:
    """Targets (H, W, 2) of a label image (H, W), in which 0 is background.

    The first is 1 inside objects. The second is the distance to the object's own border divided by the largest one in the object: 1 in the
    middle, near 0 at the border, 0 outside. So a valley parts objects that touch.
    """
    inside = (labels > 0).astype(np.float32)
    depth = np.zeros(labels.shape, np.float32)
    for number, box in enumerate(find_objects(labels), start=1):
        if box is None:  # no object has this number
            continue
        own = np.pad(labels[box] == number, 1).astype(np.uint8)
        distance = cv2.distanceTransform(own, cv2.DIST_L2, 5)[1:-1, 1:-1]
        depth[box] += distance / distance.max()
    return np.stack([inside, depth], axis=-1)


def between(labels: NDArray[np.integer], side: int) -> NDArray[np.bool_]:
    """The pixels (H, W) of a label image in whose neighbourhood, a square of `side` pixels, there are two objects or more."""
    square = np.ones((side, side), np.uint8)
    highest = cv2.dilate(labels.astype(np.float32), square)
    lowest = cv2.erode(np.where(labels > 0, labels, np.inf).astype(np.float32), square)
    return np.asarray((highest > 0) & (highest != lowest), bool)

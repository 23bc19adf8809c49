"""From the maps of the segmenting network to numbered objects: seeds where a pixel lies deep inside, grown by a watershed."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, find_objects, gaussian_filter, maximum, mean
from scipy.ndimage import label as connected
from skimage.morphology import h_maxima
from skimage.segmentation import expand_labels, watershed

from comp.cells.stains import resized

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]
INSIDE = 0.4  # probability from which a pixel belongs to an object; 0.3 to 0.5 were tried on the fields that it was trained on
SURE = 0.7  # mean probability from which a piece without a seed is a nucleus; 0.6 and 0.8 do as well
SMOOTH = 1 / 12  # of the diameter: the depth is smoothed before seeds are taken
SMALLEST = 0.1  # of the area of a circle with the diameter; smaller nuclei are dirt
FAINTEST = 0.2  # of the brightness of the median nucleus; less is the light of another stain (none of 9,296 annotated nuclei has so little)


def nuclei(inside: Floats, depth: Floats, diameter: float, valley: float) -> Labels:
    """Nuclei numbered 1, 2, ... of their maps (H, W).

    Args:
        inside: probability that a pixel lies in a nucleus.
        depth: how deep, 0 to 1.
        diameter: that nuclei are expected to have, in pixels.
        valley: how far the depth must fall between two nuclei.
    """
    body = inside > INSIDE
    if not body.any():
        return np.zeros(body.shape, np.int32)
    hills = np.where(body, gaussian_filter(depth, SMOOTH * diameter), 0)
    return numbered(watershed(-hills, _seeds(hills, inside, body, valley), mask=body), SMALLEST * np.pi / 4 * diameter**2)


def _seeds(hills: Floats, inside: Floats, body: NDArray[np.bool_], valley: float) -> Labels:
    """Numbered seeds (H, W): hills that a valley parts, and pieces of the body without such a hill that are surely a nucleus."""
    seeds, count = connected(h_maxima(hills, valley))
    pieces, of_pieces = connected(body)
    numbers = np.arange(1, of_pieces + 1)
    alone = (maximum(seeds, pieces, numbers) == 0) & (mean(inside, pieces, numbers) >= SURE)
    return np.where(np.concatenate([[False], alone])[pieces], count + pieces, seeds)


def without_faint(labels: Labels, stain: Floats) -> Labels:
    """Nuclei (H, W) without those that are hardly stained, beside the median nucleus of the image, numbered anew.

    Brightness is the mean of the nucleus above the median of all that lies outside nuclei.

    Args:
        stain: of nuclei (H, W).
    """
    if labels.all() or labels.max() < 2:
        return labels
    pixels = np.bincount(labels.ravel())[1:]
    brightness = np.bincount(labels.ravel(), stain.ravel())[1:] / pixels - np.median(stain[labels == 0])
    median = np.median(brightness)
    stays = brightness * median >= FAINTEST * median**2  # so that all stay where the median is 0
    return np.concatenate([[0], np.where(stays, np.cumsum(stays), 0)]).astype(np.int32)[labels]


def cells(inside: Floats, depth: Floats, seeds: Labels) -> Labels:
    """The cells around nuclei: each has the number of its nucleus, and holds it.

    Args:
        inside, depth: maps (H, W) of the cells.
        seeds: nuclei (H, W).
    """
    return np.asarray(watershed(-depth, seeds, mask=(inside > INSIDE) | (seeds > 0)), np.int32)


def numbered(labels: NDArray[np.integer], smallest: float) -> Labels:
    """Objects of at least `smallest` pixels numbered 1, 2, ... without gaps; holes inside one are filled."""
    found = np.zeros(labels.shape, np.int32)
    count = 0
    for number, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        own = binary_fill_holes(labels[box] == number)
        if own.sum() >= smallest:
            count += 1
            found[box][own & (found[box] == 0)] = count
    return found


def at_size(labels: Labels, inside: Floats, shape: tuple[int, int]) -> Labels:
    """Objects at another size (H, W); at a larger one their outlines follow the map `inside`, not the pixels of `labels`."""
    if labels.shape == shape:
        return labels
    found = np.asarray(cv2.resize(labels, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST_EXACT), np.int32)
    factor = shape[0] / labels.shape[0]
    if factor <= 1:
        return found
    return np.where(resized(inside, shape) > INSIDE, expand_labels(found, factor), 0).astype(np.int32)

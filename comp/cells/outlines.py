"""A sheet of images with the outlines of their nuclei and cells, to look at."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from comp.cells.segmenter import Masks
from comp.cells.stains import normalised, resized

SIDE = 480  # pixels of an image on the sheet
COLUMNS = 4
CELL, NUCLEUS = (255, 220, 0), (0, 230, 255)  # colours of the outlines, RGB
SHOWN_BY = {"microtubules": (1, 0, 0), "reticulum": (0.5, 0.5, 0), "nuclei": (0.25, 0.25, 1)}


def outlined(channels: Mapping[str, NDArray[np.generic]], masks: Masks, title: str) -> NDArray[np.uint8]:
    """One image (SIDE, SIDE, 3) RGB: its stains, the outlines of nuclei and cells, and a title with their number."""
    height, width = masks.nuclei.shape
    scale = SIDE / max(height, width)
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    shown = np.zeros((*shape, 3), np.float32)
    colours = SHOWN_BY if len(channels) > 1 else {"nuclei": (0.8, 0.8, 0.8)}
    for stain, channel in channels.items():
        shown += np.array(colours[stain], np.float32) * np.clip(resized(normalised(channel), shape), 0, 1)[..., None] ** 0.7
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    inside = picture[: shape[0], : shape[1]]
    inside[:] = np.clip(shown * 255, 0, 255)
    for labels, colour in ((masks.cells, CELL), (masks.nuclei, NUCLEUS)):
        if labels is not None:
            small = cv2.resize(labels, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
            inside[find_boundaries(small, mode="inner")] = colour
    text = f"{title[-40:]}  {masks.count}"
    cv2.putText(picture, text, (5, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(picture, text, (5, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return picture


def sheet(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures side by side in rows of `COLUMNS`."""
    columns = min(COLUMNS, len(pictures))
    blank = [np.zeros_like(pictures[0])] * (-len(pictures) % columns)
    padded = [*pictures, *blank]
    return np.vstack([np.hstack(padded[start : start + columns]) for start in range(0, len(padded), columns)])

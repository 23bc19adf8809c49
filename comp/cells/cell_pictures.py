"""Pictures of single cells, cut out on black."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.ndimage import find_objects

from comp.cells.segmenter import Masks
from comp.images.formats.stored import StoredChannel

MARGIN = 2  # pixels around a cell


def crops(channels: Sequence[StoredChannel], masks: Masks) -> Iterator[tuple[int, StoredChannel]]:
    """The number of each cell, and its picture (h, w, channels): its box, black outside the cell; of nuclei, if there are no cells.

    Args:
        channels: (H, W) each.
    """
    labels = masks.nuclei if masks.cells is None else masks.cells
    image = np.stack(channels, axis=-1)
    for number, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        rows, columns = (slice(max(side.start - MARGIN, 0), side.stop + MARGIN) for side in box)
        yield number, image[rows, columns] * (labels[rows, columns] == number)[..., None]

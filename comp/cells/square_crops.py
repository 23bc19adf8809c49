"""Square crops around cells, for networks: all of one scale in an image, with what lies around each cell."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.cells.cell_table import cell_table
from comp.cells.scale import equivalent_diameters
from comp.cells.segmenter import Masks
from comp.images.bags import CropPlan
from comp.images.crops import WHOLE_IMAGE, Crops
from comp.images.read import resize

FEWEST_PIXELS = 2  # side of what a crop shows


def square_crops(channels: Sequence[NDArray[np.uint8]], masks: Masks, plan: CropPlan) -> Crops:
    """The crops of one image in the order of its cells' numbers; if there is no cell with a visible nucleus, the whole image.

    A crop is centred on the cell's box, and black where it leaves the image. If there are more cells than asked for, those nearest to the
    border of the image are left out.

    Args:
        channels: (H, W) each.
    """
    table = cell_table("", masks)
    if table.empty or not masks.nuclei.any():
        return Crops(np.array([WHOLE_IMAGE], np.int32), np.stack([resize(channel, plan.size) for channel in channels], axis=-1)[None])
    image = np.stack(channels, axis=-1)
    height, width = image.shape[:2]
    rows, columns = ((table[first] + table[last]).to_numpy() / 2 for first, last in (("top", "bottom"), ("left", "right")))
    to_border = np.min([rows, columns, height - rows, width - columns], axis=0)
    kept = np.sort(np.argsort(-to_border, kind="stable")[: plan.cells])
    side = max(round(plan.span * float(np.median(equivalent_diameters(masks.nuclei)))), FEWEST_PIXELS)
    corners = [(round(rows[place] - side / 2), round(columns[place] - side / 2)) for place in kept]
    pixels = [resized_window(image, corner, side, plan.size) for corner in corners]
    return Crops(table["cell"].to_numpy(np.int32)[kept], np.stack(pixels))


def resized_window(image: NDArray[np.uint8], corner: tuple[int, int], side: int, size: int) -> NDArray[np.uint8]:
    """A square of an image (H, W, C) at another size: (size, size, C). It is black outside the image.

    Args:
        corner: row and column of its first pixel, which may lie outside.
        side: in pixels of the image.
    """
    top, left = corner
    window = np.zeros((side, side, image.shape[-1]), np.uint8)
    inside = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    first_row, first_column = max(-top, 0), max(-left, 0)
    window[first_row : first_row + inside.shape[0], first_column : first_column + inside.shape[1]] = inside
    if side == size:
        return window
    resized = cv2.resize(window, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8).reshape(size, size, -1)

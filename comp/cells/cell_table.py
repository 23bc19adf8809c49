"""The table of segmented cells: one row a cell."""

import numpy as np
import pandas as pd
from scipy.ndimage import find_objects

from comp.cells.segmenter import Masks

COLUMNS = ("image", "cell", "top", "left", "bottom", "right", "area", "nucleus_area", "touches_border")


def cell_table(image_id: str, masks: Masks) -> pd.DataFrame:
    """The cells of one image in the order of their numbers, all measures in pixels.

    Columns: image; cell (its number in the masks); top, left, bottom, right (its box, the last row and column excluded); area;
    nucleus_area; touches_border (of the image). Without cells, boxes and borders are those of the nuclei, and `area` is empty.
    """
    outlined = masks.nuclei if masks.cells is None else masks.cells
    height, width = outlined.shape
    boxes = find_objects(outlined)
    numbers = np.array([number for number, box in enumerate(boxes, start=1) if box is not None], np.int64)
    corners = np.array([(box[0].start, box[1].start, box[0].stop, box[1].stop) for box in boxes if box is not None], np.int64).reshape(
        -1, 4
    )
    table = pd.DataFrame(corners, columns=["top", "left", "bottom", "right"])
    table.insert(0, "cell", numbers)
    table.insert(0, "image", image_id)
    areas = np.bincount(outlined.ravel(), minlength=len(boxes) + 1)[numbers]
    table["area"] = pd.array(areas if masks.cells is not None else [None] * len(areas), "Int64")
    table["nucleus_area"] = np.bincount(masks.nuclei.ravel(), minlength=len(boxes) + 1)[numbers]
    table["touches_border"] = (corners[:, :2] == 0).any(axis=1) | (corners[:, 2] == height) | (corners[:, 3] == width)
    return table[list(COLUMNS)]

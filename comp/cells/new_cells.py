"""The cells of images that belong to no table of a competition, for trained models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from comp.base.errors import DataError
from comp.cells.cell_source import CellSource
from comp.cells.crop_writer import cut_cells, find_cells
from comp.images.bags import Bags, CropPlan
from comp.images.crops import CropContent, open_crops
from comp.images.formats.stored import Levels
from comp.images.problems import Files


def crops_of(
    files: Files, channels: tuple[str, ...], levels: Levels | None, plans: Sequence[CropPlan], folder: Path
) -> dict[CropPlan, Bags]:
    """The bags of each plan, below `folder`, where masks and crops are written.

    Raises:
        ConfigError: no channel shows nuclei.
        DataError: images are missing or unreadable.
    """
    source = CellSource(files, channels, levels)
    job = source.job(folder / "cells")
    find_cells(job)
    bags = {}
    for plan in plans:
        content = CropContent(plan, tuple(files), channels, levels, np.ones(len(files), np.uint64))
        cut_cells(folder / plan.name, content, source, job)
        made = open_crops(folder / plan.name)
        if made is None:
            raise DataError(f"{folder / plan.name} cannot be read back as it was written", "check the disk, then type the command again")
        bags[plan] = made.images
    return bags

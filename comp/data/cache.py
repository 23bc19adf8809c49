"""The image cache: all images of a table at one size, uint8, memory-mapped.

A cache is a folder: `images.u8` (N, size, size, C), rows in the order of the table; `index.json` (size, channels, ids); `rows.bin`,
one record a row. A row counts once its record is stamped, which `comp.data.cache_filling` does after its pixels are on the disk.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.errors import DataError

RECORD = np.dtype([("stamp", "<u8"), ("black", "<u8"), ("height", "<u4"), ("width", "<u4"), ("unused", "<u8")])
# Of the files a row was read from: a number that changes with them (0: not filled), a bit for each black channel, and their size.
# 32 bytes, so that no record lies across two pages: the kernel writes it whole or not at all.
HOW_TO_FILL = "fill it with: make data COMP=..."


@dataclass(frozen=True)
class Cache:
    """An open cache.

    Attributes:
        images: (N, size, size, C) uint8, read-only, mapped from the disk; row i is `ids[i]`.
    """

    folder: Path
    images: NDArray[np.uint8]
    ids: tuple[str, ...]
    channels: tuple[str, ...]
    records: NDArray[np.void]

    @property
    def size(self) -> int:
        return int(self.images.shape[1])

    def rows(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Where `ids` lie in `images`, in their order.

        Raises:
            DataError: an id that has no row, or none that is filled.
        """
        row_of = {image_id: row for row, image_id in enumerate(self.ids)}
        rows = np.array([row_of.get(image_id, -1) for image_id in ids], np.int64)
        lost = (rows < 0) | (self.records["stamp"][rows] == 0)
        if lost.any():
            raise DataError(f"{self.folder} has no image of {ids[int(lost.argmax())]}", HOW_TO_FILL)
        return rows

    def remarks(self) -> list[tuple[str, str]]:
        """(id, what is odd about its files) of images that were taken and a person should know of."""
        black, height, width = (self.records[name] for name in ("black", "height", "width"))
        found = []
        for row in np.flatnonzero((black != 0) | (height != width) | ((height > 0) & (height < self.size))):
            if black[row]:
                names = [name for bit, name in enumerate(self.channels) if int(black[row]) >> bit & 1]
                found.append((self.ids[row], f"all black: {', '.join(names)}"))
            if height[row] != width[row]:
                found.append((self.ids[row], f"{width[row]} x {height[row]} px, squeezed into a square"))
            elif height[row] < self.size:
                found.append((self.ids[row], f"{width[row]} x {height[row]} px, enlarged"))
        return found


def open_cache(folder: Path) -> Cache:
    """The cache in `folder`, as far as it is filled.

    Raises:
        DataError: there is none.
    """
    index = read_index(folder)
    if index is None:
        raise DataError(f"there is no image cache {folder}", HOW_TO_FILL)
    ids, channels = tuple(index["ids"]), tuple(index["channels"])
    shape = (len(ids), index["size"], index["size"], len(channels))
    images = np.memmap(folder / "images.u8", np.uint8, "r", shape=shape)
    return Cache(folder, images, ids, channels, np.fromfile(folder / "rows.bin", RECORD, len(ids)))


def read_index(folder: Path) -> dict[str, Any] | None:
    """What the cache in `folder` holds, or None where there is none: the index is written last."""
    try:
        index: dict[str, Any] = json.loads((folder / "index.json").read_text())
    except (OSError, ValueError):
        return None
    return index

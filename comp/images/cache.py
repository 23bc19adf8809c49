"""The image cache: all images of a table at one size, uint8, memory-mapped.

A cache is a folder with three files: `images.u8` (N, size, size, C), rows in the order of the table; `index.json` (size, channels, ids);
`rows.bin`, one record a row. A row is filled if its record has a stamp. `comp.images.cache_writer` writes the stamp when the pixels are on
the disk.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError

RECORD = np.dtype([("stamp", "<u8"), ("black", "<u8"), ("height", "<u4"), ("width", "<u4"), ("unused", "<u8")])
# stamp: changes with the files of the row; 0 means not filled. black: a bit for each black channel. height, width: of the files.
# A record has 32 bytes, so none lies across two pages, and the kernel writes it whole or not at all.
HOW_TO_FILL = "fill it with: make data COMP=..."


@dataclass(frozen=True)
class Cache:
    """An open cache.

    Attributes:
        images: (N, size, size, C) uint8, read-only, memory-mapped; row i is `ids[i]`.
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
        """The rows of `images` that hold `ids`, in their order.

        Raises:
            DataError: an id has no row, or its row is not filled.
        """
        row_of = {image_id: row for row, image_id in enumerate(self.ids)}
        rows = np.array([row_of.get(image_id, -1) for image_id in ids], np.int64)
        lost = (rows < 0) | (self.records["stamp"][rows] == 0)
        if lost.any():
            raise DataError(f"{self.folder} has no image of {ids[int(lost.argmax())]}", HOW_TO_FILL)
        return rows

    def remarks(self) -> list[tuple[str, str]]:
        """(id, remark) of images with unusual files, which are in the cache all the same."""
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
    """The cache in `folder`, complete or not.

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
    """The index of the cache in `folder`; None if there is no cache. The index is written last."""
    try:
        index: dict[str, Any] = json.loads((folder / "index.json").read_text())
    except (OSError, ValueError):
        return None
    return index

"""The crop cache: a picture of every cell of every image, cut out of all channels.

A folder with `crops.u8`, the crops (M, S, S, C) uint8 of all images one after the other; `images.npy`, one record an image; `cells.npy`,
the number of each crop's cell; and `index.json`. It is written as a whole. `comp.cells.crop_writer` makes it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.files import atomic_folder, read_text, write_json
from comp.images.bags import Bags, CropPlan
from comp.images.cache import checksum
from comp.images.stored_images import StoredImages

VERSION = 1
CROPS, RECORDS, CELLS, INDEX = "crops.u8", "images.npy", "cells.npy", "index.json"
RECORD = np.dtype(
    [("stamp", "<u8"), ("checksum", "<u8"), ("first", "<i8"), ("count", "<i8")]
)  # of an image; the crops are first, first + 1, ...
WHOLE_IMAGE = 0  # in place of a cell's number: no cell was found


@dataclass(frozen=True, eq=False)
class CropCache:
    """An open crop cache.

    Attributes:
        ids: (N,) of the images.
        channels: of the crops.
        levels: the stored values of black and white, if the competition's YAML gives them.
        records: (N,) `RECORD`.
        cells: (M,) the number of each crop's cell; 0 for a whole image.
        segmenter: the hash of what found the cells.
    """

    folder: Path
    plan: CropPlan
    ids: tuple[str, ...]
    channels: tuple[str, ...]
    levels: tuple[float, float] | None
    records: NDArray[np.void]
    cells: NDArray[np.int32]
    segmenter: str
    crops: StoredImages

    @property
    def images(self) -> Bags:
        return Bags(self.crops, self.records["first"], self.records["count"], self.plan.cells)

    @property
    def size(self) -> int:
        return self.plan.size

    def is_whole(self) -> bool:
        """Whether all crops are those that were written, by their checksums."""
        try:
            return all(checksum(self._of(row)) == record["checksum"] for row, record in enumerate(self.records))
        except DataError:
            return False

    def _of(self, row: int) -> NDArray[np.uint8]:
        record = self.records[row]
        return self.crops[int(record["first"]) : int(record["first"] + record["count"])]


def open_crops(folder: Path) -> CropCache | None:
    """The crop cache in a folder; None if there is none, or it is damaged."""
    try:
        index = json.loads(read_text(folder / INDEX))
        if index["version"] != VERSION:
            return None
        plan, ids, channels = CropPlan(**index["plan"]), tuple(index["ids"]), tuple(index["channels"])
        records, cells = (np.load(folder / name, allow_pickle=False) for name in (RECORDS, CELLS))
        shape = (len(cells), plan.size, plan.size, len(channels))
        if records.dtype != RECORD or len(records) != len(ids) or int(records["count"].sum()) != len(cells):
            return None
        if (folder / CROPS).stat().st_size != np.prod(shape, dtype=np.int64):
            return None
        levels = tuple(index["levels"]) if index["levels"] else None
        return CropCache(folder, plan, ids, channels, levels, records, cells, index["segmenter"], StoredImages(folder / CROPS, shape))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


@dataclass(frozen=True, eq=False)
class Crops:
    """The crops (n, S, S, C) of one image, and the numbers (n,) of their cells."""

    numbers: NDArray[np.int32]
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class CropContent:
    """What a crop cache is made for.

    Attributes:
        stamps: (N,) change with the files of an image.
    """

    plan: CropPlan
    ids: Sequence[str]
    channels: Sequence[str]
    levels: tuple[float, float] | None
    stamps: NDArray[np.uint64]

    def is_in(self, found: CropCache | None) -> bool:
        """Whether a crop cache is for this content."""
        if found is None or (found.plan, found.ids, found.channels, found.levels) != (
            self.plan, tuple(self.ids), tuple(self.channels), self.levels,
        ):  # fmt: skip
            return False
        return np.array_equal(found.records["stamp"], self.stamps)


def write_crops(folder: Path, content: CropContent, segmenter: str, crops: Iterable[Crops]) -> None:
    """Write a crop cache; `crops` are those of each image, in the order of the ids. One that is there is replaced."""
    records, cells, first = np.zeros(len(content.ids), RECORD), [], 0
    with atomic_folder(folder) as made:
        with (made / CROPS).open("wb") as file:
            for row, each in enumerate(crops):
                pixels = np.ascontiguousarray(each.pixels)
                file.write(pixels.data)
                records[row] = (content.stamps[row], checksum(pixels), first, len(pixels))
                cells.append(each.numbers.astype(np.int32))
                first += len(pixels)
        np.save(made / RECORDS, records, allow_pickle=False)
        np.save(made / CELLS, np.concatenate(cells), allow_pickle=False)
        levels = list(content.levels) if content.levels else None
        write_json(made / INDEX, {
            "version": VERSION, "plan": asdict(content.plan), "ids": list(content.ids), "channels": list(content.channels),
            "levels": levels, "segmenter": segmenter,
        })  # fmt: skip

"""The image cache: all images of a table at one size, uint8, raw or compressed.

A cache is a folder with three files: the images (N, size, size, C), rows in the order of the table; `index.json` (size, channels, ids,
levels); `rows.bin`, one record a row. A row is filled if its record has a stamp. `comp.images.cache_writer` writes the stamp when the
pixels are on the disk. A folder with other content, or files of other lengths, is no cache.

The images are `images.u8`, one row after the other, or `images.zst`, compressed rows that lie where their records say. Pixels, records and
checksums are the same in both forms.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from comp.base.errors import DataError
from comp.base.files import hash_of, read_text
from comp.base.processes import cores
from comp.images.read import used_bits
from comp.images.stored_images import StoredImages

VERSION = 2
FORMS = RAW, COMPRESSED = "raw", "compressed"
FILES = {RAW: "images.u8", COMPRESSED: "images.zst"}
RECORD = np.dtype(
    [
        ("stamp", "<u8"),  # changes with the files of the row; 0 means not filled
        ("checksum", "<u8"),  # of the pixels
        ("black", "<u8"),  # a bit for each black channel
        ("height", "<u4"),  # of the files
        ("width", "<u4"),
        ("peak", "<u4"),  # the largest stored value of files with more than 8 bits, else 0
        ("from_grey", "<u4"),  # 1: a grey file was taken for red, green and blue
        ("offset", "<u8"),  # where the compressed pixels lie
        ("length", "<u8"),
        ("unused", "V8"),
    ]
)  # a record has 64 bytes, so none lies across two pages, and the kernel writes it whole or not at all
ROWS_AT_ONCE = 64  # whose checksums a thread computes
HOW_TO_FILL = "fill it with: make data COMP=..."


@dataclass(frozen=True)
class Cache:
    """An open cache.

    Attributes:
        images: (N, size, size, C) uint8, read from the disk when rows are taken; row i is `ids[i]`.
        levels: the stored values of black and white, if the competition's YAML gives them.
        made_from: the name of the larger cache that this one was made from, if it was.
    """

    folder: Path
    images: StoredImages
    ids: tuple[str, ...]
    channels: tuple[str, ...]
    records: NDArray[np.void]
    levels: tuple[float, float] | None = None
    made_from: str | None = None

    @property
    def size(self) -> int:
        return self.images.shape[1]

    @property
    def form(self) -> str:
        """Either "raw" or "compressed"."""
        return COMPRESSED if self.images.compressed else RAW

    @property
    def stored_bytes(self) -> int:
        """Of the images on the disk."""
        return self.images.path.stat().st_size

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

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits. They change with any pixel, id or channel, the size and the order of channels, not with that of rows."""
        rows = sorted(zip(self.ids, self.records["checksum"].tolist(), strict=True))
        return hash_of([self.size, self.channels, rows])

    def damaged_rows(self) -> NDArray[np.int64]:
        """The filled rows whose pixels are not those that were written, by their checksums."""
        filled = np.flatnonzero(self.records["stamp"])
        blocks = [filled[start : start + ROWS_AT_ONCE] for start in range(0, len(filled), ROWS_AT_ONCE)]
        with ThreadPoolExecutor(cores()) as pool:
            found = [each for block in pool.map(self._damage, blocks) for each in block]
        return filled[np.array(found, bool)]

    def _damage(self, rows: NDArray[np.int64]) -> list[bool]:
        return [self.undamaged(row) is None for row in rows.tolist()]

    def undamaged(self, row: int) -> NDArray[np.uint8] | None:
        """The pixels (size, size, C) of a row; None if they are not those that were written."""
        try:
            pixels = self.images[row]
        except DataError:
            return None
        return pixels if checksum(pixels) == self.records["checksum"][row] else None

    def remarks(self) -> list[tuple[str, str]]:
        """(id, remark) of images with unusual files, which are in the cache all the same."""
        black, height, width, grey = (self.records[name] for name in ("black", "height", "width", "from_grey"))
        found = []
        peak = int(self.records["peak"].max(initial=0))
        if bits := used_bits(peak, self.levels):
            found.append(
                ("all", f"no stored value is above {peak:,} of 65,535; if they have {bits} bits, say so: images: {{bits: {bits}}}")
            )
        for row in np.flatnonzero((black != 0) | (grey != 0) | (height != width) | ((height > 0) & (height < self.size))):
            if black[row]:
                names = [name for bit, name in enumerate(self.channels) if int(black[row]) >> bit & 1]
                found.append((self.ids[row], f"all black: {', '.join(names)}"))
            if grey[row]:
                found.append((self.ids[row], "grey, taken for red, green and blue"))
            if height[row] != width[row]:
                found.append((self.ids[row], f"{width[row]} x {height[row]} px, squeezed into a square"))
            elif height[row] < self.size:
                found.append((self.ids[row], f"{width[row]} x {height[row]} px, enlarged"))
        return found


def bytes_of_cache(images: int, size: int, channels: int) -> int:
    """How many bytes the files of a cache take, its index apart."""
    return images * (size * size * channels + RECORD.itemsize)


def open_cache(folder: Path) -> Cache:
    """The cache in `folder`, complete or not.

    Raises:
        DataError: there is none.
    """
    index = read_index(folder)
    if index is None:
        raise DataError(f"there is no image cache {folder}", HOW_TO_FILL)
    ids, channels, levels = tuple(index["ids"]), tuple(index["channels"]), index["levels"]
    form = form_of(index)
    try:
        records = _records(folder)
        places = None if form == RAW else np.stack([records["offset"], records["length"]], axis=1).astype(np.int64)
        images = StoredImages(folder / FILES[form], (len(ids), index["size"], index["size"], len(channels)), places)
    except FileNotFoundError:  # another process makes the cache anew
        raise DataError(f"there is no image cache {folder}", HOW_TO_FILL) from None
    return Cache(folder, images, ids, channels, records, tuple(levels) if levels else None, index.get("made_from"))


def read_index(folder: Path) -> dict[str, Any] | None:
    """The index of the cache in `folder`; None if there is no cache, or it is damaged. The index is written last.

    Its keys are version, size, channels, ids, levels; "form", if the images are compressed; and "made_from", the name of the larger cache
    that they were made from, if they were.
    """
    try:
        index: dict[str, Any] = json.loads(read_text(folder / "index.json"))
        pixels = index["size"] ** 2 * len(index["channels"]) * len(index["ids"])
        files = [folder / FILES[form_of(index)], folder / "rows.bin"]
        lengths = [path.stat().st_size for path in files if path.is_file()]
        whole = index["version"] == VERSION and "levels" in index and lengths[1:] == [RECORD.itemsize * len(index["ids"])]
        whole = whole and (lengths[0] == pixels if form_of(index) == RAW else lengths[0] >= end_of(_records(folder)))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return index if whole and pixels else None


def form_of(index: dict[str, Any]) -> str:
    """Either "raw" or "compressed"."""
    return str(index.get("form", RAW))


def end_of(records: NDArray[np.void]) -> int:
    """Where compressed rows end in their file."""
    return max((offset + length for offset, length in zip(records["offset"].tolist(), records["length"].tolist(), strict=True)), default=0)


def _records(folder: Path) -> NDArray[np.void]:
    return np.fromfile(folder / "rows.bin", RECORD)


def checksum(pixels: NDArray[np.uint8]) -> int:
    """64 bits that change with any pixel; not against malice."""
    return xxh3_64_intdigest(np.ascontiguousarray(pixels).data)

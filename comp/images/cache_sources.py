"""Where the rows of a cache come from: the cache before it, a larger cache, or the image files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.files import file_state
from comp.images.cache import RECORD, VERSION, Cache, checksum, form_of, open_cache, read_index
from comp.images.formats.stored import WHOLE_ONE, Levels
from comp.images.problems import Files
from comp.images.read import read_image, resize

Row = tuple[NDArray[np.uint8], NDArray[np.void]]  # pixels (size, size, C) and their record


@dataclass(frozen=True)
class CacheContent:
    """What a cache is to hold.

    Attributes:
        files: the files of each id, in the order of the table.
        levels: the stored values of black and white, as in `comp.images.read.read_image`.
        may_be_black: take images whose every pixel is 0; else they count as damaged.
        form: "raw" or "compressed"; None keeps the form of a cache that is there, and chooses that of a new one.
        others: where there may be caches of the same images at other sizes; a new cache is made from a larger one, if one of them is.
    """

    files: Files
    size: int
    channels: Sequence[str]
    levels: Levels | None = None
    may_be_black: bool = False
    form: str | None = None
    others: Sequence[Path] = ()

    @property
    def index(self) -> dict[str, Any]:
        levels = list(self.levels) if self.levels else None
        return {"version": VERSION, "size": self.size, "channels": list(self.channels), "ids": list(self.files), "levels": levels}

    def has(self, index: dict[str, Any] | None) -> bool:
        """Whether this is the index of a cache for this content."""
        if index is None or self.form not in (None, form_of(index)):
            return False
        return all(index[key] == value for key, value in self.index.items())

    def stamps(self) -> NDArray[np.uint64]:
        """A number above 0 for each id, which changes with its files."""
        stamps = np.zeros(len(self.files), np.uint64)
        for row, (image_id, paths) in enumerate(self.files.items()):
            known: list[Any] = [image_id, self.size, len(self.channels), self.levels]
            for path in paths:
                known += file_state(path)
            stamps[row] = int.from_bytes(blake2b(repr(known).encode(), digest_size=8).digest()) | 1
        return stamps

    def at_other_size(self, folder: Path) -> Cache | None:
        """The cache in `folder`, complete or not, if it is for the same ids, channels and levels."""
        index = read_index(folder)
        return open_cache(folder) if index and replace(self, size=index["size"], form=None).has(index) else None

    def larger_cache(self) -> Cache | None:
        """The largest cache that one of this content can be made from: complete, up to date, and itself made from the files.

        Its size is a multiple of this one. So a pixel is the mean of whole pixels, and differs from that of the files by rounding only.
        """
        found = [cache for folder in self.others if (cache := self.at_other_size(folder)) and not cache.made_from]
        for cache in sorted(found, key=lambda cache: -cache.size):
            if cache.size > self.size and cache.size % self.size == 0:
                complete = np.array_equal(cache.records["stamp"], replace(self, size=cache.size).stamps())
                if complete and not enlarged(cache).all():
                    return cache
        return None


def enlarged(cache: Cache) -> NDArray[np.bool_]:
    """(N,) the images whose files are smaller than the cache. Their pixels are no means."""
    return np.minimum(cache.records["height"], cache.records["width"]) < cache.size


class RowSources:
    """Where the rows of a cache come from.

    Args:
        stamps: (N,) of the rows, as in `CacheContent.stamps`.
        previous: the cache that this one takes the place of.
        larger: a cache that this one is made from, of the same ids.
    """

    def __init__(self, content: CacheContent, stamps: NDArray[np.uint64], previous: Cache | None, larger: Cache | None) -> None:
        self.content, self.stamps, self.previous, self.larger = content, stamps, previous, larger
        self._known = {} if previous is None else {int(stamp): row for row, stamp in enumerate(previous.records["stamp"]) if stamp}
        self._usable = np.zeros(len(stamps), bool)
        if larger is not None:
            self._usable = (larger.records["stamp"] == replace(content, size=larger.size).stamps()) & ~enlarged(larger)

    def read(self, row: int, image_id: str) -> Row:
        """Pixels and record of an image.

        Raises:
            DataError: its files are missing or unreadable.
        """
        stamp = self.stamps[row]
        before = self._known.get(int(stamp))
        if self.previous and before is not None and (pixels := self.previous.undamaged(before)) is not None:
            return pixels, self.previous.records[before]
        if self.larger and self._usable[row] and (pixels := self.larger.undamaged(row)) is not None:
            return self._smaller(pixels, self.larger.records[row], stamp)
        return read_row(self.content.files[image_id], self.content, stamp)

    def _smaller(self, pixels: NDArray[np.uint8], record: NDArray[np.void], stamp: np.uint64) -> Row:
        small = merged([resize(channel, self.content.size) for channel in np.ascontiguousarray(np.moveaxis(pixels, -1, 0))])
        changed = record.copy()
        changed["stamp"], changed["checksum"] = stamp, checksum(small)
        return small, changed


def read_row(files: Sequence[Path], content: CacheContent, stamp: np.uint64) -> Row:
    """Pixels and record of one image from its files.

    Raises:
        DataError: they are missing or unreadable, or the image is black and must not be.
    """
    image = read_image(files, len(content.channels), content.levels)
    small = [resize(channel, content.size) for channel in image.channels]
    pixels = merged(small)
    # a channel that is not black at the small size is not black at the full size, and the small one is faster to check
    black = [not cv2.countNonZero(resized) and not cv2.countNonZero(full) for full, resized in zip(image.channels, small, strict=True)]
    if all(black) and not content.may_be_black:
        others = f" (and its {len(files) - 1} other channels)" if len(files) > 1 else ""
        raise DataError(f"{files[0]}{others} is all black, every pixel is 0", WHOLE_ONE)
    bits = sum(is_black << channel for channel, is_black in enumerate(black))
    height, width = image.channels[0].shape
    return pixels, np.array((stamp, checksum(pixels), bits, height, width, image.peak, image.from_grey, 0, 0, b""), RECORD)


def merged(channels: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Channels (H, W) as (H, W, C)."""
    return np.asarray(cv2.merge(channels), np.uint8).reshape(*channels[0].shape, len(channels))

"""The images of a cache, read from its file when they are asked for.

The file holds the rows one after the other, or compressed, each where its record says. Both are read by positioned reads: a failing disk
is an error and no signal, and threads do not wait for each other as they do for a memory map. What is in memory is read first. Then the
kernel is told of all that is missing, so that it fetches the rows of a batch together.
"""

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.files import regular
from comp.images.image_codec import decompress

Places = NDArray[np.int64]  # (N, 2): offset and length in bytes of each row
TOGETHER = 256  # rows that are fetched together
NOWAIT = getattr(os, "RWF_NOWAIT", None)  # only on Linux


class StoredImages:
    """Images (N, H, W, C) uint8 in a file. `images[row]`, `images[rows]`, `images[start:stop]` and `images[mask]` read copies.

    Any thread may read. The file stays open, so that a reader keeps its images when another process makes the cache again.

    Args:
        shape: (N, H, W, C).
        places: where the compressed rows lie; None: the rows are not compressed, and lie one after the other.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int, int], places: Places | None = None) -> None:
        self.path, self.shape, self.compressed = path, shape, places is not None
        length = shape[1] * shape[2] * shape[3]
        self._places = np.stack([np.arange(shape[0]) * length, np.full(shape[0], length)], axis=1) if places is None else places
        self._every = np.arange(shape[0])
        self._file = regular(str(path), os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        """Copies of the rows.

        Raises:
            DataError: the file is damaged or cut off.
            IndexError: there is no such row.
        """
        chosen = self._every[rows]
        wanted = np.atleast_1d(chosen)
        found = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        for start in range(0, len(wanted), TOGETHER):
            some = slice(start, start + TOGETHER)
            self._read(self._places[wanted[some]].tolist(), found[some])
        return found if chosen.ndim else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype)

    def _read(self, places: list[list[int]], images: NDArray[np.uint8]) -> None:
        """Read rows at (offset, length) into images (B, H, W, C)."""
        packed = [bytearray(length) for _, length in places] if self.compressed else []
        parts = [memoryview(data) for data in packed] or [image.reshape(-1).data for image in images]
        missing = []
        for (offset, length), part in zip(places, parts, strict=True):
            read = self._read_from_memory(part, offset)
            if read < length:
                missing.append((part[read:], offset + read))
        if hasattr(os, "posix_fadvise"):
            for part, offset in missing:
                os.posix_fadvise(self._file, offset, len(part), os.POSIX_FADV_WILLNEED)
        offset = 0
        try:
            for part, offset in missing:
                self._read_from_disk(part, offset)
            for data, place, image in zip(packed, places, images, strict=False):
                offset = place[0]
                decompress(data, image)
        except (OSError, ValueError) as error:
            what = f"{self.path} is damaged at byte {offset:,} ({error.strerror if isinstance(error, OSError) else error})"
            raise DataError(what, f"remove {self.path.parent}, then type the command again") from None

    def _read_from_memory(self, part: memoryview, offset: int) -> int:
        """Read what the kernel has in memory; returns how many bytes."""
        if NOWAIT is None:
            return 0
        try:
            return os.preadv(self._file, [part], offset, NOWAIT)
        except OSError:  # nothing is in memory, or the file system cannot tell
            return 0

    def _read_from_disk(self, part: memoryview, offset: int) -> None:
        while part:
            read = os.preadv(self._file, [part], offset)
            if not read:
                raise ValueError("it ends there")
            part, offset = part[read:], offset + read

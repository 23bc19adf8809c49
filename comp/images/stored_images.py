"""The images of a cache, read from its file when they are asked for.

The file holds the rows one after the other, or compressed, each where its record says. Both are read by positioned reads: they are
faster than a memory map where the pages are not in memory, a failing disk is an error and no signal, and threads do not wait for each
other. The kernel is first told of all rows of a batch, so that it fetches them together.
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
TOLD_AHEAD = 256  # rows at most: of a whole cache, the first ones would be gone from memory before they are read


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
        wanted = self._places[np.atleast_1d(chosen)]
        found = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        if 1 < len(wanted) <= TOLD_AHEAD and hasattr(os, "posix_fadvise"):
            for offset, length in wanted.tolist():
                os.posix_fadvise(self._file, offset, length, os.POSIX_FADV_WILLNEED)
        for (offset, length), image in zip(wanted.tolist(), found, strict=True):
            self._read(offset, length, image)
        return found if chosen.ndim else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype)

    def _read(self, offset: int, length: int, image: NDArray[np.uint8]) -> None:
        try:
            if not self.compressed:
                return self._fill(image.reshape(-1).data, offset)
            data = bytearray(length)
            self._fill(memoryview(data), offset)
            decompress(data, image)
        except (OSError, ValueError) as error:
            what = f"{self.path} is damaged at byte {offset:,} ({error.strerror if isinstance(error, OSError) else error})"
            raise DataError(what, f"remove {self.path.parent}, then type the command again") from None

    def _fill(self, view: memoryview, offset: int) -> None:
        """Read as many bytes as `view` has."""
        while view:
            read = os.preadv(self._file, [view], offset)
            if not read:
                raise ValueError("it ends there")
            view, offset = view[read:], offset + read

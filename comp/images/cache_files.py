"""The files of a cache, open for writing."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.files import write_json
from comp.images.cache import FILES, RAW, RECORD, Cache, end_of, form_of
from comp.images.cache_form import free_disk
from comp.images.image_codec import compress

SECONDS_BETWEEN_FLUSHES = 0.5  # meanwhile the workers read on, so little is left to flush at the end


def begin_files(folder: Path, index: dict[str, Any]) -> None:
    """Make `folder` a cache with this index and no filled row. What is there is removed.

    Raises:
        DataError: the disk has too little space.
        OSError: the files cannot be written.
    """
    if folder.is_file():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "rows.bin").write_bytes(bytes(RECORD.itemsize * len(index["ids"])))
    form = form_of(index)
    _allocate(folder / FILES[form], index["size"] ** 2 * len(index["channels"]) * len(index["ids"]) if form == RAW else 0)
    write_json(folder / "index.json", index)


def _allocate(path: Path, length: int) -> None:
    """A file of zeros with its space on the disk reserved. Writing to it is faster, and cannot run out of space."""
    if length > (free := free_disk(path.parent)):
        raise DataError(f"{path} needs {length / 1e9:.1f} GB and {free / 1e9:.1f} are free", "free some space, or choose a smaller size")
    with path.open("wb") as file:
        if length and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, length)
        else:
            file.truncate(length)


class CacheFiles:
    """A cache, open for writing by one process. Any thread may write pixels. Stamps are written when the pixels are on the disk.

    Compressed rows are appended: no row is written over another one that a record names, with or without a stamp, so readers that opened
    the cache earlier keep their images. What lies behind the last of them was left by a killed process and is written over.
    """

    def __init__(self, cache: Cache) -> None:
        self._images = (cache.folder / FILES[cache.form]).open("r+b")
        self._records = (cache.folder / "rows.bin").open("r+b")
        self._compressed = cache.images.compressed
        self._row_bytes = int(np.prod(cache.images.shape[1:]))
        self._end, self._appending = end_of(cache.records), Lock()
        self._waiting: list[tuple[int, NDArray[np.void]]] = []
        self._flushed = monotonic()

    def __enter__(self) -> "CacheFiles":
        return self

    def __exit__(self, *_: object) -> None:
        with self._images, self._records:
            self.flush()

    def write(self, row: int, pixels: NDArray[np.uint8], record: NDArray[np.void]) -> NDArray[np.void]:
        """Write pixels (size, size, C); returns their record with the place where they are."""
        placed = record.copy()
        if not self._compressed:
            placed["offset"] = placed["length"] = 0
            _write(self._images.fileno(), pixels, row * self._row_bytes)
            return placed
        data = np.frombuffer(compress(pixels), np.uint8)
        with self._appending:
            placed["offset"], placed["length"] = self._end, len(data)
            self._end += len(data)
        _write(self._images.fileno(), data, int(placed["offset"]))
        return placed

    def done(self, row: int, record: NDArray[np.void]) -> None:
        self._waiting.append((row, record))
        if monotonic() - self._flushed > SECONDS_BETWEEN_FLUSHES:
            self.flush()

    def flush(self) -> None:
        os.fsync(self._images.fileno())
        self._put(self._waiting)
        self._waiting, self._flushed = [], monotonic()

    def forget(self, records: NDArray[np.void], rows: Sequence[int]) -> None:
        """Remove the stamps of rows, and what is known of their images, but not where their pixels are."""
        empty = np.zeros(len(rows), RECORD)
        for name in ("offset", "length"):
            empty[name] = records[name][rows]
        self._put(list(zip(rows, empty, strict=True)))

    def _put(self, records: Sequence[tuple[int, NDArray[np.void]]]) -> None:
        for row, record in records:
            _write(self._records.fileno(), record, row * RECORD.itemsize)


def _write(descriptor: int, values: NDArray[Any], offset: int) -> None:
    """Write all bytes at `offset`. Not through a memory map: that is slower, and a failing disk would raise SIGBUS instead of an error."""
    view = np.ascontiguousarray(values).view(np.uint8).reshape(-1).data
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written

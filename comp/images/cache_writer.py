"""Filling the image cache on all cores. If it is interrupted, no row is wrong and the next call resumes.

The pixels of a row are written to the disk first, then its record gets a stamp. A stamp is a hash of the names, sizes and times of the
files of the row, so a row is read again if a file has changed. If the table has changed, the old cache is kept until the rows that both
tables have are copied.
"""

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.files import write_json
from comp.base.locks import lock
from comp.base.processes import cores
from comp.base.progress import LogBar, say
from comp.images.cache import RECORD, VERSION, Cache, checksum, open_cache, read_index
from comp.images.formats.stored import WHOLE_ONE, Levels
from comp.images.problems import NAMED, Files, Problems, check_no_problems, missing_files
from comp.images.read import one_thread_an_image, read_image, resize

SECONDS_BETWEEN_FLUSHES = 0.5  # meanwhile the workers read on, so little is left to flush at the end
AHEAD = 256  # images queued for each core, so that it has work while the disk is slow


@dataclass(frozen=True)
class CacheContent:
    """What a cache is to hold.

    Attributes:
        files: the files of each id, in the order of the table.
        levels: the stored values of black and white, as in `comp.images.read.read_image`.
        may_be_black: take images whose every pixel is 0; else they count as damaged.
    """

    files: Files
    size: int
    channels: Sequence[str]
    levels: Levels | None = None
    may_be_black: bool = False

    @property
    def index(self) -> dict[str, Any]:
        levels = list(self.levels) if self.levels else None
        return {"version": VERSION, "size": self.size, "channels": list(self.channels), "ids": list(self.files), "levels": levels}

    def stamps(self) -> NDArray[np.uint64]:
        """A number above 0 for each id, which changes with its files."""
        stamps = np.zeros(len(self.files), np.uint64)
        for row, (image_id, paths) in enumerate(self.files.items()):
            known: list[Any] = [image_id, self.size, len(self.channels), self.levels]
            for path in paths:
                status = path.stat()
                known += [path.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
            stamps[row] = int.from_bytes(blake2b(repr(known).encode(), digest_size=8).digest()) | 1
        return stamps


def fill_cache(folder: Path, content: CacheContent, then: str, announce: Callable[[int], None], verify: bool = False) -> Cache:
    """Fill the missing rows of the cache in `folder`, and open it. Waits if another process is filling it.

    Args:
        then: what to do about damaged files.
        announce: called with the number of rows to read before they are read; not called if there are none.
        verify: check the pixels of all rows too; damaged rows are read again.

    Raises:
        DataError: files are missing or unreadable. The message names the first ones, a CSV next to the folder lists all.
    """
    files, report = content.files, folder.with_name(f"{folder.name}-unreadable.csv")
    try:
        stamps = content.stamps()
    except OSError:
        check_no_problems(missing_files(files), len(files), report, then)
        raise
    if not _is_filled(folder, content, stamps) or (verify and len(open_cache(folder).damaged_rows())):
        unreadable: Problems = []
        with lock(folder.with_name(f"{folder.name}.lock"), f"filling {folder}"):
            try:
                if verify and read_index(folder) == content.index:
                    _forget_damaged_rows(folder)
                if not _is_filled(folder, content, stamps):  # another process may have filled it meanwhile
                    _begin(folder, content.index)
                    unreadable = _fill(folder, content, stamps, announce)
            except OSError as error:
                what = f"{folder} cannot be written ({error.strerror})"
                raise DataError(what, "free space or correct permissions, then type the command again") from None
            shutil.rmtree(_previous(folder), ignore_errors=True)
        check_no_problems(unreadable, len(files), report, then)
    report.unlink(missing_ok=True)
    return open_cache(folder)


def _is_filled(folder: Path, content: CacheContent, stamps: NDArray[np.uint64]) -> bool:
    return read_index(folder) == content.index and np.array_equal(open_cache(folder).records["stamp"], stamps)


def _previous(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.previous")


def _begin(folder: Path, index: dict[str, Any]) -> None:
    """Make `folder` a cache with this index. A cache with another index is renamed and kept."""
    found = read_index(folder)
    if found == index:
        return
    if found is not None:
        shutil.rmtree(_previous(folder), ignore_errors=True)
        folder.rename(_previous(folder))
    if folder.is_file():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "rows.bin").write_bytes(bytes(RECORD.itemsize * len(index["ids"])))
    _allocate(folder / "images.u8", index["size"] ** 2 * len(index["channels"]) * len(index["ids"]))
    write_json(folder / "index.json", index)


def _allocate(path: Path, length: int) -> None:
    """A file of zeros with its space on the disk reserved. Writing to it is faster, and cannot run out of space."""
    if length > (free := shutil.disk_usage(path.parent).free):
        raise DataError(f"{path} needs {length / 1e9:.1f} GB and {free / 1e9:.1f} are free", "free some space, or choose a smaller size")
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, length)
        else:
            file.truncate(length)


def _forget_damaged_rows(folder: Path) -> None:
    """Remove the stamps of rows whose pixels are damaged, and say how many there are."""
    cache = open_cache(folder)
    if len(damaged := cache.damaged_rows()):
        first = ", ".join(cache.ids[row] for row in damaged[:NAMED])
        say(f"{folder}: {len(damaged)} images are damaged ({first}{', ...' if len(damaged) > NAMED else ''}) and are read again")
        with _Rows(folder, cache.images[0].nbytes) as rows:
            rows.stamp([(int(row), np.zeros((), RECORD)) for row in damaged])


def _fill(folder: Path, content: CacheContent, stamps: NDArray[np.uint64], announce: Callable[[int], None]) -> Problems:
    """Fill the rows with another stamp; returns what could not be read."""
    cache, files = open_cache(folder), content.files
    row_bytes = cache.images[0].nbytes
    known = _known_rows(_previous(folder))
    todo = [(row, image_id) for row, image_id in enumerate(files) if cache.records["stamp"][row] != stamps[row]]
    announce(len(todo))
    unreadable: Problems = []
    with _Rows(folder, row_bytes) as rows, one_thread_an_image(), ThreadPoolExecutor(cores()) as pool:
        rows.stamp([(row, np.zeros((), RECORD)) for row, _ in todo if cache.records["stamp"][row]])

        def read(row: int, image_id: str) -> tuple[int, NDArray[np.void]]:
            stamp = stamps[row]
            pixels, record = known.get(int(stamp)) or _read(files[image_id], content, stamp)
            rows.write(row, pixels)
            return row, record

        with LogBar(total=len(todo), desc=f"cache {folder.name}", unit="image") as bar:
            for image_id, future in _ahead(pool, read, todo):
                try:
                    rows.done(*future.result())
                except DataError as error:
                    unreadable.append((image_id, error.what))
                bar.update()
    return unreadable


def _read(files: Sequence[Path], content: CacheContent, stamp: np.uint64) -> tuple[NDArray[np.uint8], NDArray[np.void]]:
    """Pixels (size, size, C) and the record of one image."""
    image = read_image(files, len(content.channels), content.levels)
    small = [resize(channel, content.size) for channel in image.channels]
    pixels = np.asarray(cv2.merge(small), np.uint8)
    # a channel that is not black at the small size is not black at the full size, and the small one is faster to check
    black = [not cv2.countNonZero(resized) and not cv2.countNonZero(full) for full, resized in zip(image.channels, small, strict=True)]
    if all(black) and not content.may_be_black:
        others = f" (and its {len(files) - 1} other channels)" if len(files) > 1 else ""
        raise DataError(f"{files[0]}{others} is all black, every pixel is 0", WHOLE_ONE)
    bits = sum(is_black << channel for channel, is_black in enumerate(black))
    height, width = image.channels[0].shape
    return pixels, np.array((stamp, checksum(pixels), bits, height, width, image.peak, image.from_grey, b""), RECORD)


def _known_rows(folder: Path) -> dict[int, tuple[NDArray[np.uint8], NDArray[np.void]]]:
    """Pixels and record of the filled rows of another cache, by stamp."""
    if read_index(folder) is None:
        return {}
    cache = open_cache(folder)
    damaged = set(cache.damaged_rows().tolist())
    filled = [row for row in np.flatnonzero(cache.records["stamp"]).tolist() if row not in damaged]
    return {int(cache.records["stamp"][row]): (cache.images[row], cache.records[row]) for row in filled}


def _ahead(pool: ThreadPoolExecutor, read: Any, todo: list[tuple[int, str]]) -> Iterator[tuple[str, Future[Any]]]:
    """Futures in order, with a limited number of images in work. The rest is cancelled if the caller stops."""
    waiting: deque[tuple[str, Future[Any]]] = deque()
    try:
        for row, image_id in todo:
            waiting.append((image_id, pool.submit(read, row, image_id)))
            if len(waiting) >= AHEAD * cores():
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)


class _Rows:
    """The files of a cache, open for writing. Any thread may write pixels. Stamps are written when the pixels are on the disk."""

    def __init__(self, folder: Path, row_bytes: int) -> None:
        self._images = (folder / "images.u8").open("r+b")
        self._records = (folder / "rows.bin").open("r+b")
        self._row_bytes = row_bytes
        self._waiting: list[tuple[int, NDArray[np.void]]] = []
        self._flushed = monotonic()

    def __enter__(self) -> "_Rows":
        return self

    def __exit__(self, *_: object) -> None:
        with self._images, self._records:
            self.flush()

    def write(self, row: int, pixels: NDArray[np.uint8]) -> None:
        _write(self._images.fileno(), pixels, row * self._row_bytes)

    def done(self, row: int, record: NDArray[np.void]) -> None:
        self._waiting.append((row, record))
        if monotonic() - self._flushed > SECONDS_BETWEEN_FLUSHES:
            self.flush()

    def flush(self) -> None:
        os.fsync(self._images.fileno())
        self.stamp(self._waiting)
        self._waiting, self._flushed = [], monotonic()

    def stamp(self, records: Sequence[tuple[int, NDArray[np.void]]]) -> None:
        for row, record in records:
            _write(self._records.fileno(), record, row * RECORD.itemsize)


def _write(descriptor: int, values: NDArray[Any], offset: int) -> None:
    """Write all bytes at `offset`. Not through a memory map: that is slower, and a failing disk would raise SIGBUS instead of an error."""
    view = np.ascontiguousarray(values).view(np.uint8).reshape(-1).data
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written

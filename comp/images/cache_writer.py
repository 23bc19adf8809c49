"""Filling the image cache on all cores. If it is interrupted, no row is wrong and the next call resumes.

The pixels of a row are written to the disk first, then its record gets a stamp. A stamp is a hash of the names, sizes and times of the
files of the row, so a row is read again if a file has changed. If the table has changed, the old cache is kept until the rows that both
tables have are copied.
"""

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.locks import lock
from comp.base.processes import cores
from comp.base.progress import LogBar, say
from comp.images.cache import RAW, Cache, end_of, form_of, open_cache, read_index
from comp.images.cache_files import CacheFiles, begin_files
from comp.images.cache_form import choose_form
from comp.images.cache_sources import CacheContent, RowSources
from comp.images.problems import NAMED, Problems, check_no_problems, missing_files
from comp.images.read import one_thread_an_image

AHEAD = 256  # images queued for each core, so that it has work while the disk is slow


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
                if verify and content.has(read_index(folder)):
                    _forget_damaged_rows(folder)
                if not _is_filled(folder, content, stamps):  # another process may have filled it meanwhile
                    _begin(folder, content, stamps)
                    unreadable = _fill(folder, content, stamps, announce)
            except OSError as error:
                what = f"{folder} cannot be written ({error.strerror})"
                raise DataError(what, "free space or correct permissions, then type the command again") from None
            shutil.rmtree(_previous(folder), ignore_errors=True)
        check_no_problems(unreadable, len(files), report, then)
    report.unlink(missing_ok=True)
    return open_cache(folder)


def _is_filled(folder: Path, content: CacheContent, stamps: NDArray[np.uint64]) -> bool:
    return content.has(read_index(folder)) and np.array_equal(open_cache(folder).records["stamp"], stamps)


def _previous(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.previous")


def _begin(folder: Path, content: CacheContent, stamps: NDArray[np.uint64]) -> None:
    """Make `folder` a cache for this content, and say in which form and why. A cache for another one is renamed and kept.

    The new one is in the form of that one, if no other is asked for, and is made from what that one was made from.
    """
    found = read_index(folder)
    if found is not None and content.has(found) and not _is_mostly_waste(folder, stamps):
        return
    before = found or read_index(_previous(folder))
    index, pixels = content.index, content.size**2 * len(content.channels) * len(content.files)
    if before is None:
        form, why = (content.form, "as asked for") if content.form else choose_form(folder, pixels)
        larger = content.larger_cache()
        made_from = larger.folder.name if larger else None
        say(f"cache {folder.name}: {form}, {why}{f'; made from {made_from}' if made_from else ''}")
    else:
        form, made_from = content.form or form_of(before), before.get("made_from")
        if form != form_of(before):
            say(f"cache {folder.name}: {form}, as asked for, instead of {form_of(before)}")
    index |= ({"form": form} if form != RAW else {}) | ({"made_from": made_from} if made_from else {})
    if found is not None:
        shutil.rmtree(_previous(folder), ignore_errors=True)
        folder.rename(_previous(folder))
    begin_files(folder, index)


def _is_mostly_waste(folder: Path, stamps: NDArray[np.uint64]) -> bool:
    """Whether compressed pixels that nobody reads take more than half of what all rows need, by the mean length of a row.

    What a killed process left between the first rows is far less than that, so a filling that goes on is never begun anew.
    """
    records = open_cache(folder).records
    used, placed = records["stamp"] == stamps, records["length"] > 0
    waste = end_of(records) - int(records["length"][used].sum())
    return bool(placed.any()) and 2 * waste > len(records) * float(records["length"][placed].mean())


def _forget_damaged_rows(folder: Path) -> None:
    """Remove the stamps of rows whose pixels are damaged, and say how many there are."""
    cache = open_cache(folder)
    if len(damaged := cache.damaged_rows()):
        first = ", ".join(cache.ids[row] for row in damaged[:NAMED])
        say(f"{folder}: {len(damaged)} images are damaged ({first}{', ...' if len(damaged) > NAMED else ''}) and are read again")
        with CacheFiles(cache) as files:
            files.forget(cache.records, damaged.tolist())


def _fill(folder: Path, content: CacheContent, stamps: NDArray[np.uint64], announce: Callable[[int], None]) -> Problems:
    """Fill the rows with another stamp; returns what could not be read."""
    cache = open_cache(folder)
    todo = [(row, image_id) for row, image_id in enumerate(content.files) if cache.records["stamp"][row] != stamps[row]]
    sources = RowSources(content, stamps, _opened(_previous(folder)), _made_from(cache, content))
    announce(len(todo))
    unreadable: Problems = []
    with CacheFiles(cache) as files, one_thread_an_image(), ThreadPoolExecutor(cores()) as pool:
        files.forget(cache.records, [row for row, _ in todo if cache.records["stamp"][row]])

        def read(row: int, image_id: str) -> tuple[int, NDArray[np.void]]:
            return row, files.write(row, *sources.read(row, image_id))

        with LogBar(total=len(todo), desc=f"cache {folder.name}", unit="image") as bar:
            for image_id, future in _ahead(pool, read, todo):
                try:
                    files.done(*future.result())
                except DataError as error:
                    unreadable.append((image_id, error.what))
                bar.update()
    return unreadable


def _opened(folder: Path) -> Cache | None:
    return open_cache(folder) if read_index(folder) else None


def _made_from(cache: Cache, content: CacheContent) -> Cache | None:
    """The larger cache that this one is made from, if it is, and that one is still for the same images."""
    return next((content.at_other_size(folder) for folder in content.others if folder.name == cache.made_from), None)


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

"""Reading images into one memory-mapped file for each size, on all cores. Nothing is kept for later: see `comp.images.cache` for that."""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.processes import cores
from comp.base.progress import track
from comp.images.formats.stored import Levels
from comp.images.problems import Files, check_no_problems, missing_files
from comp.images.read import one_thread_an_image, read_image, resize


def read_into_maps(folder: Path, files: Files, channels: int, sizes: Sequence[int], levels: Levels | None, report: Path) -> dict[int, Path]:
    """Read all images once, and write them at every size.

    Args:
        folder: where the files are written.
        files: of each id, in the order of the rows.
        channels: of an image.
        sizes: in pixels.
        levels: the stored values of black and white, as in `comp.images.read.read_image`.
        report: the CSV that lists unreadable images, if there are any.

    Returns:
        size -> file of (N, size, size, channels) uint8.

    Raises:
        DataError: there is no image, images are missing or unreadable, or the disk has too little space.
    """
    if not files:
        raise DataError("there is no image to read", "name a folder with images")
    check_no_problems(missing_files(files), len(files), report, "add them, then type the command again")
    bytes_needed = sum(len(files) * channels * size**2 for size in sizes)
    if bytes_needed > (free := shutil.disk_usage(folder).free):
        what = f"{folder} needs {bytes_needed / 1e9:.1f} GB for {len(files):,} images and {free / 1e9:.1f} are free"
        raise DataError(what, "free some space, or predict fewer images at a time")
    paths = {size: folder / f"{size}.u8" for size in sizes}
    maps = [np.memmap(path, np.uint8, "w+", shape=(len(files), size, size, channels)) for size, path in paths.items()]

    def read(row_and_id: tuple[int, str]) -> tuple[str, str] | None:
        row, image_id = row_and_id
        try:
            found = read_image(files[image_id], channels, levels).channels
        except DataError as error:
            return image_id, error.what
        for images in maps:
            _put(images[row], found)
        return None

    with one_thread_an_image(), ThreadPoolExecutor(cores()) as pool:
        ended = list(track(pool.map(read, enumerate(files)), "reading", len(files), "img"))
    problems = [problem for problem in ended if problem]
    check_no_problems(problems, len(files), report, "replace them by undamaged files, then type the command again")
    return paths


def _put(row: NDArray[np.uint8], channels: Sequence[NDArray[np.uint8]]) -> None:
    """Write the channels of one image into its row (size, size, channels)."""
    for number, channel in enumerate(channels):
        row[..., number] = resize(channel, len(row))

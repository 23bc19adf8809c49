"""Reading images into one memory-mapped file for each size, on all cores. Nothing is kept for later: see `comp.images.cache` for that."""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.processes import cores
from comp.base.progress import say, track
from comp.images.formats.stored import Levels
from comp.images.problems import NAMED, Files, check_no_problems, missing_files
from comp.images.read import one_thread_an_image, read_image, resize, used_bits


def read_into_maps(folder: Path, files: Files, channels: int, sizes: Sequence[int], levels: Levels | None, report: Path) -> dict[int, Path]:
    """Read all images once, and write them at every size. Says how many have black channels, and if 16-bit files do not use all their bits.

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
    black, peaks = np.zeros(len(files), bool), np.zeros(len(files), np.int64)

    def read(row_and_id: tuple[int, str]) -> tuple[str, str] | None:
        row, image_id = row_and_id
        try:
            found = read_image(files[image_id], channels, levels)
        except DataError as error:
            return image_id, error.what
        for images in maps:
            _put(images[row], found.channels)
        black[row] = not all(cv2.countNonZero(channel) for channel in found.channels)
        peaks[row] = found.peak
        return None

    with one_thread_an_image(), ThreadPoolExecutor(cores()) as pool:
        ended = list(track(pool.map(read, enumerate(files)), "reading", len(files), "img"))
    problems = [problem for problem in ended if problem]
    check_no_problems(problems, len(files), report, "replace them by undamaged files, then type the command again")
    _say_remarks([image_id for image_id, is_black in zip(files, black, strict=True) if is_black], len(files), int(peaks.max()), levels)
    return paths


def _say_remarks(black: Sequence[str], total: int, peak: int, levels: Levels | None) -> None:
    """Say what is odd about images: the ids of those with black channels, and the largest stored value of all in 16 bits."""
    if black:
        first = ", ".join(black[:NAMED])
        say(f"note: {len(black):,} of {total:,} images are all black in some channel: {first}{', ...' if len(black) > NAMED else ''}")
    if bits := used_bits(peak, levels):
        what = f"no stored value is above {peak:,} of 65,535"
        say(f"note: {what}; if these images have {bits} bits and those of training used all 16, scale them first: white is 65,535")


def _put(row: NDArray[np.uint8], channels: Sequence[NDArray[np.uint8]]) -> None:
    """Write the channels of one image into its row (size, size, channels)."""
    for number, channel in enumerate(channels):
        row[..., number] = resize(channel, len(row))

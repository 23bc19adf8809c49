"""What reading does with each of the written files: "read", "different", or why the file was refused."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.images.formats.stored import StoredFile
from comp.images.read import read_image, read_stored
from tests.unit.images.formats.written_files import Written, every_file

LOSSY = 2  # grey levels by which decoders of JPEG differ
Outcomes = dict[tuple[str, str], Counter[str]]  # of each writer and form


def outcomes(folder: Path) -> tuple[Outcomes, list[str]]:
    """Write and read every file: the outcomes, and which files gave other values than those stored."""
    found: Outcomes = defaultdict(Counter)
    different = []
    for file in every_file():
        path = folder / ("image.png" if file.data.startswith(b"\x89PNG") else "image.tif")
        path.write_bytes(file.data)
        outcome = _outcome(path, file)
        found[file.writer, file.form][outcome] += 1
        if outcome == "different":
            different.append(f"{file.writer}, {file.form}, {file.options}")
    return found, different


def _outcome(path: Path, file: Written) -> str:
    try:
        stored = read_stored(path)
    except DataError as error:
        return error.what.removeprefix(f"{path} ")
    if file.planes is None or len(stored.channels) != len(file.planes):
        return "different"
    planes = file.planes * np.uint8(stored.levels[1]) if stored.levels and file.planes.dtype == bool else file.planes
    off = max(np.abs(channel.astype(float) - plane.astype(float)).max() for channel, plane in zip(stored.channels, planes, strict=True))
    read = off <= LOSSY * file.lossy and _is_scaled(path, stored, inverted=file.form == "white is zero")
    return "read" if read else "different"


def _is_scaled(path: Path, stored: StoredFile, inverted: bool) -> bool:
    """Whether the 8-bit image is the stored one, scaled from 0..largest value of its bits; other types have no such scale."""
    channels: NDArray[Any] = np.array(stored.channels)
    if channels.dtype not in (np.uint8, np.uint16):
        return True
    assert stored.levels is not None
    scaled = np.rint(channels * (255.0 / stored.levels[1]))
    image = np.array(read_image([path], len(channels)).channels)
    return np.array_equal(image, 255 - scaled if inverted else scaled)

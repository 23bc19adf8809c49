"""The images of any folder and which of their channels are which stain, by the names of the files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError, DataError
from comp.cells.stains import CHANNELS, STAINS
from comp.competition.file_finder import FileFinder
from comp.competition.file_naming import BESIDE
from comp.images.read import read_channels

LARGEST = 1e37  # value of an image; planes are floats of 32 bits, which end at 3e38
ORDER = ("red", "green", "blue", "yellow")  # of channels in one file
MADE_WITH, OUTLINES = "made-with.json", "outlines.png"  # in a folder that make cells has written
TRUE_MASKS = re.compile(r"_(nuclei|cells)$")  # names of masks to train on; BESIDE has the others
USUAL = {stain: channel for channel, stain in CHANNELS.items()}  # stain -> the name of its channel


@dataclass(frozen=True)
class CellImage:
    """One image to segment.

    Attributes:
        id: the path of its files below the folder, without the channel and the ending.
        files: channel -> file; the channel is "" if one file is the image.
    """

    id: str
    files: Mapping[str, Path]


def parse_stains(text: str) -> dict[str, str]:
    """Stain -> channel of a text such as "nuclei=dapi microtubules=tubulin".

    Raises:
        ConfigError: it is no such text, names another stain, or does not name the channel of the nuclei.
    """
    if not text:
        return USUAL
    found = {}
    for word in text.split():
        stain, equals, channel = word.partition("=")
        if not (equals and channel):
            raise ConfigError(f"STAINS: {word!r} is not stain=channel", "write STAINS='nuclei=dapi microtubules=tubulin'")
        found[stain] = channel
    for stain in found:
        if stain not in STAINS:
            raise ConfigError(f"there is no stain {stain!r}", f"choose from {', '.join(STAINS)}, as in STAINS='nuclei=dapi'")
    if "nuclei" not in found:
        raise ConfigError(f"STAINS={text!r} does not name the channel of the nuclei", "add it, as in STAINS='nuclei=dapi'")
    return found


def find_cell_images(folder: Path, stains: Mapping[str, str]) -> list[CellImage]:
    """All images of a folder and its subfolders, in the order of their ids.

    If there are files whose names end with the channel of the nuclei (`a_blue.png`), an image is all files that differ in that ending only.
    Else every file is an image. Files that `left_out` names are none.

    Raises:
        DataError: there is no such folder, no image in it, or none with the channel of the nuclei that the user has named; two files have
            one name; a name is not UTF-8.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "correct DATA: a folder of images")
    files = FileFinder(folder).names
    others = set(left_out(folder, files, stains))
    by_stem: dict[str, Path] = {}
    for name in files:
        if name in others:
            continue
        if not _is_utf8(name):
            raise DataError(f"{folder} holds a file whose name is not UTF-8: {name!r}", "rename it")
        other = by_stem.setdefault(name.rsplit(".", 1)[0], folder / name)
        if other != folder / name:
            raise DataError(f"{other} and {folder / name} have one name", "rename one of them")
    if not by_stem:
        raise DataError(f"{folder} holds no image", "give DATA a folder of PNG, TIFF, JPEG, BMP or WebP files")
    images: dict[str, dict[str, Path]] = {}
    for stem, path in by_stem.items():
        start, _, channel = stem.rpartition("_")
        if start:
            images.setdefault(start, {})[channel] = path
    of_channels = {image_id: found for image_id, found in images.items() if stains["nuclei"] in found}
    if of_channels:
        return [CellImage(image_id, of_channels[image_id]) for image_id in sorted(of_channels)]
    if stains != USUAL:
        raise DataError(f"no file in {folder} is named after the channel of the nuclei, such as a_{stains['nuclei']}.png", "correct STAINS")
    return [CellImage(stem, {"": by_stem[stem]}) for stem in sorted(by_stem)]


def left_out(folder: Path, names: Sequence[str], stains: Mapping[str, str]) -> list[str]:
    """Those of the files of a folder that are no images: masks, labels and crops beside them, and sheets that make cells has written.

    a_nuclei.png and a_cells.png are masks, unless these are names of channels, or all files are named so.
    """
    beside = {name for name in names if BESIDE.search(name) or _is_sheet(folder / name)}
    masks = {name for name in names if (end := TRUE_MASKS.search(name.rsplit(".", 1)[0])) and end[1] not in stains.values()}
    return sorted(beside | masks if len(beside | masks) < len(names) else beside)


def _is_sheet(path: Path) -> bool:
    return path.name == OUTLINES and path.with_name(MADE_WITH).exists()


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_stains(image: CellImage, stains: Mapping[str, str]) -> dict[str, NDArray[np.generic]]:
    """Stain -> channel (H, W) as stored. A file of one channel shows nuclei; one of three is red, green, blue; of four, yellow too.

    Raises:
        DataError: a file is missing, damaged, or of another number of channels; channels differ in size.
    """
    if "" in image.files:
        return _of_one_file(image, stains)
    found = {}
    for stain, channel in stains.items():
        if channel in image.files:
            [found[stain]] = _read(image.files[channel], 1)
    check_sizes([image.files[stains[stain]] for stain in found], list(found.values()))
    return found


def check_sizes(paths: Sequence[Path], channels: Sequence[NDArray[np.generic]]) -> None:
    """Check that all channels (H, W) are as large as the first.

    Raises:
        DataError: one is not.
    """
    for path, values in zip(paths, channels, strict=True):
        if values.shape != channels[0].shape:
            what = f"{path} is {values.shape[1]} x {values.shape[0]} px and {paths[0]} is not"
            raise DataError(what, "give all channels of an image one size")


def _read(path: Path, count: int | None = None) -> list[NDArray[np.generic]]:
    channels = read_channels(path, count)
    if any(values.dtype.kind == "f" and np.abs(values).max(initial=0) > LARGEST for values in channels):
        raise DataError(f"{path} holds values beyond {LARGEST:.0e}", "correct them, or save it with 16 bits")
    return channels


def _of_one_file(image: CellImage, stains: Mapping[str, str]) -> dict[str, NDArray[np.generic]]:
    path = image.files[""]
    channels = _read(path)
    if len(channels) == 1:
        return {"nuclei": channels[0]}
    if len(channels) not in (3, 4):
        what = f"{path} has {len(channels)} channels, and nothing says which of them shows nuclei"
        raise DataError(what, "save each channel as a file of its own: a_blue.png, a_red.png")
    known = dict(zip(ORDER, channels, strict=False))
    return {stain: known[channel] for stain, channel in USUAL.items() if channel in known}


def read_all(image: CellImage) -> list[NDArray[np.generic]]:
    """At most four channels (H, W) of an image as stored: red, green, blue and yellow first if it has them, then others by name.

    Two channels get an empty third, so that they can be saved as a picture.

    Raises:
        DataError: as `read_stains`.
    """
    names = sorted(image.files, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    read = [(image.files[name], channel) for name in names for channel in _read(image.files[name], 1 if name else None)][: len(ORDER)]
    channels = [channel for _, channel in read]
    check_sizes([path for path, _ in read], channels)
    return [*channels, np.zeros_like(channels[0])] if len(channels) == 2 else channels

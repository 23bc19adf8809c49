"""The images of any folder and which of their channels are which stain, by the names of the files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError, DataError
from comp.base.schema import parse_settings
from comp.cells.stains import CHANNELS, STAINS
from comp.competition.file_finder import FileFinder
from comp.competition.file_naming import BESIDE
from comp.images.read import read_channels

ORDER = ("red", "green", "blue", "yellow")  # of channels in one file
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
    found = {stain: str(channel) for stain, channel in parse_settings(text).items()}
    for stain in found:
        if stain not in STAINS:
            raise ConfigError(f"there is no stain {stain!r}", f"choose from {', '.join(STAINS)}, as in STAINS='nuclei=dapi'")
    if "nuclei" not in found:
        raise ConfigError(f"STAINS={text!r} does not name the channel of the nuclei", "add it, as in STAINS='nuclei=dapi'")
    return found


def find_cell_images(folder: Path, stains: Mapping[str, str]) -> list[CellImage]:
    """All images of a folder and its subfolders, in the order of their ids.

    If there are files whose names end with the channel of the nuclei (`a_blue.png`), an image is all files that differ in that ending only.
    Else every file is an image. Masks, labels and crops that lie beside images are left out.

    Raises:
        DataError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "correct DATA: a folder of images")
    names = [name for name in FileFinder(folder).names if not BESIDE.search(name)]
    if not names:
        raise DataError(f"{folder} holds no image", "give DATA a folder of PNG, TIFF, JPEG, BMP or WebP files")
    images: dict[str, dict[str, Path]] = {}
    for name in names:
        stem = name.rsplit(".", 1)[0]
        start, _, channel = stem.rpartition("_")
        if start:
            images.setdefault(start, {}).setdefault(channel, folder / name)
    of_channels = {image_id: files for image_id, files in images.items() if stains["nuclei"] in files}
    if of_channels:
        return [CellImage(image_id, of_channels[image_id]) for image_id in sorted(of_channels)]
    whole: dict[str, Path] = {}
    for name in names:
        image_id = name.rsplit(".", 1)[0]
        if image_id in whole:
            raise DataError(f"{whole[image_id]} and {folder / name} have one name", "rename one of them")
        whole[image_id] = folder / name
    return [CellImage(image_id, {"": whole[image_id]}) for image_id in sorted(whole)]


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
            [found[stain]] = read_channels(image.files[channel], 1)
    first = found["nuclei"]
    for stain, values in found.items():
        if values.shape != first.shape:
            what = f"{image.files[stains[stain]]} is {values.shape[1]} x {values.shape[0]} px and {image.files[stains['nuclei']]} is not"
            raise DataError(what, "give all channels of an image one size")
    return found


def _of_one_file(image: CellImage, stains: Mapping[str, str]) -> dict[str, NDArray[np.generic]]:
    path = image.files[""]
    channels = read_channels(path)
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
    channels = [channel for name in names for channel in read_channels(image.files[name], 1 if name else None)][: len(ORDER)]
    return [*channels, np.zeros_like(channels[0])] if len(channels) == 2 else channels

"""Images of a folder that lack channels: files that are missing, or black."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.progress import say, track
from comp.competition.competition import Images
from comp.competition.file_finder import FileFinder, files_of, find_ids
from comp.competition.ids import check_ids
from comp.images.formats.stored import Levels
from comp.images.problems import Files, check_no_problems
from comp.images.read import Channel, read_image

TABLE = "imputed.csv"  # lists the drawn channels in its folder
BLACK = 2  # grey values: a channel without any brighter pixel is black, also in a lossy file


@dataclass(frozen=True, eq=False)
class PartialImage:
    """An image as far as it is there.

    Attributes:
        pixels: (H, W, C), 0 in channels that lack.
        lacking: number of a channel -> "missing" or "black".
    """

    pixels: NDArray[np.uint8]
    lacking: Mapping[int, str]

    @property
    def given(self) -> NDArray[np.bool_]:
        """(C,)."""
        return np.array([column not in self.lacking for column in range(self.pixels.shape[-1])])


def read_partial(files: Sequence[Path], channels: int, levels: Levels | None) -> PartialImage:
    """An image of any bits and size, some of whose files may be missing.

    Args:
        files, channels, levels: as in `comp.images.read.read_image`.

    Raises:
        DataError: a file that is there cannot be read, the files differ in size, or no channel has any light.
    """
    there = [path for path in files if path.exists()] if len(files) == channels else list(files)
    read = iter(read_image(there, channels if len(files) == 1 else len(there), levels).channels if there else [])
    of_channel = list(files) * (channels if len(files) == 1 else 1)
    found: list[Channel | None] = [next(read) if len(files) == 1 or path in there else None for path in of_channel]
    lacking = {}
    for column, channel in enumerate(found):
        if channel is None or channel.max() <= BLACK:
            lacking[column] = "missing" if channel is None else "black"
    if len(lacking) == channels:
        raise DataError(f"{files[0]}: no channel of the image is there and has any light", "leave the image out")
    shape = next(channel.shape for channel in found if channel is not None)
    planes = [np.zeros(shape, np.uint8) if column in lacking or channel is None else channel for column, channel in enumerate(found)]
    return PartialImage(np.dstack(planes), lacking)


def partial_files(folder: Path, images: Images, competition: str) -> Files:
    """The files of every image in a folder of which any file is there; the others have the paths expected.

    Folders inside that hold drawn channels are left out, and a line says so.

    Raises:
        DataError: there is no such folder, it holds drawn channels itself, no image is in it, or an id is unsafe.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "correct DATA: a folder of images")
    if (folder / TABLE).exists():
        raise DataError(f"{folder} holds drawn channels: {TABLE} lists them", "let DATA be a folder of images without drawn channels")
    finder = FileFinder(folder, mark=TABLE)
    if finder.marked:
        say(f"note: {len(finder.marked):,} image files are left out: they lie in folders of drawn channels, which hold {TABLE}")
    ids = find_ids(finder.names, images.file, images.channels)
    if not ids:
        what = f"{folder} holds no image of {competition} ({len(finder.names)} image files in all)"
        raise DataError(what, f"name its files as {images.file}, with {{channel}} one of {', '.join(images.channels)}")
    check_ids(ids, folder)
    return files_of(ids, finder, images.file, images.channels)


def images_with_gaps(files: Files, channels: int, levels: Levels | None, report: Path) -> list[str]:
    """The ids of the images that lack channels. Every image is read.

    Args:
        report: the CSV that lists unreadable images, if there are any.

    Raises:
        DataError: images cannot be read, or lack all channels; the message names some, the CSV all.
    """
    problems, found = [], []
    for image_id, paths in track(files.items(), "looking for gaps", len(files), "img"):
        try:
            if read_partial(paths, channels, levels).lacking:
                found.append(image_id)
        except DataError as error:
            problems.append((image_id, error.what))
    check_no_problems(problems, len(files), report, "replace or remove them, then type the command again")
    return found

"""Images with true masks: a_labels.png or a_nuclei.png beside a.png or a_blue.png, and a_cells.png if cells are known."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.cells.image_files import CellImage, find_cell_images, read_stains
from comp.competition.file_finder import FileFinder
from comp.images.read import read_channels

NUCLEI, CELLS = ("_nuclei", "_labels", "_masks"), "_cells"  # endings of the names of masks


@dataclass(frozen=True)
class LabelledImage:
    """An image and its true masks, as files; `cells` is None if they are not known."""

    image: CellImage
    nuclei: Path
    cells: Path | None

    @property
    def held_out(self) -> bool:
        """Whether a segmenter must not be trained on it: the CRC-32 of its name is odd, so that a name alone decides."""
        return bool(zlib.crc32(self.image.id.encode()) % 2)

    def read(self, stains: Mapping[str, str]) -> tuple[dict[str, NDArray[np.generic]], NDArray[np.int32], NDArray[np.int32] | None]:
        """Its stains, its nuclei and its cells.

        Raises:
            DataError: a file is damaged, or a mask has another size than the image.
        """
        channels = read_stains(self.image, stains)
        shape = channels["nuclei"].shape
        return channels, _read_labels(self.nuclei, shape), None if self.cells is None else _read_labels(self.cells, shape)


def find_labelled(folder: Path, stains: Mapping[str, str], masks: Path | None = None) -> list[LabelledImage]:
    """The images of a folder that have true masks, beside them or in another folder.

    Raises:
        DataError: there are no images, or none has a mask.
    """
    images = find_cell_images(folder, stains)
    beside = masks or folder
    stems = {Path(name).with_suffix("").as_posix(): beside / name for name in FileFinder(beside).names}
    found = list(_with_masks(images, stems))
    if not found:
        raise DataError(
            f"no image in {folder} has a true mask in {beside}", f"name the masks after them, such as {images[0].id}_labels.png"
        )
    return found


def _with_masks(images: list[CellImage], stems: Mapping[str, Path]) -> Iterator[LabelledImage]:
    for image in images:
        nuclei = next((stems[image.id + ending] for ending in NUCLEI if image.id + ending in stems), None)
        if nuclei is not None:
            yield LabelledImage(image, nuclei, stems.get(image.id + CELLS))


def _read_labels(path: Path, shape: tuple[int, ...]) -> NDArray[np.int32]:
    [labels] = read_channels(path, 1)
    if labels.shape != shape:
        raise DataError(f"{path} is {labels.shape[1]} x {labels.shape[0]} px, its image {shape[1]} x {shape[0]} px", "give both one size")
    return np.maximum(np.asarray(labels, np.int64), 0).astype(np.int32)  # some tools write -1 for the background

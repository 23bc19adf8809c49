"""Segmenting all images of a folder: masks, the table of cells, crops and a sheet of outlines."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from comp.base.errors import CompError, ConfigError
from comp.base.files import atomic_write, read_text, write_json
from comp.base.paths import file_of
from comp.base.processes import follow_parent, worker_pool
from comp.base.progress import track
from comp.cells.cell_pictures import crops
from comp.cells.cell_table import cell_table
from comp.cells.image_files import CellImage, read_all, read_stains
from comp.cells.outlines import outlined, sheet
from comp.cells.packaged import PACKAGED
from comp.cells.segmenter import Masks, Segmenter
from comp.cells.segmenter_file import read_segmenter, segmenter_hash
from comp.images.formats.stored import StoredChannel
from comp.images.problems import check_no_problems
from comp.images.read import read_channels

FEWEST = 24  # images for each process: it takes seconds to start
MADE_WITH, TABLE, OUTLINES, UNREADABLE = "made-with.json", "cells.csv", "outlines.png", "unreadable.csv"
SHEET = 12  # images on the sheet of outlines
MOST_CELLS = 65_535  # numbers of a 16-bit mask


@dataclass(frozen=True)
class CellJob:
    """What to segment, and how.

    Attributes:
        images: of one folder.
        stains: stain -> channel.
        out: the folder that is written.
        segmenter: the network's file.
        diameter: of nuclei in pixels; None: measured in each image.
        crops: also write a picture of each cell.
    """

    images: Sequence[CellImage]
    stains: Mapping[str, str]
    out: Path
    segmenter: Path = PACKAGED
    diameter: float | None = None
    crops: bool = False

    def nuclei(self, image: CellImage) -> Path:
        """The mask of the nuclei. It is written last, so an image that has it is done."""
        return file_of(self.out / "masks", image.id.replace("/", "_"), "_nuclei.png")

    def cells(self, image: CellImage) -> Path:
        return self.nuclei(image).with_name(self.nuclei(image).name.replace("_nuclei.png", "_cells.png"))

    def made_with(self) -> dict[str, object]:
        return {"segmenter": segmenter_hash(self.segmenter), "stains": dict(self.stains), "diameter": self.diameter}


def segment_folder(job: CellJob, workers: int, device: str = "cpu") -> pd.DataFrame:
    """Segment the images that have no masks yet, and write the table of all cells. An interrupted command resumes.

    Files in `out`: masks/<id>_nuclei.png and _cells.png (uint16), cells.csv, outlines.png, crops/<id>_<cell>.png if asked for.

    Raises:
        ConfigError: `out` holds masks that were made otherwise.
        DataError: some images cannot be read; all others are done.
    """
    _check_made_with(job)
    waiting = [image for image in job.images if not job.nuclei(image).exists()]
    progress = track(_segmented(job, waiting, workers, device), label="segmenting images", total=len(waiting), unit="image")
    problems = [(image.id, problem) for image, problem in zip(waiting, progress, strict=True) if problem]
    done = [image for image in job.images if job.nuclei(image).exists()]
    tables = [cell_table(image.id, read_masks(job, image)) for image in done]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    with atomic_write(job.out / TABLE) as file:
        file.write(table.to_csv(index=False).encode())
    if done:
        shown = [outlined(read_stains(image, job.stains), read_masks(job, image), image.id) for image in _spread(done)]
        write_png(job.out / OUTLINES, sheet(shown))
    check_no_problems(problems, len(job.images), job.out / UNREADABLE, "mend them, and type the command again; the others are done")
    return table


def read_masks(job: CellJob, image: CellImage) -> Masks:
    """The masks of an image as they were written.

    Raises:
        DataError: one is damaged.
    """
    cells = job.cells(image)
    return Masks(_read_mask(job.nuclei(image)), _read_mask(cells) if cells.exists() else None)


def _check_made_with(job: CellJob) -> None:
    path, made_with = job.out / MADE_WITH, job.made_with()
    if path.exists():
        try:
            before = json.loads(read_text(path))
        except ValueError:
            before = {}
        if before != made_with:
            raise ConfigError(
                f"{job.out} holds masks that were made with other settings or another segmenter", "choose another OUT, or remove it"
            )
        return
    write_json(path, made_with)


def _segmented(job: CellJob, images: Sequence[CellImage], workers: int, device: str) -> Iterator[str]:
    """Segment images; yields what is wrong with each, "" if nothing."""
    workers = min(workers, len(images) // FEWEST)
    if workers <= 1:
        with one_thread_each():
            _start(job.segmenter, device)
            yield from map(_segment, repeat(job), images)
        return
    with worker_pool(workers, _start_worker, job.segmenter, device) as pool:
        yield from pool.map(_segment, repeat(job), images)


_segmenter: Segmenter  # of this process


@contextmanager
def one_thread_each() -> Iterator[None]:
    """PyTorch and OpenCV with one thread, so that a mask does not depend on how many images are segmented side by side."""
    of_torch, of_opencv = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(of_torch)
        cv2.setNumThreads(of_opencv)


def _start_worker(segmenter: Path, device: str) -> None:
    follow_parent()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _start(segmenter, device)


def _start(segmenter: Path, device: str) -> None:
    global _segmenter
    _segmenter = read_segmenter(segmenter, device)


def _segment(job: CellJob, image: CellImage) -> str:
    try:
        stains = read_stains(image, job.stains)
        masks = _segmenter(stains, job.diameter)
        if job.crops:
            _write_crops(job, image, masks)
        if masks.cells is not None:
            write_png(job.cells(image), masks.cells)
        write_png(job.nuclei(image), masks.nuclei)
    except CompError as error:
        return error.what
    return ""


def _write_crops(job: CellJob, image: CellImage, masks: Masks) -> None:
    for number, crop in crops(read_all(image), masks):
        write_png(file_of(job.out / "crops", f"{image.id.replace('/', '_')}_{number}", ".png"), crop)


def write_png(path: Path, picture: StoredChannel) -> None:
    """Write a picture (H, W) or (H, W, channels) of 8 or 16 bits, its channels in the order red, green, blue, alpha."""
    if picture.ndim == 3:
        picture = picture[..., [2, 1, 0, 3][: picture.shape[-1]]]
    with atomic_write(path) as file:
        file.write(cv2.imencode(".png", picture)[1].tobytes())


def _read_mask(path: Path) -> NDArray[np.uint16]:
    [labels] = read_channels(path, 1)
    return labels.astype(np.uint16)


def _spread(images: Sequence[CellImage]) -> list[CellImage]:
    """`SHEET` images, evenly spaced."""
    return [images[place] for place in np.unique(np.linspace(0, len(images) - 1, min(SHEET, len(images)), dtype=int))]

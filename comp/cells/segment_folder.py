"""Segmenting all images of a folder: masks, the table of cells, crops and a sheet of outlines."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, repeat
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from comp.base.errors import CompError, ConfigError, DataError
from comp.base.files import atomic_write, file_state, hash_of, read_text, write_json
from comp.base.paths import file_of
from comp.base.processes import follow_parent, worker_pool
from comp.base.progress import track
from comp.cells.cell_pictures import crops
from comp.cells.cell_table import cell_table
from comp.cells.image_files import MADE_WITH, OUTLINES, CellImage, read_all, read_stains
from comp.cells.outlines import outlined, sheet
from comp.cells.packaged import PACKAGED
from comp.cells.segmenter import Masks, Segmenter
from comp.cells.segmenter_file import read_segmenter, segmenter_hash
from comp.images.formats.stored import StoredChannel
from comp.images.problems import check_no_problems
from comp.images.read import read_channels

FEWEST = 24  # images for each process: it takes seconds to start
TABLE, UNREADABLE = "cells.csv", "unreadable.csv"
STAMPS = "stamps.json"  # with which files the masks were made
SHEET = 12  # images on the sheet of outlines


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
        """The mask of the nuclei. It is written last, so an image that has it is segmented."""
        return file_of(self.out / "masks", image.id.replace("/", "_"), "_nuclei.png")

    def cells(self, image: CellImage) -> Path:
        return self.nuclei(image).with_name(self.nuclei(image).name.replace("_nuclei.png", "_cells.png"))

    def crop(self, image: CellImage, cell: int) -> Path:
        """The picture of a cell. That of the first cell is written last."""
        return file_of(self.out / "crops", f"{image.id.replace('/', '_')}_{cell}", ".png")

    def is_done(self, image: CellImage) -> bool:
        return self.nuclei(image).exists() and (not self.crops or self.crop(image, 1).exists())

    def stamps(self) -> dict[str, str]:
        """For each image a text that changes with its files."""
        return {image.id: _stamp(image) for image in self.images}

    def made_with(self) -> dict[str, object]:
        return {"segmenter": segmenter_hash(self.segmenter), "stains": dict(self.stains), "diameter": self.diameter}


def segment_folder(job: CellJob, workers: int, device: str = "cpu") -> pd.DataFrame:
    """Segment the images that have no masks yet, and write the table of all cells. An interrupted command resumes.

    Masks of images whose files have changed are made again.

    Files in `out`: masks/<id>_nuclei.png and _cells.png (uint16), cells.csv, outlines.png, crops/<id>_<cell>.png if asked for.

    Raises:
        ConfigError: `out` holds masks that were made otherwise.
        PredictionError: the segmenter's file cannot be used.
        DataError: two images would have one mask; some images cannot be read, and all others are done.
    """
    read_segmenter(job.segmenter)
    _check_names(job)
    _check_made_with(job)
    _forget_changed(job)
    waiting = [image for image in job.images if not job.is_done(image)]
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
    (job.out / UNREADABLE).unlink(missing_ok=True)
    check_no_problems(problems, len(job.images), job.out / UNREADABLE, "mend them, and type the command again; the others are done")
    return table


def read_masks(job: CellJob, image: CellImage) -> Masks:
    """The masks of an image as they were written.

    Raises:
        DataError: one is damaged.
    """
    cells = job.cells(image)
    return Masks(_read_mask(job.nuclei(image)), _read_mask(cells) if cells.exists() else None)


def _stamp(image: CellImage) -> str:
    try:
        return hash_of({channel: file_state(path) for channel, path in image.files.items()})
    except OSError:
        return ""  # a file is missing, which is said when it is read


def _check_names(job: CellJob) -> None:
    masks: dict[Path, CellImage] = {}
    for image in job.images:
        other = masks.setdefault(job.nuclei(image), image)
        if other is not image:
            raise DataError(f"the images {other.id} and {image.id} would have one mask, {job.nuclei(image)}", "rename one of them")


def _forget_changed(job: CellJob) -> None:
    """Remove the masks and crops of images whose files are others than those that they were made with."""
    path, stamps = job.out / STAMPS, job.stamps()
    try:
        before = json.loads(read_text(path))
    except (OSError, ValueError):
        before = {}
    for image in job.images:
        if before.get(image.id) != stamps[image.id] and job.nuclei(image).exists():
            for cell in count(1):
                if not job.crop(image, cell).exists():
                    break
                job.crop(image, cell).unlink()
            job.nuclei(image).unlink()
    if before != stamps:
        write_json(path, stamps)


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
        if not job.nuclei(image).exists():
            masks = _segmenter(read_stains(image, job.stains), job.diameter)
            if masks.cells is not None:
                write_png(job.cells(image), masks.cells)
            write_png(job.nuclei(image), masks.nuclei)
        if job.crops:
            _write_crops(job, image, read_masks(job, image))
    except CompError as error:
        return error.what
    return ""


def _write_crops(job: CellJob, image: CellImage, masks: Masks) -> None:
    for number, crop in reversed(list(crops([as_picture(channel) for channel in read_all(image)], masks))):
        write_png(job.crop(image, number), crop)


def as_picture(channel: StoredChannel) -> StoredChannel:
    """A channel of 8 or 16 bits as it is; of another type as 16 bits, its lowest value black and its highest white."""
    if channel.dtype in (np.uint8, np.uint16):
        return channel
    low, high = float(channel.min()), float(channel.max())
    return np.rint((channel - low) / max(high - low, np.finfo(float).tiny) * np.iinfo(np.uint16).max).astype(np.uint16)


def write_png(path: Path, picture: StoredChannel) -> None:
    """Write a picture (H, W) or (H, W, channels) of 8 or 16 bits, its channels in the order red, green, blue, alpha."""
    if picture.ndim == 3 and picture.shape[-1] > 2:
        picture = picture[..., [2, 1, 0, 3][: picture.shape[-1]]]
    with atomic_write(path) as file:
        file.write(cv2.imencode(".png", picture)[1].tobytes())


def _read_mask(path: Path) -> NDArray[np.uint16]:
    [labels] = read_channels(path, 1)
    return labels.astype(np.uint16)


def _spread(images: Sequence[CellImage]) -> list[CellImage]:
    """`SHEET` images, evenly spaced."""
    return [images[place] for place in np.unique(np.linspace(0, len(images) - 1, min(SHEET, len(images)), dtype=int))]

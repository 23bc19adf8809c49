"""Making a crop cache: cells are found where they are not known yet, and cut out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from comp.base.files import hash_file
from comp.base.processes import cores
from comp.base.progress import track
from comp.cells.cell_source import CellSource
from comp.cells.segment_folder import CellJob, read_masks, segment_folder
from comp.cells.square_crops import square_crops
from comp.images.bags import CropPlan
from comp.images.crops import CropContent, Crops, write_crops
from comp.images.read import one_thread_an_image, read_image
from comp.inference.torch_device import devices, pick_device

AT_ONCE = 64  # images whose crops are in memory


def find_cells(job: CellJob) -> None:
    """Find the cells of all images on all cores, or on a GPU; those whose masks are there are left as they are.

    Raises:
        DataError: images are missing or unreadable; all others are done.
    """
    segment_folder(job, 1 if devices() else cores(), pick_device(0))


def cut_cells(folder: Path, content: CropContent, source: CellSource, job: CellJob) -> None:
    """Write the crop cache of images whose masks are there.

    Raises:
        DataError: a file is missing or unreadable.
    """
    made = track(_crops(source, job, content.plan), f"cutting out cells, {content.plan.size} px", len(job.images), "image")
    write_crops(folder, content, hash_file(job.segmenter), made)


def _crops(source: CellSource, job: CellJob, plan: CropPlan) -> Iterator[Crops]:
    def of_image(number: int) -> Crops:
        image = job.images[number]
        channels = read_image(source.files[image.id], len(source.channels), source.levels).channels
        return square_crops(channels, read_masks(job, image), plan)

    with one_thread_an_image(), ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(job.images), AT_ONCE):
            yield from pool.map(of_image, range(start, min(start + AT_ONCE, len(job.images))))

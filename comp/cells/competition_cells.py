"""The cells of a competition's images: masks, a table and crops, below `data/<competition>.cells/`."""

import platform
from pathlib import Path

from comp.base.errors import ConfigError, DataError
from comp.base.files import hash_file
from comp.base.locks import lock
from comp.base.paths import Paths
from comp.base.progress import say
from comp.cells.cell_source import CellSource
from comp.cells.crop_writer import cut_cells, find_cells
from comp.cells.segment_folder import CellJob
from comp.competition.competition import Competition
from comp.competition.crop_content import crop_content
from comp.competition.image_cache import how_to_mend, image_files
from comp.images.bags import CropPlan
from comp.images.crops import CropCache, open_crops
from comp.images.problems import check_no_problems, missing_files


def prepare_crops(competition: Competition, paths: Paths, split: str, plan: CropPlan, verify: bool = False) -> CropCache:
    """The crop cache of a split ("train" or "test"). If it is missing or out of date it is made, with a line that says so.

    Args:
        verify: check the pixels of all crops too; a damaged cache is made again.

    Raises:
        ConfigError: the competition's channels do not show nuclei.
        DataError: image files are missing or unreadable.
    """
    folder = paths.crops(split, plan.name)
    if paths.is_shipped():
        return _shipped(folder, verify)
    source = cell_source(competition, paths, split)
    job = source.job(paths.cells(split))
    report = folder.with_name(f"{split}-unreadable.csv")
    check_no_problems(missing_files(source.files), len(source.files), report, how_to_mend(competition, split))
    content, segmenter = crop_content(competition, paths, split, plan), hash_file(job.segmenter)

    def current() -> CropCache | None:
        found = open_crops(folder)
        fits = found is not None and found.segmenter == segmenter and content.is_in(found) and (not verify or found.is_whole())
        return found if fits else None

    if found := current():
        return found
    with lock(folder.with_name(f"{folder.name}.lock"), f"making {folder}"):
        if not (found := current()):  # another process may have made it meanwhile
            say(f"making {folder}: the cells of {len(source.files):,} images")
            segment_split(competition, paths, split)
            cut_cells(folder, content, source, job)
            found = current()
    if found is None:
        raise DataError(f"{folder} cannot be read back as it was written", "check the disk, then type the command again")
    return found


def segment_split(competition: Competition, paths: Paths, split: str) -> CellJob:
    """Find the cells of all images of a split; masks of images whose files have changed are made again.

    Raises:
        ConfigError: the competition's channels do not show nuclei, or another segmenter made the masks.
        DataError: images are missing or unreadable; all others are done.
    """
    job = cell_source(competition, paths, split).job(paths.cells(split))
    with lock(job.out.with_name(f"{split}.lock"), f"finding cells in {job.out}"):
        try:
            find_cells(job)
        except ConfigError as error:
            raise ConfigError(error.what, f"remove {job.out}, then type the command again") from None
    return job


def cell_source(competition: Competition, paths: Paths, split: str) -> CellSource:
    """The images of a split.

    Raises:
        DataError: the competition has no images, or the split has no table or an empty one.
    """
    files, images = image_files(competition, paths, split), competition.images
    assert images is not None
    return CellSource(files, images.channels, images.levels)


def _shipped(folder: Path, verify: bool) -> CropCache:
    """A crop cache that came to this machine without its images, so nothing can be made again."""
    found = open_crops(folder)
    if found is None or (verify and not found.is_whole()):
        raise DataError(f"{folder.resolve()}, a copy on {platform.node()}, is damaged", "remove it there, then type the command again")
    return found

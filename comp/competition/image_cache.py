"""The image cache of a competition: which files hold each image, and all images of a split read at one size."""

import csv
import io
import platform
from dataclasses import dataclass
from pathlib import Path

from comp.base.errors import DataError
from comp.base.files import read_text, write_text
from comp.base.paths import Paths
from comp.base.processes import cores
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.competition.experiments.experiment import NetworkExperiment
from comp.competition.extra_rows import extra_image_files, read_extra, set_of, split_of
from comp.competition.tables import read_test_ids, read_train
from comp.images.cache import Cache, open_cache
from comp.images.cache_sources import CacheContent
from comp.images.cache_writer import fill_cache
from comp.images.problems import Files
from comp.images.read import Channel, read_image

SPLITS = ("train", "test")
NAMED = 3  # images named in a line; the CSV has all of them


def splits_of(experiment: NetworkExperiment) -> tuple[str, ...]:
    """The splits whose images a network sees: train, test, and its extra rows if it has some."""
    return (*SPLITS, split_of(experiment.extra)) if experiment.extra else SPLITS


@dataclass(frozen=True)
class CacheChoice:
    """What a user may choose about a cache.

    Attributes:
        form: "raw" or "compressed"; None: as the cache is, and the better one for a new cache.
        from_files: make a new cache from the image files, although there may be a larger cache.
    """

    form: str | None = None
    from_files: bool = False


def prepare_cache(
    competition: Competition, paths: Paths, split: str, size: int, verify: bool = False, choice: CacheChoice = CacheChoice()
) -> Cache:
    """The complete cache of a split ("train", "test", or a set of extra rows) at `size` pixels; row i is image i of the table.

    Says so if it reads images.

    Args:
        verify: check the pixels of every row; damaged rows are read again.

    Raises:
        DataError: image files are missing or unreadable; the message names them. Or the cache was shipped, and is not complete.
    """
    if paths.is_shipped():
        return _shipped_cache(paths.cache(split, size), verify)
    files, images = image_files(competition, paths, split), competition.images
    assert images is not None
    others = [] if choice.from_files else paths.caches(split)
    content = CacheContent(files, size, images.channels, images.levels, split == "test", choice.form, others)
    folder = paths.cache(split, size)

    def announce(rows: int) -> None:
        say(f"making {folder}: reading {rows:,} of {len(files):,} images on {cores()} cores")

    cache = fill_cache(folder, content, how_to_mend(competition, split), announce, verify)
    _say_remarks(cache)
    return cache


def _shipped_cache(folder: Path, verify: bool) -> Cache:
    """A cache that came to this machine without its images, so nothing can be read again."""
    cache = open_cache(folder)
    if not cache.records["stamp"].all() or (verify and len(cache.damaged_rows())):
        raise DataError(f"{folder.resolve()}, a copy on {platform.node()}, is damaged", "remove it there, then type the command again")
    return cache


def full_size(competition: Competition, paths: Paths, split: str, image_id: str) -> list[Channel]:
    """The channels (H, W) of one image, as large as its files.

    Raises:
        DataError: the competition has no images, or a file is missing or unreadable.
    """
    files = competition.image_files(paths, split, image_id)
    assert competition.images is not None
    return read_image(files, len(competition.images.channels), competition.images.levels).channels


def how_to_mend(competition: Competition, split: str) -> str:
    """What to do about missing or damaged images of a split. Test images cannot be left out: a submission needs all of them."""
    what = "replace them by undamaged files" + (" or remove their rows from the table" if split != "test" else "")
    return f"{what}, then type the command again" if set_of(split) else f"{what}, then: make data COMP={competition.name}"


def image_files(competition: Competition, paths: Paths, split: str) -> Files:
    """The files of each image of a split ("train", "test", or a set of extra rows), in the order of its table.

    Raises:
        DataError: the competition has no images, or the split has no table or an empty one.
    """
    if name := set_of(split):
        return extra_image_files(competition, paths, read_extra(competition, paths, name))
    ids = read_train(competition, paths)[0] if split == "train" else read_test_ids(competition, paths)
    if not ids:
        raise DataError(f"the {split} table of {competition.name} has no rows", "check the file")
    return competition.all_image_files(paths, split, ids)


def default_size(competition: Competition) -> int:
    """The size in pixels that the competition's models have by default."""
    return int(competition.overrides.get("size", NetworkExperiment.model_fields["size"].default))


def _say_remarks(cache: Cache) -> None:
    """Say which images have black channels, are squeezed or enlarged; only when this changes. A CSV next to the cache has all of them."""
    remarks = cache.remarks()
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("id", "remark"), *remarks] if remarks else [])
    file = cache.folder.with_name(f"{cache.folder.name}-remarks.csv")
    if text.getvalue() == _earlier(file):
        return
    write_text(file, text.getvalue())
    if not remarks:
        say(f"note: there are no remarks on images any more ({file})")
        return
    first = "; ".join(f"{image_id} ({remark})" for image_id, remark in remarks[:NAMED])
    say(f"note: {len(remarks)} remarks on images, all in {file}: {first}")


def _earlier(file: Path) -> str:
    """The remarks that were said before; none if their file is missing or damaged."""
    try:
        return read_text(file)
    except (OSError, UnicodeDecodeError):
        return ""

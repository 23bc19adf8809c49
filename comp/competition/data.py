"""The data folder of a competition: generated here, downloaded from Kaggle, or a link to a folder elsewhere; and its check."""

import os
import shutil
from pathlib import Path

from comp.base.errors import ConfigError, DataError
from comp.base.locks import lock
from comp.base.paths import Paths, config
from comp.base.processes import cores
from comp.base.progress import say
from comp.base.schema import parse
from comp.competition.competition import Competition
from comp.competition.download import download
from comp.competition.image_cache import SPLITS, image_files
from comp.competition.tables import read_groups, read_test_ids, read_train
from comp.images.problems import check_no_problems, missing_files
from comp.practice.tables import PracticeSpec
from comp.practice.writer import write


def ensure_data(competition: Competition, paths: Paths, may_download: bool = False) -> None:
    """Make sure that the data is there: draw that of a practice competition; download what is missing, if allowed.

    Raises:
        DataError: it is missing and cannot be made; the message says how to get it.
    """
    folder = competition.folder(paths)
    if competition.practice is not None:
        _draw(competition, folder)
    elif may_download and not _is_complete(competition, paths):
        _complete(competition, paths)
    elif not (folder / competition.tables.train).exists():
        raise DataError(f"there is no {folder / competition.tables.train}", f"get the data with: make data COMP={competition.name}")


def check_data(competition: Competition, paths: Paths) -> None:
    """Check the tables, and that every image has its files. Say how many images, groups and classes there are.

    Raises:
        DataError: a table or an image is missing, or a table is wrong. A CSV lists the missing images.
    """
    ids, labels = read_train(competition, paths)
    test_ids = read_test_ids(competition, paths)
    groups = read_groups(competition, paths, ids)
    grouped = f" in {len(set(groups)):,} groups" if groups else ""
    classes = f"{int(labels.any(0).sum())} of {len(competition.classes)} classes"
    say(f"{competition.folder(paths)}: {len(ids):,} train images{grouped} with {classes}, {len(test_ids):,} test images")
    for split in SPLITS if competition.images else ():
        files = image_files(competition, paths, split)
        report = paths.duplicates().with_name(f"{split}-missing.csv")
        check_no_problems(missing_files(files), len(files), report, f"make data COMP={competition.name}")
        report.unlink(missing_ok=True)


def link_data(competition: Competition, paths: Paths, given: Path) -> None:
    """Check the folder `given` and make the competition's own folder a link to it.

    Raises:
        DataError, ConfigError: something is missing in it, or the competition's own folder is in the way.
    """
    if not given.is_dir():
        raise DataError(f"there is no folder {given}", "correct DATA")
    link, target = competition.folder(paths), given.resolve()
    if link.resolve() == target:
        return
    if Path(competition.data).is_absolute():
        then = "change `data` in its YAML, or leave out DATA"
        raise ConfigError(f"competition {competition.name} has its data in {competition.data}", then)
    if link.exists() and not link.is_symlink():
        raise DataError(f"{link} exists", f"move it away, then: make data COMP={competition.name} DATA={given}")
    check_data(competition.model_copy(update={"data": str(target)}), paths)
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.symlink_to(target)
    fresh.replace(link)
    say(f"{link} now links to {target}")


def _is_complete(competition: Competition, paths: Paths) -> bool:
    folder = competition.folder(paths)
    if not all((folder / name).is_file() for name in (competition.tables.train, competition.tables.test)):
        return False
    return not competition.images or not any(missing_files(image_files(competition, paths, split)) for split in SPLITS)


def _draw(competition: Competition, folder: Path) -> None:
    spec = parse(PracticeSpec, competition.practice or {}, f"{config('competitions', competition.name)}: practice")
    if not (folder / competition.tables.train).exists():
        say(f"generating the practice competition {competition.name} in {folder}")
    write(folder, spec, cores())


def _complete(competition: Competition, paths: Paths) -> None:
    """Download the data, if the folder is this toolkit's own; say what is missing if it is the user's."""
    folder = competition.folder(paths)
    if competition.slug is None or folder.is_symlink() or Path(competition.data).is_absolute():
        if not (folder / competition.tables.train).exists():
            then = f"name the folder that has it: make data COMP={competition.name} DATA=dir"
            raise DataError(f"there is no {folder / competition.tables.train}", then)
        check_data(competition, paths)
        return
    with lock(folder.with_name(f".{folder.name}.lock"), f"the download of {competition.name}"):
        if _is_complete(competition, paths):  # another process has downloaded it meanwhile
            return
        download(competition, paths)
        check_data(competition, paths)
        shutil.rmtree(paths.downloads())

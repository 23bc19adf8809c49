"""All images in a folder, by the pattern of a competition's files."""

from collections.abc import Sequence
from pathlib import Path

from comp.base.errors import DataError
from comp.competition.file_finder import FileFinder, files_of, find_ids
from comp.competition.ids import check_ids
from comp.images.problems import Files


def files_in_folder(folder: Path, pattern: str, channels: Sequence[str], competition: str) -> Files:
    """The files of every image in a folder, in the order of the ids.

    Args:
        pattern: of the files of an image, as in a competition's YAML.
        channels: their names.

    Raises:
        DataError: there is no image, or an id is unsafe.
    """
    finder = FileFinder(folder)
    ids = find_ids(finder.names, pattern, channels)
    if not ids:
        named = f", with {{channel}} one of {', '.join(channels)}" if "{channel}" in pattern else ""
        what = f"{folder} holds no image of {competition} ({len(finder.names)} image files in all)"
        raise DataError(what, f"name its files as {pattern}{named}")
    check_ids(ids, folder)
    return files_of(ids, finder, pattern, channels)

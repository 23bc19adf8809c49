"""Finding image files below a folder by a pattern such as `{channel}/{id}.png`: any case of the ending, either Unicode form."""

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from comp.base.errors import DataError
from comp.images.read import EXTENSIONS

ANY_FOLDERS, ANY_ENDING = "**/", ".*"
NOT_READ = (".gif", ".jp2", ".j2k", ".jxr", ".jxl", ".avif", ".heic", ".heif", ".czi", ".nd2", ".lif", ".svs", ".dcm", ".npy", ".npz")

_JUNK = ("__macosx", "thumbs.db")


def check_pattern(pattern: str) -> None:
    """Check a pattern of image files.

    Raises:
        ValueError: it does not name the id, has other fields, or leaves its folder.
    """
    rest = pattern.replace("{id}", "").replace("{channel}", "")
    if "{" in rest or "}" in rest:
        raise ValueError("the pattern may contain {id} and {channel} only")
    if "{id}" not in pattern:
        raise ValueError("the pattern must contain {id}")
    if "*" in rest.removeprefix(ANY_FOLDERS).removesuffix(ANY_ENDING):
        raise ValueError("the pattern may begin with **/ (any folders) and end with .* (any image ending), and hold no other *")
    if pattern.startswith(("/", "\\")) or ".." in pattern.split("/") or not pattern.isprintable():
        raise ValueError("the pattern is a path below the folder of the images")


def fill(pattern: str, image_id: str, channel: str) -> str:
    """The pattern of the files of one id and channel."""
    return pattern.replace("{channel}", channel).replace("{id}", image_id)  # the id last: it may hold anything


def find_ids(names: Sequence[str], pattern: str, channels: Sequence[str]) -> list[str]:
    """The ids whose files are among `names`, paths relative to the folder, by a pattern such as `{id}_{channel}.png`; each once, in order.

    If several channels fit a name, the longest one does: `a_far_red.png` is `far_red` of `a`, not `red` of `a_far`.

    Args:
        channels: the names that {channel} may stand for.
    """
    tail = plain(pattern.removeprefix(ANY_FOLDERS))
    stem, ending = os.path.splitext(tail)
    folders = "(?:.*/)?" if pattern.startswith(ANY_FOLDERS) else ""
    inside = "[^/]+?" if folders else ".+?"  # as short as can be, so that the channel is long
    longest_first = sorted(map(plain, channels), key=len, reverse=True)
    parts = re.escape(stem).replace(re.escape("{channel}"), f"(?:{'|'.join(map(re.escape, longest_first))})")
    first, *more = parts.split(re.escape("{id}"))
    form = re.compile(f"{folders}{first}(?P<id>{inside}){'(?P=id)'.join(more)}")
    endings = EXTENSIONS if ending == ANY_ENDING else (ending.lower(),)
    matched = (form.fullmatch(os.path.splitext(plain(name))[0]) for name in names if name.lower().endswith(endings))
    return sorted({found["id"] for found in matched if found})


def files_of(ids: Sequence[str], finder: "FileFinder", pattern: str, channels: Sequence[str]) -> dict[str, list[Path]]:
    """The files of each id, in the order of the channels; one file if it holds them all. A file that is not there has the path expected.

    Raises:
        DataError: several files match.
    """
    names = channels if "{channel}" in pattern else ("",)
    return {image_id: [finder.find(fill(pattern, image_id, name)) for name in names] for image_id in ids}


def plain(name: str) -> str:
    """The composed Unicode form of a name, which file systems may keep decomposed."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


class FileFinder:
    """The image files below `folder`. It is walked when a file is not where it is expected, and once only.

    Args:
        mark: folders with a file of this name are left out of `names`, with all below them.
    """

    def __init__(self, folder: Path, mark: str = "") -> None:
        self.folder = folder
        self._mark = mark
        self._root = str(folder)
        self._by_depth: dict[int, dict[str, list[str]]] = {}

    @cached_property
    def names(self) -> list[str]:
        """Paths of the image files, relative to the folder, in order. Hidden files and folders are left out."""
        marked = set(self.marked)
        return [name for name in self._images if name not in marked]

    @cached_property
    def marked(self) -> list[str]:
        """Paths of the image files that are left out because of the mark."""
        marks = tuple(name.removesuffix(self._mark) for name in self._all if self._mark and os.path.basename(name) == self._mark)
        return [name for name in self._images if name.startswith(marks)]

    @cached_property
    def not_read(self) -> list[str]:
        """Paths of the files with an ending of images that are not read."""
        return [name for name in self._all if name.lower().endswith(NOT_READ)]

    def find(self, wanted: str) -> Path:
        """The file of a filled pattern. It need not exist: then the path is the expected one.

        Raises:
            DataError: there is no such file, but there are several that differ in their ending, Unicode form or folders.
        """
        exact = f"{self._root}/{wanted}"
        if not self._by_depth and os.path.exists(exact):  # after the walk, no file is looked up on the disk
            return Path(exact)
        found = self.matches(wanted)
        if wanted in found:
            return Path(exact)
        if len(found) > 1:
            names = " and ".join(str(self.folder / name) for name in found[:2])
            raise DataError(f"{names} both match {wanted}", "remove one, or correct `file` of `images` in the competition's YAML")
        return Path(f"{self._root}/{found[0]}") if found else Path(exact)

    def matches(self, wanted: str) -> list[str]:
        """Paths of the files that match a filled pattern, relative to the folder."""
        tail = plain(wanted.removeprefix(ANY_FOLDERS))
        stem, ending = os.path.splitext(tail)
        depth = tail.count("/") + 1 if wanted.startswith(ANY_FOLDERS) else 0
        found = self._stems(depth).get(stem, [])
        return found if ending == ANY_ENDING else [name for name in found if name.lower().endswith(ending.lower())]

    def _stems(self, depth: int) -> dict[str, list[str]]:
        """Files by their last `depth` parts (all if 0) without ending, in the composed Unicode form."""
        if depth not in self._by_depth:
            stems: dict[str, list[str]] = {}
            for name in self.names:
                stem = os.path.splitext(plain(name))[0]
                stems.setdefault("/".join(stem.split("/")[-depth:]) if depth else stem, []).append(name)
            self._by_depth[depth] = stems
        return self._by_depth[depth]

    @cached_property
    def _images(self) -> list[str]:
        return [name for name in self._all if name.lower().endswith(EXTENSIONS)]

    @cached_property
    def _all(self) -> list[str]:
        return sorted(_walk(self._root)) if self.folder.is_dir() else []


def _walk(root: str) -> Iterator[str]:
    """Paths of the files below a folder, through links to folders too. A folder that is reached twice is walked once."""
    waiting, links = [""], list[str]()
    visited = set[tuple[int, int]]()
    while waiting or links:
        inside = waiting.pop() if waiting else links.pop()
        folder = os.path.join(root, inside)
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in _JUNK:
                    continue
                if not os.path.isdir(entry.path) if entry.is_symlink() else not entry.is_dir():
                    yield f"{inside}{entry.name}"
                else:
                    (links if entry.is_symlink() else waiting).append(f"{inside}{entry.name}/")

"""Safe unpacking of downloaded archives: no file outside the folder, and every file complete or absent."""

import lzma
import os
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from comp.base.errors import DataError
from comp.base.files import regular
from comp.base.progress import LogBar

MOST_NESTED = 4  # archives in archives; one can contain itself
DO_NOT = "do not use this archive"
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, OverflowError, KeyError,
           NotImplementedError, RuntimeError)  # fmt: skip  # the last two: unknown method, encrypted
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f\\]|^/|^[^/]*:")


def unzip(archive: Path, folder: Path, then: str) -> None:
    """Unpack `archive` into `folder`, and each archive inside it into a folder of its name.

    Files that exist with their full size are skipped, so an interrupted unpacking resumes.

    Args:
        then: what to type after removing a damaged archive.

    Raises:
        DataError: the archive is damaged, its content does not fit on the disk, or it holds a link, a name outside the folder, or names
            that overwrite each other.
    """
    _unpack(archive, folder, then, 0)


def _unpack(archive: Path, folder: Path, then: str, nested: int) -> None:
    if nested > MOST_NESTED:
        raise DataError(f"{archive} is an archive in {nested} others", DO_NOT)
    try:
        with _opened(archive) as file:
            members = [member for member in file.infolist() if not member.is_dir()]
            _check(archive, members, folder)
            with LogBar(total=sum(member.file_size for member in members), desc=f"unzip {archive.name}", unit="B", unit_scale=True) as bar:
                for member in members:
                    _extract(file, member, folder / member.filename)
                    bar.update(member.file_size)
    except OSError as error:
        raise DataError(f"{archive} cannot be unpacked to {folder} ({error.strerror or error})", f"correct that, then: {then}") from None
    except _DAMAGE as error:
        raise DataError(f"{archive} is damaged ({' '.join(str(error).split())[:200]})", f"remove it, then: {then}") from None
    for member in members:
        if _is_archive(member):
            inner = folder / member.filename
            _unpack(inner, _folder_of(inner), then, nested + 1)
            inner.unlink()


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    with open(archive, "rb", opener=regular) as source, zipfile.ZipFile(source) as file:
        yield file


def _is_archive(member: zipfile.ZipInfo) -> bool:
    return member.filename.lower().endswith(".zip")


def _without_zip(name: str) -> str:
    return name[: -len(".zip")]


def _folder_of(archive: Path) -> Path:
    """A folder with the name of the archive; its parent if the archive already holds all in such a folder."""
    try:
        with _opened(archive) as file:
            tops = {PurePosixPath(name).parts[0] for name in file.namelist() if PurePosixPath(name).parts}
    except (OSError, *_DAMAGE):
        tops = set()  # unpacking it will raise the error
    name = _without_zip(archive.name)
    return archive.parent if tops == {name} else archive.with_name(name)


def _check(archive: Path, members: Sequence[zipfile.ZipInfo], folder: Path) -> None:
    """Raise DataError if a member, or the folder of an archive among them, would land outside or on another one, or does not fit."""
    for member in members:
        name = member.filename
        if not (_stays_inside(name) and (not _is_archive(member) or _stays_inside(_without_zip(name)))):
            raise DataError(f"{archive} holds a file that would land outside {folder}: {name[:200]!r}", DO_NOT)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{archive} holds a link: {name[:200]!r}", DO_NOT)
    folder.mkdir(parents=True, exist_ok=True)
    _check_names_differ(archive, members, folder)
    inside = folder.resolve()
    for parent in {(folder / member.filename).parent for member in members}:
        if not parent.resolve().is_relative_to(inside):
            raise DataError(f"{parent} is a link to elsewhere, where {archive} would be unpacked", "remove that link")
    needed = sum(member.file_size for member in members if not _is_there(folder / member.filename, member))
    if needed > (free := shutil.disk_usage(folder).free):
        raise DataError(f"{archive} unpacks to {needed / 1e9:.1f} GB and {free / 1e9:.1f} are free", "free some space")


def _stays_inside(name: str) -> bool:
    """Whether a name stays in its folder on every system. Windows drops dots and spaces at the end of each part: `.. ` is `..` there."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.endswith("/") and not _NOT_IN_NAMES.search(name) and not any(part[-1] in ". " for part in parts)


def _check_names_differ(archive: Path, members: Sequence[zipfile.ZipInfo], folder: Path) -> None:
    """Raise DataError if a member would overwrite another one, or is a file where another one needs a folder."""
    other_case = folder.with_name(folder.name.swapcase())
    ignores_case = other_case != folder and other_case.exists() and other_case.samefile(folder)
    known: dict[str, str] = {}
    for member in members:
        name = unicodedata.normalize("NFC", str(PurePosixPath(member.filename)))
        key = name.casefold() if ignores_case else name
        if other := known.get(key):
            raise DataError(f"{archive} holds two files of one name: {other[:200]!r} and {member.filename[:200]!r}", DO_NOT)
        known[key] = member.filename
    for name, member_name in known.items():
        path = PurePosixPath(name)
        if str(path.with_name(_unfinished(path.name))) in known:
            raise DataError(f"{archive} holds {member_name[:200]!r} and an unfinished file of it", DO_NOT)
    folders = {str(parent) for name in known for parent in PurePosixPath(name).parents}
    if both := sorted(folders & set(known)):
        raise DataError(f"{archive} holds a file and a folder of one name: {known[both[0]][:200]!r}", DO_NOT)


def _is_there(path: Path, member: zipfile.ZipInfo) -> bool:
    return path.is_file() and path.stat().st_size == member.file_size


def _unfinished(name: str) -> str:
    return f".{name}.part"


def _extract(file: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    unfinished = path.with_name(_unfinished(path.name))
    unfinished.unlink(missing_ok=True)  # of a process that was killed
    if _is_there(path, member):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open(member) as source, unfinished.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        if not _is_there(unfinished, member):
            raise zipfile.BadZipFile(f"{member.filename} is shorter or longer than stated")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)

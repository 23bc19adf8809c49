"""Safe unpacking of downloaded archives: no file outside the folder, and every file complete or absent."""

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from comp.base.errors import DataError
from comp.base.progress import LogBar

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)  # the last two: unknown method, encrypted


def unzip(archive: Path, folder: Path, then: str) -> None:
    """Unpack `archive` into `folder`, and each archive inside it into a folder of its name.

    Files that exist with their full size are skipped, so an interrupted unpacking resumes.

    Args:
        then: what to type after removing a damaged archive.

    Raises:
        DataError: the archive is damaged, its content does not fit on the disk, or it holds a link or a name outside the folder.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = [member for member in file.infolist() if not member.is_dir()]
            _check(archive, members, folder)
            with LogBar(total=sum(member.file_size for member in members), desc=f"unzip {archive.name}", unit="B", unit_scale=True) as bar:
                for member in members:
                    _extract(file, member, folder / member.filename)
                    bar.update(member.file_size)
    except _DAMAGE as error:
        raise DataError(f"{archive} is damaged ({error})", f"remove it, then: {then}") from None
    except OSError as error:
        raise DataError(f"{archive} cannot be unpacked to {folder} ({error.strerror})", f"correct that, then: {then}") from None
    for member in members:
        if member.filename.lower().endswith(".zip"):
            inner = folder / member.filename
            unzip(inner, _folder_of(inner), then)
            inner.unlink()


def _folder_of(archive: Path) -> Path:
    """A folder with the name of the archive; its parent if the archive already holds all in such a folder."""
    try:
        with zipfile.ZipFile(archive) as file:
            tops = {PurePosixPath(name).parts[0] for name in file.namelist() if PurePosixPath(name).parts}
    except _DAMAGE:
        tops = set()  # unzip will raise the error
    return archive.parent if tops == {archive.stem} else archive.with_suffix("")


def _check(archive: Path, members: list[zipfile.ZipInfo], folder: Path) -> None:
    for member in members:
        name = PurePosixPath(member.filename)
        if not name.parts or name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in name.parts[0]:
            raise DataError(f"{archive} holds a file that would land outside {folder}: {member.filename!r}", "do not use this archive")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{archive} holds a link: {member.filename!r}", "do not use this archive")
    folder.mkdir(parents=True, exist_ok=True)
    needed = sum(member.file_size for member in members if not _is_there(folder / member.filename, member))
    if needed > (free := shutil.disk_usage(folder).free):
        raise DataError(f"{archive} unpacks to {needed / 1e9:.1f} GB and {free / 1e9:.1f} are free", "free some space")


def _is_there(path: Path, member: zipfile.ZipInfo) -> bool:
    return path.is_file() and path.stat().st_size == member.file_size


def _extract(file: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    if _is_there(path, member):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with file.open(member) as source, unfinished.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        if not _is_there(unfinished, member):
            raise zipfile.BadZipFile(f"{member.filename} is shorter or longer than stated")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)

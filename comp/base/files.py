"""Reading regular files, atomic writes, and content hashes of files."""

import errno
import glob
import hashlib
import json
import os
import platform
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any


def regular(path: str, flags: int) -> int:
    """An `opener` for `open` that refuses whatever only looks like a file: reading a pipe would wait forever.

    Raises:
        OSError: as `os.open`, or it is a folder, a pipe or a device.
    """
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is a folder" if stat.S_ISDIR(mode) else "it is no regular file", path)


def read_bytes(path: Path) -> bytes:
    """The content of a regular file; raises OSError as `regular`."""
    with open(path, "rb", opener=regular) as file:
        return file.read()


def read_text(path: Path) -> str:
    """The content of a regular file as UTF-8; raises OSError as `regular`, or UnicodeDecodeError."""
    return read_bytes(path).decode()


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file next to `path`; flush and rename it on success, remove it on any failure.

    Temporary files that killed processes of this machine left behind are removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover, owner in _leftovers(path):
        if not _lives(owner):
            leftover.unlink(missing_ok=True)
    temporary = _temporary(path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # the user's umask takes away from that
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder next to `path`. On success it takes the place of `path`, and what was there is removed; on any failure it is removed."""
    with working_folder(path) as temporary:
        yield temporary
        before = _temporary(path)
        with suppress(FileNotFoundError):
            os.rename(path, before)  # a folder cannot take the place of another one in one step
        try:
            os.rename(temporary, path)
        except OSError:
            with suppress(OSError):
                os.rename(before, path)
            raise
        shutil.rmtree(before, ignore_errors=True)


@contextmanager
def working_folder(path: Path) -> Iterator[Path]:
    """An empty folder next to `path`, which is removed in the end. Those that killed processes of this machine left behind are removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover, owner in _leftovers(path):
        if not _lives(owner):
            shutil.rmtree(leftover, ignore_errors=True)
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}.part")


def remove_leftovers(path: Path) -> None:
    """Remove what writers of `path` that were killed left behind, on any machine; only for who holds the lock on it."""
    for leftover, _ in _leftovers(path):
        leftover.unlink(missing_ok=True)


def _leftovers(path: Path) -> Iterator[tuple[Path, str]]:
    """Temporary files for `path`, and who made them: "machine-process"."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        yield leftover, leftover.name.removeprefix(f".{path.name}.").rpartition("-")[0]


def _lives(owner: str) -> bool:
    """Whether a process may still be at work: it lives, or it is on another machine."""
    machine, _, process = owner.rpartition("-")
    if machine != platform.node() or not process.isdecimal():
        return True
    with suppress(OSError, OverflowError):
        os.kill(int(process), 0)
        return True
    return False


def write_text(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def hash_of(value: Any, digits: int = 16) -> str:
    """SHA-256 of a JSON-able value, independent of key order; the first `digits` hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def file_state(path: Path) -> list[str | int]:
    """What changes with a file's content, without reading it: its name, size and times.

    Raises:
        OSError: it is missing.
    """
    status = path.stat()
    return [path.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def hash_file(path: Path, digits: int = 16) -> str:
    with open(path, "rb", opener=regular) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:digits]

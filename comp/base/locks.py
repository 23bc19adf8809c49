"""Locks between processes: the second one waits and says for whom."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from comp.base.files import read_text
from comp.base.progress import say

SECONDS_BETWEEN_TRIES = 0.2
LONGEST_NAME = 200  # letters
SECONDS_TO_SIGN = 1.0  # a process that has just taken the lock writes its name within this time


@contextmanager
def lock(path: Path, holder: str) -> Iterator[None]:
    """Hold the lock file `path` exclusively. Wait while another process holds it, and print one line that names that process.

    The kernel frees the lock when its process ends, however it ends. So there is never a lock to remove by hand.

    Args:
        holder: what this process does, for the line of those that wait: "training of resnet34 fold 0".
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f"{path.name}.holder")  # Windows does not let others read the lock file itself
    file_lock = FileLock(path)
    if not _is_acquired(file_lock):
        other = _other_holder(file_lock, name)
        if other:
            say(f"waiting for {other}, which holds {path}")
            file_lock.acquire(poll_interval=SECONDS_BETWEEN_TRIES)
    try:
        with suppress(OSError):  # who waits then says "another process"
            name.write_text(f"{holder} (process {os.getpid()})")
        yield
    finally:
        with suppress(OSError):
            name.unlink(missing_ok=True)
        file_lock.release()


@contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock file `path` if no other process does; gives whether it is held."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file_lock = FileLock(path)
    acquired = _is_acquired(file_lock)
    try:
        yield acquired
    finally:
        file_lock.release()


def _other_holder(file_lock: FileLock, name: Path) -> str | None:
    """Who holds the lock, as its file `name` says. None if the lock became free, and was acquired, while that file was not there."""
    last = time.monotonic() + SECONDS_TO_SIGN
    while time.monotonic() < last:
        try:
            if text := read_text(name)[:LONGEST_NAME].strip():
                return text
        except (OSError, UnicodeDecodeError):
            if _is_acquired(file_lock):
                return None
        time.sleep(0.02)
    return "another process"


def _is_acquired(file_lock: FileLock) -> bool:
    try:
        file_lock.acquire(timeout=0)
    except Timeout:
        return False
    return True

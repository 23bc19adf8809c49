"""A copy of the project on a node of a Ray cluster that does not see its folder: what comes to it, and what goes back.

Ray takes this module to the node by value, so it imports nothing of the library; Ray itself is imported late, after its settings.
"""

import glob
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from filelock import FileLock

PIECE = 8 * 2**20  # bytes
AHEAD = 4  # pieces that are asked for at once
SECONDS = 1.0  # between messages
Message = tuple[Any, ...]
Files = Mapping[str, tuple[str, int, int]]  # name below the project's folder -> path on the driver's node, bytes, time in nanoseconds


class Source:
    """Reads files on the driver's node, for nodes that do not see them."""

    def read(self, path: str, start: int, length: int) -> bytes:
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(length)


def fetch(folder: Path, texts: Mapping[str, str], shared: Files, own: Files, patterns: Sequence[str], source: Any) -> Iterator[Message]:
    """Bring a copy up to date; yields how far it is. If several folds of a node need it at once, the later ones wait.

    Args:
        texts: files that only copies have.
        shared: files that all folds need: they are fetched once.
        own: files of one fold, which are fetched each time, because training changes them.
        patterns: what matches files of that fold; those that are not in `own` are removed.
        source: an actor of class `Source`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "fetched.json"
    with FileLock(folder / "fetched.lock"):
        known = json.loads(record.read_text()) if record.exists() else {}
        for name, text in texts.items():
            _replace(folder / name, text.encode())
        for name in found(folder, patterns):
            if name not in own:
                (folder / name).unlink(missing_ok=True)
        lacking = {name: file for name, file in shared.items() if known.get(name) != list(file[1:]) or not (folder / name).exists()}
        lacking.update(own)
        total, here, said = sum(size for _, size, _ in lacking.values()), 0, 0.0
        try:
            for name, (path, size, changed) in lacking.items():
                temporary = _beside(folder / name)
                with temporary.open("wb") as file:
                    for piece in _pieces(source, path, size):
                        file.write(piece)
                        here += len(piece)
                        if time.monotonic() - said >= SECONDS:
                            said = time.monotonic()
                            yield "fetching", here, total
                os.replace(temporary, folder / name)
                if name in shared:
                    known[name] = [size, changed]
        finally:
            _replace(record, json.dumps(known).encode())


def _pieces(source: Any, path: str, size: int) -> Iterator[bytes]:
    """The content of a file on the driver's node, in pieces, a few of which are under way."""
    import ray

    waiting: list[Any] = []
    with ThreadPoolExecutor(1) as getter:  # while a task's main thread waits, Ray gives its CPUs to another task
        for start in range(0, size, PIECE):
            waiting.append(source.read.remote(path, start, min(PIECE, size - start)))
            if len(waiting) >= AHEAD:
                yield getter.submit(ray.get, waiting.pop(0)).result()
        while waiting:
            yield getter.submit(ray.get, waiting.pop(0)).result()


def _replace(path: Path, content: bytes) -> None:
    temporary = _beside(path)
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _beside(path: Path) -> Path:
    """A file that takes the place of `path` when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.part")


def found(folder: Path, patterns: Sequence[str]) -> dict[str, Any]:
    """The files that match, without locks, each with what changes when it is written."""
    states = {}
    for pattern in patterns:
        for name in sorted(glob.glob(pattern, root_dir=folder)):
            path = folder / name
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            if path.is_file() and not path.name.startswith("lock"):
                states[name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return states


def changes(folder: Path, patterns: Sequence[str], last: str, known: dict[str, Any]) -> Iterator[Message]:
    """Send what has changed since `known`, which is brought up to date: first new content, then what is gone.

    Args:
        last: a file that is not sent.
    """
    now = found(folder, patterns)
    for name, state in now.items():
        if known.get(name) != state and name != last:
            yield from sent(folder, name)
    for name in set(known) - set(now):
        yield "gone", name
    known.clear()
    known.update(now)


def sent(folder: Path, name: str) -> Iterator[Message]:
    """A file in pieces. It stays the same file while it is read, because files are replaced as a whole."""
    try:
        file = (folder / name).open("rb")
    except FileNotFoundError:
        return
    with file:
        yield "file", name
        while piece := file.read(PIECE):
            yield "piece", piece
        yield "whole", name

"""Checkpoints with a checksum: a damaged one counts as absent, so that training starts again instead of going wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from xxhash import xxh3_128

from comp.base.files import atomic_write, read_bytes
from comp.base.progress import say

MAGIC = b"checkpoint 1\n"
CHECKSUM_BYTES = 16


def write_checkpoint(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write what `write` puts into a file, then a checksum of it.

    Raises:
        OSError: the disk is full, or the file cannot be written for another reason.
    """
    with atomic_write(path) as file:
        summed = _Summed(file)
        try:
            write(summed)  # type: ignore[arg-type]
        except RuntimeError as error:
            raise summed.failure or error from None  # torch.save turns the error of the disk into its own
        file.write(summed.checksum.digest() + MAGIC)


def read_checkpoint(path: Path) -> bytes | None:
    """What `write` put into a checkpoint; None if there is none, or if it is damaged, which is said."""
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        say(f"{path} cannot be read ({error.strerror}); training starts again")
        return None
    end = len(data) - len(MAGIC) - CHECKSUM_BYTES
    content = memoryview(data)[: max(end, 0)]
    if data[end:] != xxh3_128(content).digest() + MAGIC:
        say(f"{path} is damaged, or of another version; training starts again")
        return None
    return bytes(content)


def belongs(path: Path, fingerprint: str, expected: str) -> bool:
    """Whether a checkpoint belongs to this run; if not, that is said."""
    if fingerprint != expected:
        say(f"{path} belongs to other settings, folds, data or images; training starts again")
    return fingerprint == expected


class _Summed:
    """A file that keeps a checksum of what was written, and the first error of the disk."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.checksum = xxh3_128()
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            self._file.write(data)
        except OSError as error:
            self.failure = error
            raise
        self.checksum.update(data)
        return memoryview(data).nbytes

    def flush(self) -> None:
        self._file.flush()

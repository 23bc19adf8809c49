"""Checkpoints: content, what it was made from, and a checksum.

A damaged checkpoint counts as absent, so that training starts again instead of going wrong. One that was made from something else is an
error, because it may hold a day of training.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from xxhash import xxh3_128

from comp.base.errors import PredictionError
from comp.base.files import atomic_write, read_bytes, regular
from comp.base.progress import say
from comp.training.made_otherwise import what_differs
from comp.training.trainer import Run

MAGIC = b"checkpoint 2\n"
OLDER = re.compile(rb"checkpoint \d\n")
CHECKSUM_BYTES, LENGTH_BYTES = 16, 4  # the file: content, what it was made from as JSON, its length, the checksum, MAGIC
MOST_JSON = 1_000_000  # bytes
TAIL = LENGTH_BYTES + CHECKSUM_BYTES + len(MAGIC)


def write_checkpoint(run: Run, seconds: float, epochs: int, write: Callable[[IO[bytes]], Any]) -> None:
    """Write what `write` puts into a file to the run's checkpoint.

    Args:
        seconds: the training time in it.
        epochs: how many are finished.

    Raises:
        OSError: the disk is full, or the file cannot be written for another reason.
    """
    with atomic_write(run.checkpoint) as file:
        summed = _Summed(file)
        try:
            write(summed)  # type: ignore[arg-type]
        except RuntimeError as error:
            raise summed.failure or error from None  # torch.save turns the error of the disk into its own
        made_from = json.dumps({"made_from": run.made_from, "seconds": seconds, "epochs": epochs}).encode()
        summed.write(made_from + len(made_from).to_bytes(LENGTH_BYTES, "big"))
        file.write(summed.checksum.digest() + MAGIC)


def read_checkpoint(run: Run) -> bytes | None:
    """What `write` put into the run's checkpoint; None, which is said, if it is damaged or the run is to start anew; None if there is none.

    Raises:
        PredictionError: it was made from something else, and the run does not ask to start anew.
    """
    path = run.checkpoint
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        say(f"{path} cannot be read ({error.strerror}); training starts again")
        return None
    end = len(data) - CHECKSUM_BYTES - len(MAGIC)
    summed = memoryview(data)[: max(end, 0)]
    if not OLDER.fullmatch(data[-len(MAGIC) :]) or data[end : -len(MAGIC)] != xxh3_128(summed).digest():
        say(f"{path} is damaged; training starts again")
        return None
    made = _made(data)
    differs = what_differs(made["made_from"], json.loads(json.dumps(run.made_from))) if made else "an earlier version of this toolkit"
    if not differs:
        return bytes(summed[: end - LENGTH_BYTES - int.from_bytes(summed[-LENGTH_BYTES:], "big")])
    what = f"{path} was made with {differs}"
    if made:
        what = f"{path} holds {made['seconds'] / 3600:.2g} h of training that was done with {differs}"
    if not run.restart:
        raise PredictionError(what, "go back to that to go on from it; or give it up and train anew: RESTART=1")
    say(f"{what}; training starts anew, as RESTART=1 asks")
    return None


def what_it_holds(path: Path) -> dict[str, Any] | None:
    """ "made_from", "seconds" and "epochs" of a checkpoint, without reading all of it.

    None if it is missing, damaged or of an earlier version; the last one had no "epochs".
    """
    try:
        with open(path, "rb", opener=regular) as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - MOST_JSON - TAIL, 0))
            return _made(file.read())
    except OSError:
        return None


def _made(data: bytes) -> dict[str, Any] | None:
    """What a file with this end was made from."""
    if not data.endswith(MAGIC) or len(data) < TAIL:
        return None
    length = int.from_bytes(data[-TAIL : LENGTH_BYTES - TAIL], "big")
    try:
        found: dict[str, Any] = json.loads(data[-TAIL - length : -TAIL])
    except (ValueError, RecursionError):
        return None
    return found


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

"""Progress bars and printed lines: a bar that moves on a terminal, a line every ten seconds in a log."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from tqdm import tqdm

from comp.base.errors import CompError

Item = TypeVar("Item")

PIPE_CLOSED = 141  # the exit code a shell reports for a program that SIGPIPE ended


class LogBar(tqdm):
    """tqdm that updates its line on a terminal, and prints a new line every ten seconds elsewhere."""

    monitor_interval = 0  # no thread that watches the bars: Ctrl-C at the exit would interrupt its end with a traceback

    def __init__(self, *items: Iterable[Any], **options: Any) -> None:
        terminal: dict[str, Any] = {"file": sys.stderr, "dynamic_ncols": True}
        log = {"file": _Lines(), "position": 0, "delay": 1, "mininterval": 10, "maxinterval": 10, "ncols": 100, "ascii": " #"}
        super().__init__(*items, **{"miniters": 1, **options, **(terminal if sys.stderr.isatty() else log)})  # type: ignore[call-overload]


class _Lines(io.TextIOBase):
    """Turns the output of tqdm, which moves the cursor, into lines of a log."""

    def __init__(self) -> None:
        self._last = ""

    def write(self, text: str) -> int:
        line = text.strip()
        if line and line != self._last:
            with suppress(OSError):  # a full disk under the log is no reason to stop
                print(line, file=sys.stderr, flush=True)
            self._last = line
        return len(text)


def track(items: Iterable[Item], label: str, total: int | None = None, unit: str = "it") -> Iterator[Item]:
    """Iterate over `items` behind a bar with rate and time left."""
    yield from LogBar(items, desc=label, total=total, unit=unit)


def say(line: str) -> None:
    """Print a line, above any progress bars. Exit quietly when the reader of a pipe has closed it.

    Raises:
        CompError: the output cannot be written.
    """
    try:
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries to write the rest again at exit
        if isinstance(error, BrokenPipeError):
            sys.exit(PIPE_CLOSED)
        raise CompError(f"the output cannot be written ({error.strerror})", "free some space, or send it elsewhere") from None

"""Kaggle's own command-line client: where it is, and how to run it so that it ends."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from comp.base.errors import CompError
from comp.base.missing_packages import install

SUBMIT_SECONDS = 420.0  # the client itself tries again for up to six minutes if the connection breaks
SILENT_SECONDS = 600.0  # a download may take days, but its progress bar moves
PROGRESS = b"B/s]"  # ends every state of the client's progress bar


@dataclass(frozen=True)
class Ended:
    """How a run of the client ended.

    Attributes:
        code: its return code; None if it was stopped because its time was over.
        out, err: what it printed, as text.
    """

    code: int | None
    out: str
    err: str


def client_program() -> Path:
    """The `kaggle` program of this Python's environment, else the one on PATH.

    Raises:
        CompError: it is not installed.
    """
    own = Path(sys.executable).parent / "kaggle"
    found = own if own.is_file() else shutil.which("kaggle")
    if found is None:
        raise CompError("the kaggle program is not installed", install(["kaggle", "six"]))  # which imports six without asking for it
    return Path(found)


def run_client(command: list[str], seconds: float, count_from_last_output: bool = False) -> Ended:
    """Run a command in UTF-8 and keep its output. On a terminal its progress bar is shown as it moves.

    When its time is over it is killed, with every process that it started; so it is on Ctrl-C.

    Args:
        seconds: its time, from its start or, with `count_from_last_output`, from the last thing that it printed.
    """
    utf8 = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:replace"}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, **utf8},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        started = time.monotonic()
        out, err = _Reader(process.stdout), _Reader(process.stderr)
        try:
            while out.thread.is_alive() or err.thread.is_alive():
                since = max(started, out.last, err.last) if count_from_last_output else started
                if time.monotonic() - since > seconds:
                    return Ended(None, out.text(), err.text())
                (out if out.thread.is_alive() else err).thread.join(timeout=0.1)
            return Ended(process.wait(), out.text(), err.text())
        finally:
            _kill_group(process)


@dataclass
class _Reader:
    """Reads a stream to its end, in a thread."""

    stream: IO[bytes]
    content: bytearray = field(default_factory=bytearray)
    last: float = 0.0

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        while chunk := self.stream.read(1 << 16):
            self.content += chunk
            self.last = time.monotonic()
            if PROGRESS in chunk and sys.stderr.isatty():
                sys.stderr.write(chunk.decode(errors="replace"))
                sys.stderr.flush()

    def text(self) -> str:
        return bytes(self.content).decode(errors="replace")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):  # all have ended
        os.killpg(process.pid, signal.SIGKILL)  # the client began a session, so its id is that of its group

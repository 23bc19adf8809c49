"""What a command and the script of a package share: errors on one line with exit code 2, and types of arguments."""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import NoReturn

from comp.base.errors import CompError
from comp.base.missing_packages import explained

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def positive(text: str) -> int:
    """The type of an argument: a whole number, at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def explain_missing_packages() -> None:
    """From now on, a missing Python package ends this program with one line and exit code 2, also before its command runs."""
    earlier = sys.excepthook

    def explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, ModuleNotFoundError) and (missing := explained(error)):
            _stop(str(missing))
        earlier(kind, error, trace)

    sys.excepthook = explain


def run_command(command: Callable[[], None], too_little_memory: str, stopped: str) -> None:
    """Run `command`. A user's mistake, or a machine that fails, prints one line and exits with 2; Ctrl-C exits with 130.

    Args:
        too_little_memory: what to do when memory ran out.
        stopped: what Ctrl-C prints.
    """
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _check_streams()
        command()
    except CompError as error:
        _stop(str(error))
    except ModuleNotFoundError as error:
        if not (missing := explained(error)):
            raise
        _stop(str(missing))
    except OSError as error:
        _stop(_described(error))
    except MemoryError:
        _stop(f"memory ran out: {too_little_memory}")
    except RecursionError:
        _stop("a file or an option is nested too deeply: correct it")
    except KeyboardInterrupt:
        with suppress(OSError):
            print(stopped, file=sys.stderr, flush=True)
            sys.stdout.flush()
        os._exit(130)  # at once: a pool may wait forever for its killed processes (CPython issue 94777)


def _check_streams() -> None:
    """Raise CompError if the output or the error stream is closed: the next file that is opened would take its place."""
    closed = [name for stream, name in ((sys.stdout, "output"), (sys.stderr, "error stream")) if stream is None]
    if closed:
        while os.open(os.devnull, os.O_RDWR) < 2:  # takes the free places
            pass
        raise CompError(f"the {' and the '.join(closed)} of the command is closed", "send it to a file, or to /dev/null")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for terminals without Unicode


def _described(error: OSError) -> str:
    """What could not be done with which file, and what to do about it."""
    what = f"{error.filename or 'a file'} cannot be read or written ({error.strerror or error})"
    if error.errno in NO_SPACE:
        return f"{what}: free some space, then type the command again; complete files are kept"
    return f"{what}: correct that, then type the command again"


def _stop(line: str) -> NoReturn:
    """Print an error on the error stream, or on the output if that is all there is, and exit with 2."""
    for stream in (sys.stderr, sys.stdout):
        with suppress(OSError, AttributeError):
            print(f"error: {line}", file=stream, flush=True)
            break
    try:
        sys.stdout.flush()
    except (OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python tries again at exit, and fails with another code
    sys.exit(2)

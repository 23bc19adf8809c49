"""What every command shares: the arguments they have in common, and errors on one line with exit code 2."""

import argparse
import os
import sys
from collections.abc import Callable

from comp.errors import CompError

READER_GONE = 141  # what a shell says of a program that SIGPIPE ended


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with --competition; `description` is the module's docstring."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--competition", default="practice", metavar="NAME", help="a YAML of configs/competitions (default: practice)")
    return made


def positive(text: str) -> int:
    """An argument's type: a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def run(command: Callable[[], None]) -> None:
    """Run `command`; a user's mistake is one line and exit code 2, Ctrl-C exit code 130."""
    try:
        command()
    except CompError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; complete files and checkpoints stay, and the same command goes on from them", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)  # at once: a pool whose processes were killed may wait for them for ever (CPython issue 94777)


def say(line: str) -> None:
    """A line for the person watching, above progress bars where there are any; whose reader has gone, as `head` has, ends the command."""
    from tqdm import tqdm

    try:
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries to write the rest once more
        sys.exit(READER_GONE)

"""What all commands share: common arguments, and errors on one line with exit code 2."""

import argparse
import os
import sys
from collections.abc import Callable

from comp.base.errors import CompError


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with --competition; `description` is the module's docstring."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--competition", default="practice", metavar="NAME", help="a YAML of configs/competitions (default: practice)")
    return made


def positive(text: str) -> int:
    """The type of an argument: a whole number, at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def run(command: Callable[[], None]) -> None:
    """Run `command`. A user's mistake prints one line and exits with 2; Ctrl-C exits with 130."""
    try:
        command()
    except CompError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; complete files and checkpoints are kept, and the same command resumes from them", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)  # at once: a pool may wait forever for its killed processes (CPython issue 94777)

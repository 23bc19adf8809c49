"""What every command shares: the arguments they have in common, and errors on one line with exit code 2."""

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

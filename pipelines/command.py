"""What all commands share: common arguments, and errors on one line with exit code 2."""

import argparse
from collections.abc import Callable

from comp.base.command_line import run_command

MEMORY = "take fewer workers (WORKERS=1) or a smaller size, or close other programs"
STOPPED = "stopped; complete files and checkpoints are kept, and the same command resumes from them"


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with --competition; `description` is the module's docstring."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--competition", default="practice", metavar="NAME", help="a YAML of configs/competitions (default: practice)")
    return made


def training_parser(description: str) -> argparse.ArgumentParser:
    """The same with the options of commands that train folds."""
    made = parser(description)
    made.add_argument("--set", default="", metavar="'KEY=VALUE ...'", help="change the experiment, e.g. 'train.epochs=2 size=128'")
    made.add_argument("--as", dest="name", metavar="NAME", help="write the changed experiment to configs/models/NAME.yaml, and train that")
    made.add_argument("--retrain", action="store_true", help="replace finished predictions that were made with other settings or data")
    made.add_argument("--restart", action="store_true", help="give up checkpoints that were made with other settings, data or versions")
    made.add_argument("--no-keep", dest="keep", action="store_false", help="keep no network weights: less disk, but no make predict")
    made.add_argument("--checkpoint-minutes", type=float, default=5.0, metavar="M", help="time between checkpoints (default: 5)")
    return made


def predicting_parser(description: str) -> argparse.ArgumentParser:
    """The same with the options of commands that predict new images: see `chosen_stack`."""
    made = parser(description)
    made.add_argument("--models", nargs="*", default=[], metavar="NAME", help="their mean, instead of a stack")
    made.add_argument("--stack", metavar="NAME", help="a finished stack (default: default)")
    return made


def run(command: Callable[[], None]) -> None:
    """Run `command`, with errors on one line: see `run_command`."""
    run_command(command, MEMORY, STOPPED)

"""Where initial weights may come from: a given file, or a hub that may be out of reach."""

import os
import stat
from pathlib import Path

from comp.base.errors import ConfigError
from comp.competition.ids import shorten

PATIENCE = 30.0  # seconds in which a hub must answer; a slow one does within ten


def given_file(initial_weights: str, forms: str) -> Path:
    """The file that an experiment's `initial_weights` names; `forms` tells the error what may be given.

    Raises:
        ConfigError: there is no such file, or it is empty or of another kind.
    """
    file = Path(os.path.expanduser(initial_weights))
    try:
        kind = os.stat(file)
    except (OSError, ValueError) as error:
        reason = "" if isinstance(error, FileNotFoundError) else f" ({getattr(error, 'strerror', error)})"
        raise ConfigError(f"initial_weights: there is no file {shorten(str(file))}{reason}", f"give {forms}") from None
    if not stat.S_ISREG(kind.st_mode) or kind.st_size == 0:
        fault = "is empty" if stat.S_ISREG(kind.st_mode) else "is a folder" if stat.S_ISDIR(kind.st_mode) else "is not a regular file"
        raise ConfigError(f"initial_weights: {file} {fault}", f"give {forms}")
    return file


def unavailable(backbone: str, framework: str, reason: str, address: str, place: str = "") -> ConfigError:
    """The error for ImageNet weights that are neither in a framework's cache nor to be had; `place` is another way to use the file."""
    what = f"{backbone}: its ImageNet weights are not in {framework}'s cache, and {reason}"
    then = (
        f'fetch {address} on a machine with a connection, then SET="initial_weights=FILE"{place}; '
        'or train from random weights with SET="initial_weights=scratch"'
    )
    return ConfigError(what, then)

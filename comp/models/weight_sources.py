"""Where initial weights may come from: a given file, or a hub that can be reached."""

import os
import stat
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

from comp.base.errors import ConfigError
from comp.competition.ids import shorten


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


@cache
def reachable(address: str, seconds: float = 3.0) -> bool:
    """Whether a hub answers within `seconds`. The hubs' own clients would retry for most of a minute before they give up."""
    try:
        urllib.request.urlopen(address, timeout=seconds).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True

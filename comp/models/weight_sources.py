"""Where initial weights may come from: a given file, or a hub that can be reached."""

import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

from comp.base.errors import ConfigError


def given_file(initial_weights: str, forms: str) -> Path:
    """The file that an experiment's `initial_weights` names; `forms` tells the error what may be given.

    Raises:
        ConfigError: there is no such file.
    """
    file = Path(initial_weights).expanduser()
    if not file.is_file():
        raise ConfigError(f"initial_weights: there is no file {file}", f"give {forms}")
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

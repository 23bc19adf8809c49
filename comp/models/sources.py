"""Where first weights may come from: files that are given, and hubs that answer."""

import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

from comp.errors import ConfigError


def given_file(weights: str, forms: str) -> Path:
    """The file that an experiment's `weights` names; `forms` says in the error what may be given.

    Raises:
        ConfigError: there is none.
    """
    file = Path(weights).expanduser()
    if not file.is_file():
        raise ConfigError(f"weights: there is no file {file}", f"give {forms}")
    return file


@cache
def reachable(address: str, seconds: float = 3.0) -> bool:
    """Whether a download can work at all: the hubs' own clients would retry for most of a minute before they say so."""
    try:
        urllib.request.urlopen(address, timeout=seconds).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True

"""Where initial weights may come from: a given file, a Python package, or a hub that may be out of reach. No framework is loaded here."""

import os
import stat
from pathlib import Path

from comp.base.errors import ConfigError
from comp.base.files import hash_file
from comp.competition.ids import shorten

PACKAGE = "package:"
FORMS = {  # of initial weights, for errors, by the hub
    "timm": f"a .pth or .safetensors file, timm, scratch or {PACKAGE}<module>",
    "keras": "a .h5 file without top layers, keras or scratch",
}
PATIENCE = 30.0  # seconds in which a hub must answer; a slow one does within ten


def weights_source(initial_weights: str, backbone: str, hub: str = "timm") -> str:
    """Where a network's initial weights come from, for its provenance: "scratch", "timm <backbone>", a package, or a file's name and hash.

    Args:
        hub: either "timm" or "keras".

    Raises:
        ConfigError: a file that does not exist.
    """
    if initial_weights == hub:
        return f"{hub} {backbone}"
    if initial_weights == "scratch" or (hub == "timm" and initial_weights.startswith(PACKAGE)):
        return initial_weights
    file = given_file(initial_weights, hub)
    return f"{file.name} {hash_file(file)}"


def given_file(initial_weights: str, hub: str = "timm") -> Path:
    """The file that an experiment's `initial_weights` names.

    Raises:
        ConfigError: there is no such file, or it is empty or of another kind.
    """
    file = Path(os.path.expanduser(initial_weights))
    try:
        kind = os.stat(file)
    except (OSError, ValueError) as error:
        reason = "" if isinstance(error, FileNotFoundError) else f" ({getattr(error, 'strerror', error)})"
        raise ConfigError(f"initial_weights: there is no file {shorten(str(file))}{reason}", f"give {FORMS[hub]}") from None
    if not stat.S_ISREG(kind.st_mode) or kind.st_size == 0:
        fault = "is empty" if stat.S_ISREG(kind.st_mode) else "is a folder" if stat.S_ISDIR(kind.st_mode) else "is not a regular file"
        raise ConfigError(f"initial_weights: {file} {fault}", f"give {FORMS[hub]}")
    return file


def unavailable(backbone: str, framework: str, reason: str, address: str, place: str = "") -> ConfigError:
    """The error for ImageNet weights that are neither in a framework's cache nor to be had; `place` is another way to use the file."""
    what = f"{backbone}: its ImageNet weights are not in {framework}'s cache, and {reason}"
    then = (
        f'fetch {address} on a machine with a connection, then SET="initial_weights=FILE"{place}; '
        'or train from random weights with SET="initial_weights=scratch"'
    )
    return ConfigError(what, then)

"""The initial weights of a Keras network: from a file, from Keras' own cache or download, or none (from scratch)."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from comp.base.errors import ConfigError
from comp.models.weight_sources import PATIENCE, unavailable

DOWNLOADS = "https://storage.googleapis.com/tensorflow/keras-applications/"
FAILED = re.compile(r"URL fetch failure on (\S+): (?:None -- )?(.*)", re.DOTALL)  # how Keras reports a download that fails


@contextmanager
def patient_download() -> Iterator[None]:
    """Within this context, a download by Keras fails if nothing arrives for as long as a hub may take; Keras itself would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def failed_download(error: Exception, backbone: str) -> ConfigError | None:
    """The error for a download that failed, with the file's address; None if `error` is about something else."""
    folder = Path(os.environ.get("KERAS_HOME", "~/.keras"), "models")
    place = f", or put it into {folder}"
    silent = f"its hub did not answer within {PATIENCE:.0f} seconds"
    if isinstance(error, TimeoutError):
        return unavailable(backbone, "Keras", silent, f"the network's notop file of {DOWNLOADS}", place)
    if found := FAILED.search(str(error)):
        address, said = found[1], " ".join(found[2].split())[:160]
        reason = silent if "timed out" in said else f"they cannot be downloaded ({said})"
        return unavailable(backbone, "Keras", reason, address, place)
    return None

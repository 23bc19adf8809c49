"""ImageNet weights for Keras: from a file or Keras' own cache and download, and from scratch only with a warning."""

import os
import re
from pathlib import Path

from comp.files import hash_file
from comp.models.sources import given_file, reachable

DOWNLOADS = "https://storage.googleapis.com/tensorflow/keras-applications/"


def weights_source(weights: str, backbone: str) -> str:
    """Where a network's first weights will come from, for its provenance: "scratch", "keras <backbone>" or a file's name and hash.

    Raises:
        ConfigError: a file that does not exist.
    """
    if weights == "keras":
        return f"keras {backbone}" if _in_cache(backbone) or reachable(DOWNLOADS) else "scratch"
    if weights == "scratch":
        return weights
    file = given_file(weights, "a .h5 file without top layers, keras or scratch")
    return f"{file.name} {hash_file(file)}"


def _in_cache(backbone: str) -> bool:
    """Keras names its files after the network, with underscores here and there: inception_resnet_v2_weights_..._notop.h5."""
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    name = re.compile(rf"{backbone.lower()}(weights.*)?notop")
    return any(name.match(path.name.replace("_", "")) for path in folder.glob("*.h5"))

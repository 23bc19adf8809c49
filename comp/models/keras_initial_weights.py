"""The initial weights of a Keras network: from a file, from Keras' own cache or download, or none (from scratch)."""

import os
import re
from pathlib import Path

from comp.base.files import hash_file
from comp.models.weight_sources import given_file, reachable

DOWNLOADS = "https://storage.googleapis.com/tensorflow/keras-applications/"
FORMS = "a .h5 file without top layers, keras or scratch"  # of initial weights, for errors


def weights_source(initial_weights: str, backbone: str) -> str:
    """Where a network's initial weights will come from, for its provenance: "scratch", "keras <backbone>" or a file's name and hash.

    Raises:
        ConfigError: a file that does not exist.
    """
    if initial_weights == "keras":
        return f"keras {backbone}" if _in_cache(backbone) or reachable(DOWNLOADS) else "scratch"
    if initial_weights == "scratch":
        return initial_weights
    file = given_file(initial_weights, FORMS)
    return f"{file.name} {hash_file(file)}"


def _in_cache(backbone: str) -> bool:
    """Keras names its files after the network, with additional underscores: inception_resnet_v2_weights_..._notop.h5."""
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    name = re.compile(rf"{backbone.lower()}(weights.*)?notop")
    return any(name.match(path.name.replace("_", "")) for path in folder.glob("*.h5"))

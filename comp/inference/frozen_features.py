"""The features of a backbone that is not trained, of all crops of a crop cache: computed once, and kept beside the crops.

They depend on one crop at a time and on no label, so that all folds share them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.files import hash_of
from comp.base.locks import lock
from comp.base.progress import LogBar, say
from comp.images.bags import Bags
from comp.images.input_channels import InputChannels
from comp.images.stored_images import StoredImages
from comp.inference.settings import PredictionSettings
from comp.inference.tensor_file import digest, read_tensors, write_tensors
from comp.inference.torch_network import Predictor
from comp.models.networks import Classifier

SETTINGS = PredictionSettings(batch_size=64, precision="fp32")  # always the same, as all models share the features
NAME = "features"  # of the tensor in the file


def frozen_features(bags: Bags, backbone: Classifier, channels: InputChannels, device: torch.device) -> Bags:
    """The features (D) of each crop as bags (cells, D) float16.

    Args:
        bags: of a crop cache.
        channels: what the backbone takes of a crop.
    """
    assert isinstance(bags.items, StoredImages)
    path = bags.items.path.with_name(f"features-{_key(backbone, channels)}.safetensors")
    with lock(path.with_suffix(".lock"), f"computing {path}"):
        found = _read(path)
        if found is None or len(found) != len(bags.items):
            say(f"making {path}: features of {len(bags.items):,} cells")
            with LogBar(total=len(bags.items), desc="features of cells", unit="cell", leave=False) as bar:
                found = _computed(bags.items, backbone, channels, device, bar.update)
            write_tensors(path, {}, {NAME: found})
    return bags.with_items(found)


def _computed(
    crops: StoredImages, backbone: Classifier, channels: InputChannels, device: torch.device, done: Callable[[int], object]
) -> NDArray[np.float16]:
    was_training = backbone.training
    features = Predictor(backbone.to(device).eval(), SETTINGS, channels, device, done)(crops, np.arange(len(crops)))
    backbone.train(was_training)
    return features.astype(np.float16)


def _key(backbone: Classifier, channels: InputChannels) -> str:
    """What tells the features of one backbone from those of another."""
    tensors = {name: value.detach().cpu().numpy() for name, value in backbone.state_dict().items()}
    return hash_of([digest(type(backbone.backbone).__name__, tensors), channels.columns, channels.mix], digits=8)


def _read(path: Path) -> NDArray[Any] | None:
    try:
        return read_tensors(path, "")[1].get(NAME)
    except PredictionError:
        return None

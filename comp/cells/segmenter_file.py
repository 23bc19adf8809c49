"""The file of a segmenting network, and the one that is part of this package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from comp.base.errors import DamagedError, PredictionError
from comp.base.files import hash_file
from comp.cells.packaged import AGAIN, PACKAGED
from comp.cells.segmenter import Segmenter
from comp.inference.tensor_file import read_tensors, write_tensors
from comp.models.segmenter_network import SegmenterNetwork


def write_segmenter(path: Path, network: SegmenterNetwork, made_from: Mapping[str, Any]) -> None:
    """Write a network, its weights as fp16, with what it was made from."""
    tensors = {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}
    small = {name: tensor.astype(np.float16) if tensor.dtype == np.float32 else tensor for name, tensor in tensors.items()}
    write_tensors(path, {"backbone": network.backbone, "decoder": network.decoder, "provenance": made_from}, small)


def read_segmenter(path: Path, device: str = "cpu") -> Segmenter:
    """The segmenter in a file.

    Raises:
        DamagedError: it is damaged, or holds another network.
        PredictionError: it is missing, or of a later version.
    """
    again = _again(path)
    about, tensors = read_tensors(path, again)
    try:
        network = SegmenterNetwork(about["backbone"], tuple(about["decoder"]))
        network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise DamagedError(f"{path} holds no segmenter", again) from None
    return Segmenter(network.to(memory_format=torch.channels_last), device)


def segmenter_hash(path: Path) -> str:
    """What tells one segmenter from another.

    Raises:
        PredictionError: there is no such file.
    """
    if not path.is_file():
        raise PredictionError(f"there is no {path}", _again(path))
    return hash_file(path)


def _again(path: Path) -> str:
    return AGAIN if path == PACKAGED else "make it again: make segmenter DATA=dir"

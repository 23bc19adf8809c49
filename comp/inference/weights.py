"""The weights file of a fold: a trained network with all that it takes to build it and to prepare its images, as safetensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DamagedError
from comp.images.input_channels import InputChannels
from comp.inference.tensor_file import read_tensors, write_tensors

# what the provenance of weights says
NEEDED = {
    "competition",
    "model",
    "fold",
    "classes",
    "folds",
    "data",
    "images",
    "depends_on",
    "initial_weights",
    "seed",
    "threads",
    "precision",
}


@dataclass(frozen=True, eq=False)
class Weights:
    """A trained network.

    Attributes:
        trainer: "torch", "metric", "channels", "cascade", "cells" or "keras".
        network: how it is built: the arguments of `timm.create_model`, or the configuration of a Keras model.
        input_channels: what it takes of an image.
        tensors: its state; floating-point numbers are float32.
    """

    trainer: str
    network: Mapping[str, Any]
    input_channels: InputChannels
    tensors: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class WeightsFile:
    """A trained network and what it was made from.

    Attributes:
        settings: of its training, as JSON.
        provenance: folds, table, images, classes and initial weights, as JSON.
        channels: the competition's, in the order in which images hold them.
        levels: the stored values of black and white, if the competition's YAML gives them.
    """

    weights: Weights
    settings: Mapping[str, Any]
    provenance: Mapping[str, Any]
    channels: tuple[str, ...]
    levels: tuple[float, float] | None

    def write(self, path: Path) -> None:
        """Write it; equal networks give equal bytes."""
        weights, seen = self.weights, self.weights.input_channels
        normalisation = {name: self._vector(name) for name in ("mean", "deviation")}
        about = {
            "trainer": weights.trainer, "network": weights.network, "settings": self.settings, "provenance": self.provenance,
            "classes": self.provenance["classes"], "channels": self.channels, "levels": self.levels,
            "input_channels": {"columns": seen.columns, "mix": seen.mix},
            "normalisation": normalisation if weights.trainer != "keras" else "inside the network",
        }  # fmt: skip
        write_tensors(path, about, weights.tensors)

    def _vector(self, name: str) -> list[float]:
        """A buffer of the network's first layer; empty if there is none."""
        found = next((tensor for key, tensor in self.weights.tensors.items() if key in (name, f"features.{name}")), np.empty(0))
        return [float(value) for value in found]


def read_weights(path: Path, again: str) -> WeightsFile:
    """A weights file, whole.

    Raises:
        DamagedError: it is damaged or another file; `again` is what to type then.
        PredictionError: it is missing, cannot be read, or is of a later version.
    """
    about, tensors = read_tensors(path, again)
    try:
        seen = about["input_channels"]
        channels = InputChannels(tuple(seen["columns"]), tuple(map(tuple, seen["mix"])) if seen["mix"] else None)
        weights = Weights(str(about["trainer"]), dict(about["network"]), channels, tensors)
        levels = tuple(about["levels"]) if about["levels"] else None
        settings, provenance = dict(about["settings"]), dict(about["provenance"])
        if lacking := NEEDED - set(provenance):
            raise KeyError(*lacking)
        return WeightsFile(weights, settings, provenance, tuple(about["channels"]), levels)
    except (KeyError, TypeError, ValueError):
        raise DamagedError(f"{path} holds no weights of this toolkit", again) from None

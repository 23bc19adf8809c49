"""The article's networks in Keras: grey values (B, H, W, C) uint8 in, probabilities (B, classes) out.

Any network of `keras.applications` gets the article's head. Prediction files hold the output of the layer before the last, "logits".
"""

import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError
from comp.base.quiet_tensorflow import keras
from comp.competition.experiments.keras_experiment import KerasExperiment
from comp.metrics.logits import logit
from comp.models.keras_initial_weights import failed_download, patient_download
from comp.models.weight_sources import given_file

layers = keras.layers

MAPS, HIDDEN = 128, 512  # widths of the article's head
MOMENTUM = 0.9  # of running statistics, as in PyTorch; Keras' 0.99 lags hundreds of steps behind, too many for a short training
ALL_CNN = "AllCNN"


def build_network(experiment: KerasExperiment, source: str, channels: int, prior: NDArray[np.float64]) -> keras.Model:
    """The experiment's network, with initial weights from `source` (see `comp.models.keras_initial_weights`).

    The last biases start at the logits of `prior`, (classes,) shares of images, as in the PyTorch networks.

    Raises:
        ConfigError: there is no such network, it needs larger images, or its initial weights are not available or do not fit.
    """
    images = keras.Input((experiment.size, experiment.size, channels), dtype="uint8", name="images")
    first = logit(prior)
    if experiment.backbone == ALL_CNN:
        if experiment.initial_weights != "scratch":
            what = f"configs/models/{experiment.model}.yaml: there are no ImageNet weights of {ALL_CNN}"
            raise ConfigError(what, "write initial_weights: scratch")
        logits = all_cnn(images, experiment.dropout, first)
    else:
        logits = head(application(experiment, source, images), experiment.dropout, first)
    return keras.Model(images, layers.Activation("sigmoid", dtype="float32", name="probabilities")(logits), name=experiment.backbone)


def application(experiment: KerasExperiment, source: str, images: keras.KerasTensor) -> keras.KerasTensor:
    """Feature maps of a network of `keras.applications`; with three input channels its own scaling of grey values is used."""
    build = find_application(experiment)
    channels = images.shape[-1]
    given = {"scratch": None, f"keras {experiment.backbone}": "imagenet"}
    weights = given[source] if source in given else str(given_file(experiment.initial_weights, "keras"))
    if experiment.initial_weights != "scratch" and channels != 3:
        what = f"configs/models/{experiment.model}.yaml: ImageNet weights need 3 input channels, and `channels` gives {channels}"
        raise ConfigError(what, 'choose a recipe with 3, e.g. SET="channels.name=rgb", or SET="initial_weights=scratch"')
    try:
        with warnings.catch_warnings(), patient_download():
            warnings.simplefilter("ignore", UserWarning)  # other sizes and numbers of channels than ImageNet's are fine
            warnings.filterwarnings("error", "Skipping", UserWarning)  # Keras only warns if a file lacks some of the weights
            backbone = build(include_top=False, weights=weights, input_shape=(experiment.size, experiment.size, channels))
    except Exception as error:  # Keras raises the class Exception itself if a download fails
        if weights == "imagenet" and (failed := failed_download(error, experiment.backbone)):
            raise failed from None
        reason = " ".join(str(error).split())[:160]
        network = f"{experiment.backbone} at {experiment.size} px with initial weights {experiment.initial_weights!r}"
        larger = re.search(r"at least (\d+)x\1", reason)
        then = f'SET="size={larger[1]}" or more' if larger else "give a file of this network's weights without top layers, or scratch"
        raise ConfigError(f"configs/models/{experiment.model}.yaml: {network} cannot be built ({reason})", then) from None
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = MOMENTUM
    grey = keras.ops.cast(images, "float32")
    own_scaling = sys.modules[build.__module__].preprocess_input
    if channels == 3:
        return backbone(own_scaling(grey))
    probe = np.full((1, 1, 1, 3), 200.0)
    return backbone(grey if np.array_equal(own_scaling(probe.copy()), probe) else grey / 127.5 - 1)  # some networks scale inside themselves


def find_application(experiment: KerasExperiment) -> Callable[..., Any]:
    """The function of `keras.applications` that builds the backbone.

    Raises:
        ConfigError: there is no such network.
    """
    known = [name for name, value in vars(keras.applications).items() if callable(value)]
    if experiment.backbone not in known:
        what = f"configs/models/{experiment.model}.yaml: there is no Keras network {experiment.backbone!r}"
        raise ConfigError(what, f"choose one of: {', '.join([ALL_CNN, *sorted(known)])}")
    found: Callable[..., Any] = getattr(keras.applications, experiment.backbone)
    return found


def head(features: keras.KerasTensor, dropout: float, biases: NDArray[np.floating]) -> keras.KerasTensor:
    """The article's head: a 1 x 1 convolution to 128 maps, then two dense layers."""
    maps = layers.Conv2D(MAPS, 1, activation="relu", name="maps")(features)
    hidden = layers.Dense(HIDDEN, activation="relu", name="hidden")(layers.Dropout(dropout)(layers.Flatten(name="flat")(maps)))
    return layers.Dense(len(biases), bias_initializer=keras.initializers.Constant(biases), dtype="float32", name="logits")(hidden)


def all_cnn(images: keras.KerasTensor, dropout: float, biases: NDArray[np.floating]) -> keras.KerasTensor:
    """All-CNN-C of Springenberg et al. 2015, table 1: nine convolutions, two of them with a stride instead of pooling, and a mean.

    The paper drops half of the values after each stride, and 0.2 of the input. `dropout` is the half, and the input keeps its proportion.
    """
    maps = layers.Dropout(0.4 * dropout)(layers.Rescaling(1 / 127.5, -1)(images))
    for filters, padding in ((96, "same"), (192, "same")):
        for stride in (1, 1, 2):
            maps = _convolution(filters, 3, stride, padding)(maps)
        maps = layers.Dropout(dropout)(maps)
    maps = _convolution(192, 1, 1, "same")(_convolution(192, 3, 1, "valid")(maps))
    maps = layers.Conv2D(len(biases), 1, bias_initializer=keras.initializers.Constant(biases), dtype="float32", name="class_maps")(maps)
    return layers.GlobalAveragePooling2D(dtype="float32", name="logits")(maps)


def _convolution(filters: int, size: int, stride: int, padding: str) -> keras.layers.Layer:
    return layers.Conv2D(filters, size, stride, padding, activation="relu", kernel_initializer="he_normal")

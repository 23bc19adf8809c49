"""The article's networks in Keras: grey values (B, H, W, C) uint8 in, probabilities (B, classes) out.

Any network of `keras.applications` gets the article's head. The layer before the last, "logits", is what prediction files hold.
"""

import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.errors import ConfigError
from comp.experiment import KerasExperiment
from comp.metrics import logit
from comp.models.sources import given_file
from comp.quiet_tensorflow import keras

layers = keras.layers

MAPS, HIDDEN = 128, 512  # of the article's head
MOMENTUM = 0.9  # of running statistics, as in PyTorch: with Keras' 0.99 they lag hundreds of steps behind, which a short training lacks
ALL_CNN = "AllCNN"


def build_network(experiment: KerasExperiment, source: str, planes: int, prior: NDArray[np.float64]) -> keras.Model:
    """The experiment's network, with first weights from `source` (see `comp.models.keras_weights`).

    The last biases start at the logits of `prior`, (classes,) shares of images, as those of the PyTorch networks do.

    Raises:
        ConfigError: there is no such network, it needs larger images, or the weights cannot be had or do not fit it.
    """
    images = keras.Input((experiment.size, experiment.size, planes), dtype="uint8", name="images")
    first = logit(prior)
    if experiment.backbone == ALL_CNN:
        if experiment.weights != "scratch":
            what = f"configs/models/{experiment.model}.yaml: there are no ImageNet weights of {ALL_CNN}"
            raise ConfigError(what, "write weights: scratch")
        logits = all_cnn(images, experiment.dropout, first)
    else:
        logits = head(application(experiment, source, images), experiment.dropout, first)
    return keras.Model(images, layers.Activation("sigmoid", dtype="float32", name="probabilities")(logits), name=experiment.backbone)


def application(experiment: KerasExperiment, source: str, images: keras.KerasTensor) -> keras.KerasTensor:
    """Feature maps of a network of `keras.applications`, in its own scaling of grey values where there are three planes."""
    build = find_application(experiment)
    planes = images.shape[-1]
    given = {"scratch": None, f"keras {experiment.backbone}": "imagenet"}
    weights = given[source] if source in given else str(given_file(experiment.weights, "a .h5 file without top layers, keras or scratch"))
    if experiment.weights != "scratch" and planes != 3:
        what = f"configs/models/{experiment.model}.yaml: ImageNet weights are for 3 planes, and channels give {planes}"
        raise ConfigError(what, 'choose a recipe of 3, e.g. SET="channels.name=rgb", or SET="weights=scratch"')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # other sizes and numbers of planes than ImageNet's are fine
            warnings.filterwarnings("error", "Skipping", UserWarning)  # Keras only warns where a file lacks some of the weights
            backbone = build(include_top=False, weights=weights, input_shape=(experiment.size, experiment.size, planes))
    except Exception as error:  # Keras raises that very class where a download fails
        reason = " ".join(str(error).split())[:160]
        what = f"configs/models/{experiment.model}.yaml: {experiment.backbone} at {experiment.size} px with weights {experiment.weights!r}"
        larger = re.search(r"at least (\d+)x\1", reason)
        then = f'SET="size={larger[1]}" or more' if larger else "give a file of this network's weights without top layers, or scratch"
        raise ConfigError(f"{what} cannot be built ({reason})", then) from None
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = MOMENTUM
    grey = keras.ops.cast(images, "float32")
    own_scaling = sys.modules[build.__module__].preprocess_input
    if planes == 3:
        return backbone(own_scaling(grey))
    probe = np.full((1, 1, 1, 3), 200.0)
    return backbone(grey if np.array_equal(own_scaling(probe.copy()), probe) else grey / 127.5 - 1)  # some networks scale inside


def find_application(experiment: KerasExperiment) -> Callable[..., Any]:
    """The function of `keras.applications` that builds the backbone.

    Raises:
        ConfigError: there is none.
    """
    known = [name for name, value in vars(keras.applications).items() if callable(value)]
    if experiment.backbone not in known:
        what = f"configs/models/{experiment.model}.yaml: there is no Keras network {experiment.backbone!r}"
        raise ConfigError(what, f"choose one of: {', '.join([ALL_CNN, *sorted(known)])}")
    found: Callable[..., Any] = getattr(keras.applications, experiment.backbone)
    return found


def head(features: keras.KerasTensor, dropout: float, biases: NDArray[np.floating]) -> keras.KerasTensor:
    """The article's: a 1 x 1 convolution to 128 maps, then two dense layers."""
    maps = layers.Conv2D(MAPS, 1, activation="relu", name="maps")(features)
    hidden = layers.Dense(HIDDEN, activation="relu", name="hidden")(layers.Dropout(dropout)(layers.Flatten(name="flat")(maps)))
    return layers.Dense(len(biases), bias_initializer=keras.initializers.Constant(biases), dtype="float32", name="logits")(hidden)


def all_cnn(images: keras.KerasTensor, dropout: float, biases: NDArray[np.floating]) -> keras.KerasTensor:
    """All-CNN-C of Springenberg et al. 2015, table 1: nine convolutions, two of them with stride in place of pooling, and a mean.

    The paper drops half of what each stride leaves, and 0.2 of the input, which keeps its proportion to `dropout`.
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

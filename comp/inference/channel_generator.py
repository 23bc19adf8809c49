"""Drawing missing channels with a trained network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.images.input_channels import Images
from comp.inference.fold import Network
from comp.inference.settings import PredictionSettings
from comp.inference.weights import read_weights

KIND = "channels"  # the trainer


class Draws(Protocol):
    """Draws the channels of images (N, H, W, C) uint8 that are not given (C,), or (N, C)."""

    @property
    def channels(self) -> tuple[str, ...]: ...

    def __call__(self, images: NDArray[np.uint8], given: NDArray[np.bool_], /) -> NDArray[np.uint8]: ...


@dataclass(frozen=True, eq=False)
class ChannelGenerator:
    """A network that draws channels.

    Attributes:
        channels: their names, in the order in which images hold them.
        size: of the images that it was trained on, in pixels.
        levels: the stored values of black and white of these images, if the competition's YAML gives them.
        network: of images, rows and the given channels (rows, C) as 0 or 1: grey values (rows, H, W, C).
    """

    channels: tuple[str, ...]
    size: int
    levels: tuple[float, float] | None
    network: Network

    def __call__(self, images: Images, given: NDArray[np.bool_], /) -> NDArray[np.uint8]:
        """The images (N, H, W, C) uint8 with the channels drawn that are not given; the given ones stay as they are.

        Args:
            images: of any height and width; cells should be about as large as on the images of training. Channels that are not given may
                hold anything.
            given: (N, C), or (C,) for all images alike. At least one channel of each image.

        Raises:
            ValueError: an image has no given channel, or the shapes do not fit.
        """
        count, channels = len(images), len(self.channels)
        given = np.broadcast_to(given, (count, channels))
        if images.shape[-1] != channels or not given.any(axis=1).all():
            raise ValueError(f"images of {channels} channels are drawn, from at least one given channel")
        drawn = self.network(images, np.arange(count), given.astype(np.float32))
        return np.rint(drawn).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class MeanGenerator:
    """Draws the mean over the networks of several folds."""

    generators: Sequence[Draws]

    @property
    def channels(self) -> tuple[str, ...]:
        return self.generators[0].channels

    def __call__(self, images: NDArray[np.uint8], given: NDArray[np.bool_], /) -> NDArray[np.uint8]:
        drawn = [generator(images, given) for generator in self.generators]
        return np.rint(np.mean(drawn, axis=0, dtype=np.float32)).astype(np.uint8)


def load_generator(path: Path, again: str, done: Callable[[int], object] = lambda images: None) -> ChannelGenerator:
    """The network of a weights file.

    Args:
        again: what to type if the file is missing or damaged.
        done: told after each batch how many images it had.

    Raises:
        PredictionError: the file is missing or damaged, its network draws no channels, or it cannot be built here.
    """
    from comp.inference.torch_network import Predictor, network_on_device  # imported here: --help needs no PyTorch

    file = read_weights(path, again)
    if file.weights.trainer != KIND:
        raise PredictionError(f"{path} holds a network that draws no channels", f"name a model with `trainer: {KIND}`")
    settings = replace(PredictionSettings.of(dict(file.settings) | {"tta": 1}), tta=1)
    try:
        network, device = network_on_device(file.weights, settings, slot=0)
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        what = f"the network of {path} cannot be built here ({' '.join(str(error).split())[:160]})"
        raise PredictionError(what, "install the versions of packages that it was trained with, or train it again") from None
    predictor = Predictor(network.draw, settings, file.weights.input_channels, device, done)  # type: ignore[arg-type]
    return ChannelGenerator(file.channels, int(file.settings["size"]), file.levels, predictor)

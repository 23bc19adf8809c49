"""The input channels of a network: channels of the cache, as they are or mixed."""

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError


class Images(Protocol):
    """Images (N, H, W, C) uint8: an array, a memory map, or the images of a cache, which are read when rows are taken.

    Or bags (N, cells, H, W, C) of them, see `comp.images.crops.Bags`.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> NDArray[np.uint8]: ...


@dataclass(frozen=True)
class InputChannels:
    """Which channels of the cache a network takes, and how they are mixed.

    Attributes:
        columns: the numbers of the channels in the cache.
        mix: (input channels, columns): each input channel is the sum of the columns times its row, rounded and clipped to 0..255. None
            leaves the columns as they are.
    """

    columns: tuple[int, ...]
    mix: tuple[tuple[float, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.columns if self.mix is None else self.mix)

    def read(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Rows of the cache as (B, H, W, input channels), or bags of them, a copy."""
        taken = images[rows]
        if self.columns != tuple(range(images.shape[-1])):
            taken = np.ascontiguousarray(taken[..., list(self.columns)])
        return taken if self.mix is None else self._mixed(taken)

    def _mixed(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        *others, width, channels = images.shape
        flat = images.reshape(-1, width, channels)
        mixed = np.empty((len(flat), width, len(self)), np.uint8)
        cv2.transform(flat, np.array(self.mix), mixed)
        return mixed.reshape(*others, width, len(self))


@dataclass(frozen=True)
class ChannelRecipe:
    """Input channels by the names of a competition's channels.

    Attributes:
        channels: their names; None takes all channels of the competition.
        mix: as in `InputChannels`.
    """

    channels: tuple[str, ...] | None
    mix: tuple[tuple[float, ...], ...] | None = None

    def of(self, known: tuple[str, ...], source: str) -> InputChannels:
        """The input channels for a cache with the channels `known`. `source` names the file in errors.

        Raises:
            ConfigError: the cache lacks a channel.
        """
        if self.channels == ():
            raise ConfigError(f"{source}: the list of channels is empty", f"this competition has {', '.join(known)}")
        for channel in self.channels or ():
            if channel not in known:
                raise ConfigError(f"{source}: there is no channel {channel!r}", f"this competition has {', '.join(known)}")
        return InputChannels(tuple(known.index(channel) for channel in self.channels or known), self.mix)


def statistics(
    images: Images, channels: InputChannels, most: int = 512, among: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each input channel in grey values, from up to `most` evenly spaced images.

    Args:
        among: rows that are taken; None: all.
    """
    among = np.arange(len(images)) if among is None else among
    rows = among[np.unique(np.linspace(0, len(among) - 1, num=min(most, len(among)), dtype=np.int64))]
    moments = np.array([cv2.meanStdDev(channels.read(images, row[None])[0]) for row in rows])[..., 0]  # (rows, 2, channels)
    mean = moments[:, 0].mean(axis=0)
    deviation = np.sqrt((moments[:, 1] ** 2 + moments[:, 0] ** 2).mean(axis=0) - mean**2)
    return mean, np.maximum(deviation, 1.0)

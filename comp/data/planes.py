"""Planes: what a network sees of an image, channels of the cache as they are or mixed."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.errors import ConfigError


@dataclass(frozen=True)
class Planes:
    """Which channels of the cache, and how they are mixed.

    Attributes:
        columns: the channels' numbers in the cache.
        weights: (planes, columns): each plane is the sum of channels times its row, rounded and cut to 0..255; None leaves the
            channels as they are.
    """

    columns: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.columns if self.weights is None else self.weights)

    def read(self, images: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Rows of the cache as (B, H, W, planes), copied out of the map in one pass."""
        taken = images[rows]
        if self.columns != tuple(range(images.shape[-1])):
            taken = np.ascontiguousarray(taken[..., list(self.columns)])
        return taken if self.weights is None else self._mixed(taken)

    def _mixed(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        size, height, width, channels = images.shape
        flat = images.reshape(size * height, width, channels)
        mixed = np.empty((size * height, width, len(self)), np.uint8)
        cv2.transform(flat, np.array(self.weights), mixed)
        return mixed.reshape(size, height, width, len(self))


@dataclass(frozen=True)
class Recipe:
    """Planes by the names of channels.

    Attributes:
        channels: those it reads; None takes all that there are.
        weights: as in `Planes`.
    """

    channels: tuple[str, ...] | None
    weights: tuple[tuple[float, ...], ...] | None = None

    def of(self, known: tuple[str, ...], source: str) -> Planes:
        """The planes in a cache with the channels `known`; `source` names the file in errors.

        Raises:
            ConfigError: a channel that is not there.
        """
        if self.channels == ():
            raise ConfigError(f"{source}: the list of channels is empty", f"this competition has {', '.join(known)}")
        for channel in self.channels or ():
            if channel not in known:
                raise ConfigError(f"{source}: there is no channel {channel!r}", f"this competition has {', '.join(known)}")
        return Planes(tuple(known.index(channel) for channel in self.channels or known), self.weights)


def statistics(images: NDArray[np.uint8], planes: Planes, most: int = 512) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each plane in grey values, (planes,) each, from up to `most` evenly spaced images."""
    rows = np.unique(np.linspace(0, len(images) - 1, num=min(most, len(images)), dtype=np.int64))
    moments = np.array([cv2.meanStdDev(planes.read(images, row[None])[0]) for row in rows])[..., 0]  # (rows, 2, planes)
    mean = moments[:, 0].mean(axis=0)
    deviation = np.sqrt((moments[:, 1] ** 2 + moments[:, 0] ** 2).mean(axis=0) - mean**2)
    return mean, np.maximum(deviation, 1.0)

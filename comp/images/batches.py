"""Training batches as NumPy arrays, for any framework."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.images.input_channels import Images, InputChannels

Arrays = tuple[NDArray[Any], ...]
Augment = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]
Order = Callable[[NDArray[np.bool_], NDArray[np.int64], np.random.Generator], NDArray[np.int64]]


@dataclass(frozen=True)
class Copies:
    """Additional copies of images with rare labels.

    Attributes:
        rows: the row of the image, one for each copy.
        augmentation: what is done to the copies instead of the usual augmentation.
    """

    rows: NDArray[np.int64]
    augmentation: Augment


@dataclass(frozen=True)
class Batches:
    """Shuffled, augmented batches. Batch `step` of `epoch` depends only on the seed and these two numbers.

    Attributes:
        images: (N, H, W, C) uint8, the cache; or bags (N, cells, H, W, C).
        labels: (N, classes) of the same rows.
        identity: (N,) equal for images of one antibody, or of whatever else a metric loss tells apart.
        rows: the rows to train on.
        channels: the input channels of the network.
        copies: copies of rare images, which have their own augmentation.
        aux_features: (N, D) further features of the images.
    """

    images: Images
    labels: NDArray[np.bool_]
    identity: NDArray[np.int64]
    rows: NDArray[np.int64]
    channels: InputChannels
    batch_size: int
    sampler: Order
    augmentation: Augment
    seed: tuple[int, ...]
    copies: Copies | None = None
    aux_features: NDArray[np.float32] | None = None

    @property
    def all_rows(self) -> NDArray[np.int64]:
        """The rows to train on, then those of the copies."""
        return self.rows if self.copies is None else np.concatenate([self.rows, self.copies.rows])

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The order of an epoch, as places in `all_rows`."""
        every = self.all_rows
        return self.sampler(self.labels[every], self.identity[every], np.random.default_rng([*self.seed, epoch]))

    def __len__(self) -> int:
        """Steps an epoch. A smaller last batch is dropped, because it harms batch normalisation, unless it is the only one."""
        return max(len(self.order(0)) // self.batch_size, 1)

    def epoch(self, epoch: int) -> Callable[[int], Arrays]:
        """A function that makes batch `step` of an epoch.

        A batch is images (B, H, W, channels) uint8, labels (B, classes) float32, identity (B,) and, if there are any, aux_features (B, D).
        """
        order, every = self.order(epoch), self.all_rows

        def make(step: int) -> Arrays:
            places = order[step * self.batch_size : (step + 1) * self.batch_size]
            rows = every[places]
            images = self.channels.read(self.images, rows)
            changed = self._augmented(images, places, [*self.seed, epoch, step + 1])
            known = (self.labels[rows].astype(np.float32), self.identity[rows])
            return changed, *known, *(() if self.aux_features is None else (self.aux_features[rows],))

        return make

    def _augmented(self, images: NDArray[np.uint8], places: NDArray[np.int64], seed: list[int]) -> NDArray[np.uint8]:
        generator = np.random.default_rng(seed)
        copied = places >= len(self.rows)
        if self.copies is None or not copied.any():
            return each_image(self.augmentation, images, generator)
        changed = np.empty_like(images)
        changed[~copied] = each_image(self.augmentation, images[~copied], generator)
        changed[copied] = each_image(self.copies.augmentation, images[copied], generator)
        return changed


def each_image(augmentation: Augment, images: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Augment images (B, H, W, C), or each crop of bags (B, cells, H, W, C)."""
    flat = images.reshape(-1, *images.shape[-3:])
    return augmentation(flat, generator).reshape(images.shape)

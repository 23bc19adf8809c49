"""Training batches as arrays, for whichever framework takes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.data.planes import Planes

Arrays = tuple[NDArray[Any], ...]
Augment = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]
Order = Callable[[NDArray[np.bool_], NDArray[np.int64], np.random.Generator], NDArray[np.int64]]


@dataclass(frozen=True)
class Copies:
    """Images that come once more, changed: those with rare labels.

    Attributes:
        rows: which ones, a row for each copy.
        augmentation: how they are changed.
    """

    rows: NDArray[np.int64]
    augmentation: Augment


@dataclass(frozen=True)
class Batches:
    """Shuffled, augmented batches; batch `step` of `epoch` depends on the seed and these two numbers alone.

    Attributes:
        images: (N, H, W, C) uint8, the cache.
        labels: (N, classes) of the same rows.
        identity: (N,) equal for images of one thing, such as an antibody.
        rows: the rows to train on.
        planes: what is seen of them.
        copies: rows that are added, which have an augmentation of their own.
        beside: (N, D) what else is known of the images.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.bool_]
    identity: NDArray[np.int64]
    rows: NDArray[np.int64]
    planes: Planes
    batch_size: int
    sampler: Order
    augmentation: Augment
    seed: tuple[int, ...]
    copies: Copies | None = None
    beside: NDArray[np.float32] | None = None

    @property
    def all_rows(self) -> NDArray[np.int64]:
        """The rows to train on, then those of the copies."""
        return self.rows if self.copies is None else np.concatenate([self.rows, self.copies.rows])

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Places in `all_rows`."""
        every = self.all_rows
        return self.sampler(self.labels[every], self.identity[every], np.random.default_rng([*self.seed, epoch]))

    def __len__(self) -> int:
        """Steps an epoch; a last, smaller batch is dropped (batch normalisation suffers), unless it is the only one."""
        return max(len(self.order(0)) // self.batch_size, 1)

    def epoch(self, epoch: int) -> Callable[[int], Arrays]:
        """What makes batch `step` of an epoch: images (B, H, W, planes) uint8, labels (B, classes) float32, identity (B,), and what is
        beside (B, D) where there is something.
        """
        order, every = self.order(epoch), self.all_rows

        def make(step: int) -> Arrays:
            places = order[step * self.batch_size : (step + 1) * self.batch_size]
            rows = every[places]
            images = self.planes.read(self.images, rows)
            changed = self._augmented(images, places, [*self.seed, epoch, step + 1])
            known = (self.labels[rows].astype(np.float32), self.identity[rows])
            return changed, *known, *(() if self.beside is None else (self.beside[rows],))

        return make

    def _augmented(self, images: NDArray[np.uint8], places: NDArray[np.int64], seed: list[int]) -> NDArray[np.uint8]:
        generator = np.random.default_rng(seed)
        copied = places >= len(self.rows)
        if self.copies is None or not copied.any():
            return self.augmentation(images, generator)
        changed = np.empty_like(images)
        changed[~copied] = self.augmentation(images[~copied], generator)
        changed[copied] = self.copies.augmentation(images[copied], generator)
        return changed

"""Batches for PyTorch, read straight from the memory-mapped cache by threads that run ahead of the training step."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Batch = tuple[Tensor, Tensor]
AHEAD = 2  # batches each thread makes while one is trained on


@dataclass(frozen=True)
class TrainBatches:
    """Shuffled, augmented batches; batch `step` of `epoch` depends on the seed and these two numbers alone.

    Attributes:
        images: (N, H, W, C) uint8, the cache.
        labels: (N, C) of the same rows.
        rows: the rows to train on.
        channels: which of the cache's channels, in which order.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.bool_]
    rows: NDArray[np.int64]
    channels: tuple[int, ...]
    batch_size: int
    sampler: Callable[[NDArray[np.bool_], np.random.Generator], NDArray[np.int64]]
    augmentation: Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]
    seed: tuple[int, ...]

    def order(self, epoch: int) -> NDArray[np.int64]:
        return self.rows[self.sampler(self.labels[self.rows], np.random.default_rng([*self.seed, epoch]))]

    def __len__(self) -> int:
        """Steps an epoch; a last, smaller batch is dropped (batch normalisation suffers), unless it is the only one."""
        return max(len(self.order(0)) // self.batch_size, 1)

    def epoch(self, epoch: int, first_step: int = 0, threads: int = 1) -> Iterator[Batch]:
        """Batches of (B, H, W, C) uint8 and (B, C) float32, from `first_step` on."""
        order = self.order(epoch)

        def make(step: int) -> Batch:
            rows = order[step * self.batch_size : (step + 1) * self.batch_size]
            images = self.augmentation(read(self.images, rows, self.channels), np.random.default_rng([*self.seed, epoch, step + 1]))
            return torch.from_numpy(images), torch.from_numpy(self.labels[rows].astype(np.float32))

        return ahead(make, range(first_step, len(self)), threads)


def read(images: NDArray[np.uint8], rows: NDArray[np.int64], channels: tuple[int, ...]) -> NDArray[np.uint8]:
    """Rows of the cache as (B, H, W, len(channels)), copied out of the map in one pass."""
    taken = images[rows]
    return taken if channels == tuple(range(images.shape[-1])) else np.ascontiguousarray(taken[..., list(channels)])


def ahead(make: Callable[[int], Batch], steps: range, threads: int) -> Iterator[Batch]:
    """`make(step)` for each step in order, some of them in the making while one is used."""
    lead = AHEAD * threads
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(make, step) for step in steps[:lead])
        for step in steps:
            batch = waiting.popleft().result()
            if step + lead in steps:
                waiting.append(pool.submit(make, step + lead))
            yield batch


def channel_statistics(images: NDArray[np.uint8], channels: tuple[int, ...], most: int = 512) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel in grey values, (C,) each, from up to `most` evenly spaced images."""
    rows = np.unique(np.linspace(0, len(images) - 1, num=min(most, len(images)), dtype=np.int64))
    moments = np.array([cv2.meanStdDev(read(images, row[None], channels)[0]) for row in rows])[..., 0]  # (rows, 2, C)
    mean = moments[:, 0].mean(axis=0)
    deviation = np.sqrt((moments[:, 1] ** 2 + moments[:, 0] ** 2).mean(axis=0) - mean**2)
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(np.maximum(deviation, 1.0), dtype=torch.float32)

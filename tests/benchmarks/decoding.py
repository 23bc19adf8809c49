"""The usual way to feed a training loop: a DataLoader that decodes the PNGs of each batch."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from comp.images.augmentations.dihedral import turn
from comp.images.read import resize


class DecodedImages(Dataset[tuple[Tensor, Tensor]]):
    """Grey values (H, W, 4) uint8, turned at random, and labels (C,) float32, like those that the trainer reads from its cache."""

    def __init__(self, files: Sequence[Sequence[Path]], labels: NDArray[np.bool_], size: int) -> None:
        self.files, self.labels, self.size = files, labels, size
        self.generator = np.random.default_rng(0)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        image = turn(decoded(self.files[row], self.size), int(self.generator.integers(8)))
        return torch.from_numpy(np.ascontiguousarray(image)), torch.from_numpy(self.labels[row]).float()

    def __len__(self) -> int:
        return len(self.files)


def loader(images: DecodedImages, batch_size: int, batches: int, workers: int) -> DataLoader[tuple[Tensor, Tensor]]:
    """A loader of `batches` random batches per iteration. Its workers start now and stay between iterations."""
    rows = np.random.default_rng(0).integers(len(images), size=(batches, batch_size)).tolist()
    random_batches = DataLoader(images, batch_sampler=rows, num_workers=workers, persistent_workers=workers > 0, worker_init_fn=one_thread)
    iter(random_batches)
    return random_batches


def one_thread(worker: int) -> None:
    cv2.setNumThreads(1)


def decoded(files: Sequence[Path], size: int) -> NDArray[np.uint8]:
    """One image (size, size, 4) from its PNGs, without any check."""
    channels = [resize(np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8), size) for path in files]
    return np.asarray(cv2.merge(channels), np.uint8)

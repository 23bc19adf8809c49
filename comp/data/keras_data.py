"""Batches for Keras, from the same cache and in the same order as those for PyTorch."""

import numpy as np
from numpy.typing import NDArray

from comp.data.batches import Batches
from comp.quiet_tensorflow import keras


class KerasBatches(keras.utils.PyDataset):
    """One epoch from `first_step` on: images (B, H, W, planes) uint8 and labels (B, classes) float32."""

    def __init__(self, batches: Batches, epoch: int, first_step: int = 0, workers: int = 1) -> None:
        super().__init__(workers=workers)
        self.make, self.first, self.steps = batches.epoch(epoch), first_step, len(batches)

    def __len__(self) -> int:
        return self.steps - self.first

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        images, labels, _ = self.make(self.first + index)
        return images, labels

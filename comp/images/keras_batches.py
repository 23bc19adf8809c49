"""Training batches for Keras, equal to those for PyTorch."""

import numpy as np
from numpy.typing import NDArray

from comp.base.quiet_tensorflow import keras
from comp.images.batches import Batches


class KerasBatches(keras.utils.PyDataset):
    """One epoch from `first_step` on: images (B, H, W, channels) uint8 and labels (B, classes) float32."""

    def __init__(self, batches: Batches, epoch: int, first_step: int = 0, workers: int = 1) -> None:
        super().__init__(workers=workers)
        self.make, self.first, self.steps = batches.epoch(epoch), first_step, len(batches)

    def __len__(self) -> int:
        return self.steps - self.first

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        images, labels, _ = self.make(self.first + index)
        return images, labels

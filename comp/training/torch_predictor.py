"""Running a trained PyTorch network over the images of a cache."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.images.input_channels import InputChannels
from comp.images.torch_batches import ahead
from comp.models.precision import autocast
from comp.training.torch_loop import reading_threads


@dataclass(frozen=True, eq=False)
class Predictor:
    """A network in evaluation mode, with what it needs to read images.

    Attributes:
        network: from images (B, H, W, C) uint8, and auxiliary features (B, D) if it takes any, to a tensor (B, ...).
    """

    network: Callable[..., Tensor]
    experiment: TorchExperiment
    channels: InputChannels
    device: torch.device

    @torch.inference_mode()
    def __call__(
        self, images: NDArray[np.uint8], rows: NDArray[np.int64], aux_features: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The output (len(rows), ...) for rows of a cache, the mean over the experiment's `tta` views.

        Args:
            images: (N, H, W, C) uint8.
            aux_features: (len(rows), D), one row for each of `rows`.
        """
        size = 2 * self.experiment.train.batch_size
        outputs = []

        def make(step: int) -> tuple[NDArray[Any], ...]:
            some = slice(step * size, (step + 1) * size)
            return (self.channels.read(images, rows[some]), *(() if aux_features is None else (aux_features[some],)))

        for batch in ahead(make, range(math.ceil(len(rows) / size)), reading_threads(self.device)):
            pictures, *features = (each.to(self.device, non_blocking=True) for each in batch)
            with autocast(self.experiment.train.precision, self.device):
                views = [self.network(turn(pictures, view), *features).float() for view in range(self.experiment.tta)]
            outputs.append(torch.stack(views).mean(dim=0).cpu())
        return torch.cat(outputs).numpy()


def one_view(experiment: TorchExperiment) -> TorchExperiment:
    """The experiment without test-time augmentation, for a quick look."""
    return experiment.model_copy(update={"tta": 1})


def turn(images: Tensor, view: int) -> Tensor:
    """View 0..7 of images (B, H, W, C), numbered as in the dihedral augmentation."""
    images = images.flip([axis for axis, bit in ((2, 1), (1, 2)) if view & bit])
    return images.transpose(1, 2) if view & 4 else images

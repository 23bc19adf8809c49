"""Running a trained network for bags of cells: what it says of images, and of each cell."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comp.images.bags import Bags
from comp.images.input_channels import InputChannels
from comp.inference.frozen_features import frozen_features
from comp.inference.settings import PredictionSettings
from comp.inference.torch_device import pick_device, use
from comp.inference.torch_network import Predictor
from comp.inference.weights import Weights
from comp.models.cell_network import CellNetwork
from comp.models.cells import trained_cell_network


@dataclass(frozen=True, eq=False)
class CellPredictor:
    """A network in evaluation mode, with what it needs to read bags.

    Attributes:
        done: told after each batch how many images it had.
    """

    network: CellNetwork
    settings: PredictionSettings
    channels: InputChannels
    device: torch.device
    done: Callable[[int], object] = lambda images: None

    def __call__(self, bags: Bags, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits (len(rows), classes) of images, the mean over the settings' views."""
        return self._predicted(self.network.head, bags, rows)

    def cells(self, bags: Bags, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits (n, classes) of all cells of some images, one image after the other."""
        logits = self._predicted(lambda features: self.network.head.cells(features)[0], bags, rows)
        return logits[bags.in_use(rows)]

    def _predicted(self, head: Callable[[Tensor], Tensor], bags: Bags, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if not self.network.frozen:
            whole = Predictor(lambda crops: head(self.network.of_cells(crops)), self.settings, self.channels, self.device, self.done)
            return whole(bags, rows)
        features = frozen_features(bags, self.network.features, self.channels, self.device)
        return feature_predictor(head, self.settings, features, self.device, self.done)(features, rows)


def feature_predictor(
    head: Callable[[Tensor], Tensor],
    settings: PredictionSettings,
    features: Bags,
    device: torch.device,
    done: Callable[[int], object] = lambda images: None,
) -> Predictor:
    """The last layers of a network, which take bags of features (N, cells, D) as they are."""
    return Predictor(head, replace(settings, tta=1, precision="fp32"), every_feature(features), device, done)


def every_feature(features: Bags) -> InputChannels:
    """Features in the place of channels: all of them, as they are."""
    return InputChannels(tuple(range(features.shape[-1])))


def load(weights: Weights, settings: PredictionSettings, slot: int, done: Callable[[int], object]) -> CellPredictor:
    """A trained network on the GPU of a slot, else on the CPU.

    Raises:
        RuntimeError: the tensors are not those of the network.
    """
    torch.set_num_threads(settings.threads)
    device = torch.device(pick_device(slot))
    use(device)
    tensors = {name: torch.from_numpy(tensor) for name, tensor in weights.tensors.items()}
    built = weights.network
    network = trained_cell_network(built["backbone"], built["options"], built["frozen"], tensors).to(device)
    return CellPredictor(network, settings, weights.input_channels, device, done)

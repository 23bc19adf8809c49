"""Running a trained PyTorch network over images."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comp.base.errors import CompError
from comp.images.input_channels import Images, InputChannels
from comp.images.torch_batches import ahead
from comp.inference.settings import PredictionSettings
from comp.inference.torch_device import device_name, is_out_of_memory, pick_device, reading_threads, use
from comp.inference.weights import Weights
from comp.models.networks import METRIC_LOSS, trained_network
from comp.models.precision import autocast


@dataclass(frozen=True, eq=False)
class Predictor:
    """A network in evaluation mode, with what it needs to read images.

    Attributes:
        network: from images (B, H, W, C) uint8, and auxiliary features (B, D) if it takes any, to a tensor (B, ...).
        done: told after each batch how many images it had.
    """

    network: Callable[..., Tensor]
    settings: PredictionSettings
    channels: InputChannels
    device: torch.device
    done: Callable[[int], object] = lambda images: None

    @torch.inference_mode()
    def __call__(self, images: Images, rows: NDArray[np.int64], aux_features: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """The output (len(rows), ...) for rows of `images`, the mean over the settings' views.

        Args:
            images: (N, H, W, C) uint8.
            aux_features: (len(rows), D), one row for each of `rows`.
        """
        size = self.settings.batch_size
        outputs = []

        def make(step: int) -> tuple[NDArray[Any], ...]:
            some = slice(step * size, (step + 1) * size)
            return (self.channels.read(images, rows[some]), *(() if aux_features is None else (aux_features[some],)))

        for pictures, *features in ahead(make, range(math.ceil(len(rows) / size)), self.device, reading_threads(self.device)):
            outputs.append(self._mean_of_views(pictures, *features))
            self.done(len(pictures))
        return torch.cat(outputs).numpy()

    def _mean_of_views(self, *batch: Tensor) -> Tensor:
        pictures, *features = batch
        try:
            with autocast(self.settings.precision, self.device):
                views = [self.network(turn(pictures, view), *features).float() for view in range(self.settings.tta)]
            return torch.stack(views).mean(dim=0).cpu()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            half = max(len(pictures) // 2, 1)
            what = (
                f"{device_name(str(self.device))} has too little memory to predict {len(pictures)} images of {pictures.shape[1]} px at once"
            )
            raise CompError(what, f'predict fewer at once: SET="predict_batch_size={half}", in make predict BATCH={half}') from None


def weights_of(trainer: str, network: nn.Module, backbone: str, options: Mapping[str, Any], channels: InputChannels) -> Weights:
    """A trained network without its metric loss.

    Args:
        backbone, options: the arguments of `timm.create_model` that its backbone was built with.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items() if not name.startswith(METRIC_LOSS)}
    tensors = {name: (value.float() if value.is_floating_point() else value).numpy() for name, value in state.items()}
    return Weights(trainer, {"backbone": backbone, "options": options}, channels, tensors)


def load(weights: Weights, settings: PredictionSettings, slot: int, done: Callable[[int], object]) -> Predictor:
    """A trained network on the GPU of a slot, else on the CPU. One that embeds gives its embeddings, not normalised over views.

    Raises:
        RuntimeError: the tensors are not those of the network.
    """
    network, device = network_on_device(weights, settings, slot)
    return Predictor(_prediction_of(weights.trainer, network), settings, weights.input_channels, device, done)


def network_on_device(weights: Weights, settings: PredictionSettings, slot: int) -> tuple[nn.Module, torch.device]:
    """A trained network and its device: the GPU of a slot, else the CPU.

    Raises:
        RuntimeError: the tensors are not those of the network.
    """
    torch.set_num_threads(settings.threads)
    device = torch.device(pick_device(slot))
    use(device)
    tensors = {name: torch.from_numpy(tensor) for name, tensor in weights.tensors.items()}
    return trained_network(weights.trainer, weights.network, tensors).to(device), device


def _prediction_of(trainer: str, network: nn.Module) -> Callable[..., Tensor]:
    """What a network of a trainer predicts with: logits, or its embeddings."""
    if trainer == "metric":
        return lambda images: network(images)[0]
    embed: Callable[..., Tensor] = network.embed if trainer == "channels" else network  # type: ignore[assignment]
    return embed


def turn(images: Tensor, view: int) -> Tensor:
    """View 0..7 of images (..., H, W, C), numbered as in the dihedral augmentation."""
    images = images.flip([axis for axis, bit in ((-2, 1), (-3, 2)) if view & bit])
    return images.transpose(-3, -2) if view & 4 else images

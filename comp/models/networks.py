"""The PyTorch networks: a timm backbone as a classifier of stained images, as an embedder, and as a cascade; and any trained network."""

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from comp.models import allcnn as allcnn  # timm knows it once it is imported

METRIC_LOSS = "metric_loss."  # prefix of the names of tensors that only training needs


class Classifier(nn.Module):
    """Grey values (B, H, W, C) uint8 in, logits (B, classes) float32 out.

    Images come as they are in the cache: they are converted once per batch, and their memory order is already channels-last.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, backbone: nn.Module, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, images: Tensor) -> Tensor:
        normalised = (images.float() - self.mean) / self.deviation
        return self.backbone(normalised.permute(0, 3, 1, 2))


class Embedder(nn.Module):
    """Grey values (B, H, W, C) uint8 in; embeddings (B, size) of length 1 out, and logits (B, classes) if there is a second head.

    `metric_loss` is the loss of the embeddings. It belongs to the network because it may have parameters of its own.
    """

    def __init__(self, features: Classifier, width: int, size: int, metric_loss: nn.Module, head: nn.Module | None) -> None:
        super().__init__()
        self.features = features
        self.embed = nn.Sequential(nn.Linear(width, size, bias=False), nn.BatchNorm1d(size))
        self.metric_loss = metric_loss
        self.head = head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        features = self.features(images)
        with torch.autocast(images.device.type, enabled=False):  # bf16 is too coarse to tell near-duplicates apart
            embeddings = self.embed(features.float())
        return normalize(embeddings), None if self.head is None else self.head(features)


class Cascade(nn.Module):
    """Grey values (B, H, W, C) uint8 and auxiliary features (B, D) in, logits (B, classes) out."""

    def __init__(self, features: Classifier, width: int, aux_count: int, outputs: int) -> None:
        super().__init__()
        self.features = features
        self.norm = nn.BatchNorm1d(aux_count)
        self.head = nn.Linear(width + aux_count, outputs)

    def forward(self, images: Tensor, aux_features: Tensor) -> Tensor:
        return self.head(torch.cat([self.features(images), self.norm(aux_features)], dim=1))


def trained_network(trainer: str, backbone: str, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """A trained network in evaluation mode, without the metric loss that it was trained with.

    Args:
        trainer: "torch", "metric", "channels" or "cascade".
        backbone, options: the arguments of `timm.create_model`; of "channels", those of `comp.models.channel_unet.build_unet`.
        tensors: the state of the whole network, its metric loss apart.

    Raises:
        RuntimeError: the tensors are not those of this network.
    """
    if trainer == "channels":
        from comp.models.channel_unet import trained_unet  # imported here: other networks need no package for U-Nets

        return _in_use(trained_unet(backbone, options, tensors), tensors)
    prefix = "" if trainer == "torch" else "features."
    inner = Classifier(timm.create_model(backbone, pretrained=False, **options), tensors[f"{prefix}mean"], tensors[f"{prefix}deviation"])
    network: nn.Module = inner
    if trainer == "metric":
        size, width = tensors["embed.0.weight"].shape
        head = nn.Linear(width, len(tensors["head.weight"])) if "head.weight" in tensors else None
        network = Embedder(inner, width, size, nn.Identity(), head)
    elif trainer == "cascade":
        aux_count, (outputs, inputs) = len(tensors["norm.weight"]), tensors["head.weight"].shape
        network = Cascade(inner, inputs - aux_count, aux_count, outputs)
    return _in_use(network, tensors)


def _in_use(network: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network with its tensors, in evaluation mode."""
    network.load_state_dict(tensors)
    return network.to(memory_format=torch.channels_last).eval()

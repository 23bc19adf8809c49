"""The PyTorch networks: a timm backbone as a classifier of stained images, as an embedder, and as a cascade; and any trained network."""

from collections.abc import Iterable, Mapping, Sequence
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
    """Grey values (B, H, W, C) uint8 and auxiliary features (B, D) in, logits (B, classes) out.

    `maps` are trained networks with a method `maps`, of such images to further input channels (B, H, W, M). They learn nothing more.
    """

    def __init__(self, features: Classifier, width: int, aux_count: int, outputs: int, maps: Iterable[nn.Module] = ()) -> None:
        super().__init__()
        self.features = features
        self.norm = nn.BatchNorm1d(aux_count)
        self.head = nn.Linear(width + aux_count, outputs)
        self.maps = nn.ModuleList(maps).requires_grad_(False).eval()

    def forward(self, images: Tensor, aux_features: Tensor) -> Tensor:
        return self.head(torch.cat([self.features(self.with_maps(images)), self.norm(aux_features)], dim=1))

    def with_maps(self, images: Tensor) -> Tensor:
        """The images, followed by all maps of them."""
        with torch.no_grad():
            return torch.cat([images, *(network.maps(images) for network in self.maps)], dim=-1)  # type: ignore[operator]

    def train(self, mode: bool = True) -> "Cascade":
        super().train(mode)
        self.maps.eval()
        return self


def trained_network(trainer: str, built: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """A trained network in evaluation mode, without the metric loss that it was trained with.

    Args:
        trainer: "torch", "metric", "channels" or "cascade".
        built: `backbone` and `options`, the arguments of `timm.create_model`; of "channels", those of
            `comp.models.channel_unet.build_unet`; and `maps`, the same for each network that draws maps (with `stains`: the segmenter).
        tensors: the state of the whole network, its metric loss apart.

    Raises:
        RuntimeError: the tensors are not those of this network.
    """
    if trainer == "channels":
        return trained_maps([built], [tensors])[0]
    prefix = "" if trainer == "torch" else "features."
    backbone = timm.create_model(built["backbone"], pretrained=False, **built["options"])
    inner = Classifier(backbone, tensors[f"{prefix}mean"], tensors[f"{prefix}deviation"])
    network: nn.Module = inner
    if trainer == "metric":
        size, width = tensors["embed.0.weight"].shape
        head = nn.Linear(width, len(tensors["head.weight"])) if "head.weight" in tensors else None
        network = Embedder(inner, width, size, nn.Identity(), head)
    elif trainer == "cascade":
        aux_count, (outputs, inputs) = len(tensors["norm.weight"]), tensors["head.weight"].shape
        maps = built.get("maps", ())
        of_maps = [below(tensors, f"maps.{number}.") for number in range(len(maps))]
        network = Cascade(inner, inputs - aux_count, aux_count, outputs, trained_maps(maps, of_maps))
    return _in_use(network, tensors)


def trained_maps(built: Sequence[Mapping[str, Any]], tensors: Sequence[Mapping[str, Tensor]]) -> list[nn.Module]:
    """The networks that draw maps, each from how it is built and its state."""
    if not built:
        return []
    from comp.models.channel_unet import trained_unet  # imported here: other networks need no package for U-Nets
    from comp.models.segmenter_maps import trained_segmenter_maps

    def network(one: Mapping[str, Any], own: Mapping[str, Tensor]) -> nn.Module:
        build = trained_segmenter_maps if "stains" in one["options"] else trained_unet
        return _in_use(build(one["backbone"], one["options"], own), own)

    return [network(one, own) for one, own in zip(built, tensors, strict=True)]


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _in_use(network: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network with its tensors, in evaluation mode."""
    network.load_state_dict(tensors)
    return network.to(memory_format=torch.channels_last).eval()

"""What the segmenting network says of an image as further input channels of another network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from comp.models.segmenter_network import STRIDE, SegmenterNetwork

MOST_SAMPLES = 250_000  # pixels that the percentiles are taken from


class SegmenterMaps(nn.Module):
    """Draws the four `comp.models.segmenter_network.MAPS` of images.

    Args:
        stains: the number of the channel that shows each of the network's stains, or None.
        levels: the percentiles of a stain that become 0 and 1, and the largest value, as in `comp.cells.stains`.
        scale: at which the network sees the images.
        mean, deviation: (4,) that the maps are normalised with, in grey values. A certain map is as bright as `deviation`.
    """

    scale: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(
        self, network: nn.Module, stains: Sequence[int | None], levels: Sequence[float], scale: Tensor, mean: Tensor, deviation: Tensor
    ) -> None:
        super().__init__()
        self.network, self.stains, self.levels = network, tuple(stains), tuple(levels)
        for name, value in {"scale": scale, "mean": mean, "deviation": deviation}.items():
            self.register_buffer(name, value)

    def maps(self, images: Tensor) -> Tensor:
        """(B, H, W, 4) grey values of images (B, H, W, C)."""
        shape = images.shape[1:3]
        seen = [max(round(side * self.scale.item() / STRIDE), 1) * STRIDE for side in shape]
        planes = torch.stack([self._plane(images, channel) for channel in self.stains], dim=1)
        scaled = interpolate(planes, seen, mode="bilinear", antialias=True).contiguous(memory_format=torch.channels_last)
        maps = torch.sigmoid(self.network(scaled).float())
        return interpolate(maps, shape, mode="bilinear", antialias=True).permute(0, 2, 3, 1) * self.deviation

    def _plane(self, images: Tensor, channel: int | None) -> Tensor:
        """(B, H, W) a stain, from its own percentiles in each image; 0 without a channel, or if all values are equal."""
        if channel is None:
            return torch.zeros(images.shape[:3], device=images.device)
        *percentiles, brightest = self.levels
        values = images[..., channel].float()
        step, shares = max(1, round((values[0].numel() / MOST_SAMPLES) ** 0.5)), values.new_tensor(percentiles) / 100
        cuts = [torch.quantile(image[::step, ::step], shares) for image in values]  # of a whole batch there can be too many for PyTorch
        low, high = torch.stack(cuts, dim=1)[..., None, None]
        high = torch.where(high > low, high, values.amax(dim=(1, 2), keepdim=True))
        return ((values - low) / (high - low).clamp(min=1e-6)).clamp(0, brightest) * (high > low)


def trained_segmenter_maps(backbone: str, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> SegmenterMaps:
    """The network to which its state `tensors` belongs; `options` are `decoder`, `stains` and `levels`."""
    network = SegmenterNetwork(backbone, tuple(options["decoder"]))
    buffers = (tensors[name] for name in ("scale", "mean", "deviation"))
    return SegmenterMaps(network, options["stains"], options["levels"], *buffers)
